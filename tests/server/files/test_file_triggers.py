"""Triggers around uploads and deletions: what they see, change, replace and refuse."""

import base64
import json

import pytest
from image_host import ASTRONAUT, KEYS, MASTER
from parse_app import error

from cloud.code import CloudError, CloudFile, Validator
from cloud.errors import ValidationFailed
from cloud.values import File

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"


@pytest.fixture
def upload(parse):
    def send(name="a.gif", data=GIF, by=MASTER, **headers):
        sent = {"Content-Type": "image/gif", **by, **headers}
        return parse.client.post(f"/parse/files/{name}", data=data, headers=sent)

    return send


@pytest.fixture
def stored(parse):
    """What is stored, by name."""
    files = parse.services.database.files
    return lambda: {name: files.read(name) for name in files.names()}


def metadata_of(parse, name):
    return parse.client.get(f"/parse/files/myAppId/metadata/{name}").json["metadata"]


def test_before_save_sees_the_upload_and_after_save_what_was_stored(parse, cloud_code, upload):
    seen = []

    @cloud_code.before_save_file
    def before(request):
        file = request.file
        seen.append((request.trigger_name, file.name, file.data, file.content_type, file.url))
        seen.append((request.file_size, file.metadata, file.tags, request.master))

    @cloud_code.after_save_file
    def after(request):
        seen.append((request.trigger_name, request.file.name, request.file.url))
        seen.append((request.file_size, request.file.data))

    headers = {
        "X-Parse-Upload-Mode": "stream",
        "X-Parse-File-Metadata": '{"a": 1}',
        "X-Parse-File-Tags": '{"b": "c"}',
    }
    answer = upload(**headers).json
    assert seen[0] == ("beforeSave", "a.gif", GIF, "image/gif", None)
    assert seen[1] == (len(GIF), {"a": 1}, {"b": "c"}, True)
    assert seen[2] == ("afterSave", answer["name"], answer["url"])
    assert seen[3] == (len(GIF), GIF)
    assert metadata_of(parse, answer["name"]) == {"a": 1}


def test_before_save_adds_metadata(parse, cloud_code, upload):
    @cloud_code.before_save_file
    def before(request):
        request.file.metadata["by"] = "cloud code"

    assert metadata_of(parse, upload().json["name"]) == {"by": "cloud code"}


@pytest.mark.parametrize("in_place", [True, False])
def test_before_save_may_replace_the_file(parse, cloud_code, upload, stored, in_place):
    @cloud_code.before_save_file
    def before(request):
        if in_place:
            request.file.data, request.file.name = b"other", "b.txt"
            return None
        return CloudFile("b.txt", b"other")

    name = upload().json["name"]
    assert name.endswith("_b.txt")
    assert stored() == {name: b"other"}


def test_before_save_may_name_a_file_that_is_stored_already(parse, cloud_code, upload, stored):
    sizes = []

    @cloud_code.before_save_file
    def before(request):
        return File("known.gif", "https://files.example.com/known.gif")

    @cloud_code.after_save_file
    def after(request):
        sizes.append(request.file_size)

    answer = upload()
    assert answer.status_code == 201
    assert answer.json == {"name": "known.gif", "url": "https://files.example.com/known.gif"}
    assert answer.headers["Location"] == answer.json["url"]
    assert (stored(), sizes) == ({}, [None])


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (CloudError("too ugly"), (130, "too ugly")),
        (CloudError("too ugly", 9001), (9001, "too ugly")),
        (ValidationFailed("no"), (142, "no")),
        (KeyError("bug"), (130, "Script failed. The server's log says why.")),
    ],
)
def test_what_before_save_raises_keeps_the_file_out(
    parse, cloud_code, upload, stored, raised, expected
):
    @cloud_code.before_save_file
    def refuse(request):
        raise raised

    assert error(upload()) == expected
    assert stored() == {}


def test_what_after_save_raises_reaches_the_client(cloud_code, upload, stored):
    @cloud_code.after_save_file
    def late(request):
        raise CloudError("late")

    assert error(upload()) == (130, "late")
    assert len(stored()) == 1


@pytest.mark.parametrize(
    "file",
    [
        CloudFile("a.gif", b""),
        CloudFile("../a.gif", GIF),
        CloudFile("a.gif", GIF, metadata={"$a": 1}),
        CloudFile("a.gif", GIF, metadata={"a": object()}),
        CloudFile("a.gif", "text"),
        CloudFile(7, GIF),
        CloudFile("a.gif", GIF, directory=7),
        CloudFile("a.gif", bytes(1_000_001)),
    ],
)
def test_what_cannot_be_stored_is_refused_of_cloud_code_too(cloud_code, upload, stored, file):
    cloud_code.before_save_file(lambda request: file)
    assert 400 <= upload().status_code < 500
    assert stored() == {}


def test_an_upload_that_is_refused_never_reaches_the_trigger(cloud_code, upload):
    @cloud_code.before_save_file
    def before(request):
        raise AssertionError

    assert error(upload(by=KEYS)) == (130, "File upload by public is disabled.")
    assert error(upload(name="%2e%2e")) == (122, "Filename contains invalid characters.")
    assert error(upload(data=b"")) == (130, "Invalid file upload.")


def test_cloud_code_may_let_in_what_clients_may_not_send(make_parse, cloud_code):
    parse = make_parse(file_upload_from={"public"})

    @cloud_code.before_save_file
    def before(request):
        return CloudFile("note.txt", b"hello")

    sent = {"base64": base64.b64encode(ASTRONAUT).decode(), "_ApplicationId": "myAppId"}
    body = json.dumps({**sent, "_JavaScriptKey": "myJsKey", "fileData": {"tags": {"a": "b"}}})
    answer = parse.client.post("/parse/files/a.jpg", data=body, content_type="text/plain")
    assert answer.json["name"].endswith("_note.txt")


def test_before_save_may_say_where_a_file_lies(parse, cloud_code, upload):
    @cloud_code.before_save_file
    def before(request):
        assert request.file.directory == "theirs"
        request.file.directory = "ours"

    headers = {"X-Parse-Upload-Mode": "stream", "X-Parse-File-Directory": "theirs"}
    assert upload(**headers).json["name"].startswith("ours/")
    cloud_code.before_save_file(lambda request: CloudFile("a.gif", GIF, directory="../up"))
    assert error(upload()) == (122, 'Directory must not contain "..".')


def test_triggers_of_a_deletion_see_the_name_and_the_url(parse, cloud_code, upload, stored):
    seen = []

    @cloud_code.before_delete_file
    def before(request):
        seen.append((request.trigger_name, request.file, request.file_size, len(stored())))

    @cloud_code.after_delete_file
    def after(request):
        seen.append((request.trigger_name, request.file, request.file_size, len(stored())))

    answer = upload().json
    file = CloudFile(answer["name"], url=answer["url"])
    assert parse.delete(f"/files/{answer['name']}", MASTER).json == {}
    assert seen == [("beforeDelete", file, None, 1), ("afterDelete", file, None, 0)]


def test_what_before_delete_raises_keeps_the_file(parse, cloud_code, upload, stored):
    @cloud_code.before_delete_file
    def refuse(request):
        raise CloudError("keep it")

    name = upload().json["name"]
    assert error(parse.delete(f"/files/{name}", MASTER)) == (153, "keep it")
    assert list(stored()) == [name]


def test_validators_are_asked_first(cloud_code, upload, stored):
    @cloud_code.before_save_file(validator=Validator(require_user=True, validate_master_key=True))
    def before(request):
        raise AssertionError

    assert error(upload()) == (142, "Validation failed. Please login to continue.")

    @cloud_code.before_save_file(validator=Validator(skip_with_master_key=True))
    def again(request):
        raise AssertionError

    assert upload().status_code == 201
