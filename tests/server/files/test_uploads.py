"""What is read of an upload, and what is refused of it."""

import base64

import pytest

from server.files.uploads import Upload, check_content, json_upload, raw_upload
from server.parse.errors import ParseError

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"
STREAM = {"x-parse-upload-mode": "stream"}


def in_json(data, **more):
    return {"base64": base64.b64encode(data).decode(), **more}


def test_bytes_are_taken_as_they_come_when_a_header_named_the_app():
    looks_like_json = b'{"base64":"AAAA"}'
    upload = raw_upload(looks_like_json, "text/plain", {})
    assert upload == Upload(looks_like_json, "text/plain", {})


def test_base64_in_json_replaces_body_and_content_type():
    parsed = in_json(GIF, _ContentType="image/gif", fileData={"metadata": {"a": 1}, "tags": {}})
    assert json_upload(parsed) == Upload(GIF, "image/gif", {"a": 1})


def test_json_of_old_sdks_has_no_file_data():
    assert json_upload(in_json(GIF)) == Upload(GIF, "", {})


@pytest.mark.parametrize("text", [None, "", 7, "%%%", ["AAAA"], {}])
def test_json_without_base64_holds_no_file(text):
    assert json_upload({"base64": text}) == Upload(b"")


@pytest.mark.parametrize(
    ("upload", "code"),
    [
        (Upload(b""), 130),
        (Upload(bytes(101)), None),
        (Upload(GIF, "", {"a": "b" * 17_000}), 130),
        (Upload(GIF, "", {"$where": 1}), 121),
        (Upload(GIF, "", {"list": [{"deep": {"a.b": 1}}]}), 121),
        (Upload(GIF, "", {"a": {"b\0": 1}}), 121),
        (Upload(GIF, "", {"a": [{"__proto__": {}}]}), 105),
        (Upload(GIF, "", {}, {"a": "b" * 17_000}), 130),
        (Upload(GIF, "", {}, {"$where": "1"}), 121),
        (Upload(GIF, "", {}, {"__proto__": "1"}), 105),
        (Upload(GIF, "", {}, {}, "a/../b"), 122),
        (Upload(GIF, problem="Invalid JSON in X-Parse-File-Tags header."), 107),
    ],
)
def test_content_that_cannot_be_kept_is_refused(upload, code):
    with pytest.raises(ParseError) as caught:
        check_content(upload, 100, master=True)
    assert caught.value.code == code


def test_content_of_exactly_the_largest_size_is_kept():
    check_content(Upload(bytes(100), "", {"a": [{"b c": None}, 1.5]}), 100, master=False)


@pytest.mark.parametrize("file_data", [None, [], "x", {}, {"metadata": None}, {"metadata": 7}])
@pytest.mark.parametrize("content_type", [None, 7, {}])
def test_odd_claims_beside_a_file_are_ignored(file_data, content_type):
    parsed = in_json(GIF, fileData=file_data, _ContentType=content_type)
    assert json_upload(parsed) == Upload(GIF, "", {})


def test_headers_tell_of_a_stream_what_json_tells_of_base64():
    headers = STREAM | {
        "x-parse-file-metadata": '{"a": 1}',
        "x-parse-file-tags": '{"b": "c"}',
        "x-parse-file-directory": "folder",
    }
    assert raw_upload(GIF, "", headers) == Upload(GIF, "", {"a": 1}, {"b": "c"}, "folder")
    beside = {"metadata": {"a": 1}, "tags": {"b": "c"}, "directory": "folder"}
    expected = Upload(GIF, "", {"a": 1}, {"b": "c"}, "folder")
    assert json_upload(in_json(GIF, fileData=beside)) == expected


def test_headers_of_what_is_no_stream_are_ignored():
    assert raw_upload(GIF, "", {"x-parse-file-metadata": "no JSON"}) == Upload(GIF, "")


@pytest.mark.parametrize("text", ["{", "[]", "7", "null", '"x"', "[" * 100_000])
@pytest.mark.parametrize("name", ["Metadata", "Tags"])
def test_a_header_that_is_no_json_object_is_refused(name, text):
    upload = raw_upload(GIF, "", STREAM | {f"x-parse-file-{name.lower()}": text})
    with pytest.raises(ParseError) as caught:
        check_content(upload, 100, master=False)
    message = f"Invalid JSON in X-Parse-File-{name} header."
    assert (caught.value.code, caught.value.message) == (107, message)


def refusal_of(directory, *, master=True):
    with pytest.raises(ParseError) as caught:
        check_content(Upload(GIF, directory=directory), 100, master=master)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        ("a" * 91, "Directory path is too long."),
        ("a/" * 30 + "a", "Directory path is too long."),
        ("a/../b", 'Directory must not contain "..".'),
        ("/a", 'Directory must not start or end with "/".'),
        ("a/", 'Directory must not start or end with "/".'),
        ("a//b", "Directory must not contain consecutive slashes."),
        ("metadata/a", 'Directory must not start with reserved segment "metadata".'),
        ("a.b", "Directory contains invalid characters."),
        ("_a", "Directory contains invalid characters."),
        ("a\\b", "Directory contains invalid characters."),
        ("a\0", "Directory contains invalid characters."),
    ],
)
def test_a_directory_that_cannot_be_is_refused(directory, message):
    assert refusal_of(directory) == (122, message)


@pytest.mark.parametrize("directory", ["a", "a" * 90, "a/b/c-d_1", "a/metadata"])
def test_a_directory_is_for_the_master_key(directory):
    check_content(Upload(GIF, directory=directory), 100, master=True)
    message = "Directory can only be set using the Master Key."
    assert refusal_of(directory, master=False) == (119, message)
