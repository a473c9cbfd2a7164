"""Names, types, ranges and URLs of files."""

import io
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from config import Settings, SettingsError, load_settings
from ml_models.images import FORMATS
from server.files.names import (
    IMAGE_EXTENSIONS,
    RangeNotSatisfiable,
    download_headers,
    file_url,
    image_extension,
    is_stored_name,
    name_to_store,
    public_mount_url,
    requested_bytes,
)
from server.files.uploads import Upload
from server.parse.errors import ParseError
from server.storage.port import StoredFile

IMAGES_ONLY = Settings.model_fields["file_upload_extensions"].default
ANY = frozenset({"*"})
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
HTML = b"<html><script>alert(1)</script>"
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
RANDOM = "0123456789abcdef" * 2


def picture(image_format):
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, image_format)
    return stream.getvalue()


def refusal(name, upload, allowed=IMAGES_ONLY):
    with pytest.raises(ParseError) as caught:
        name_to_store(name, upload, allowed)
    return caught.value.code, caught.value.message


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a.gif", "_.gif", "0@ ~_-.gif", "two words.gif", "page.html.gif", "A.GIF", "a..gif"]
)
def test_stored_name_is_32_hex_digits_and_the_clients_name(name):
    stored = name_to_store(name, Upload(GIF), IMAGES_ONLY)
    assert re.fullmatch(rf"[0-9a-f]{{32}}_{re.escape(name)}", stored)
    assert stored != name_to_store(name, Upload(GIF), IMAGES_ONLY)


@pytest.mark.parametrize(
    "name",
    [
        "", ".gif", "-a.gif", " a.gif", "~a.gif", "../a.gif", "..", "a/b.gif", "a\\b.gif",
        "a$b.gif", "a b ü.gif", "图.gif", "a\0.gif", "a.gif\n", "\na.gif", "a:b.gif", "a%2Fb.gif",
        'a".gif', "a;b.gif", "a\u202egif.exe", "/etc/passwd",
    ],
)  # fmt: skip
def test_hostile_or_unusual_name_is_refused(name):
    assert refusal(name, Upload(GIF), ANY) == (122, "Filename contains invalid characters.")


def test_name_may_have_128_characters():
    longest = "a" * 124 + ".gif"
    assert name_to_store(longest, Upload(GIF), IMAGES_ONLY).endswith(longest)
    assert refusal("a" + longest, Upload(GIF)) == (122, "Filename too long.")
    assert refusal("$" * 129, Upload(GIF)) == (122, "Filename too long.")


@pytest.mark.parametrize(
    ("name", "data", "content_type", "ending"),
    [
        ("logo", GIF, "image/png", "_logo.gif"),  # the content knows better
        ("logo", GIF, "", "_logo.gif"),
        ("logo.", GIF, "", "_logo..gif"),
        ("note", b"hello", "text/plain; charset=utf-8", "_note.txt"),
        ("note", b"hello", "application/x-nobody-knows", "_note"),
        ("note", b"hello", "", "_note"),
    ],
)
def test_name_without_extension_gets_one(name, data, content_type, ending):
    assert name_to_store(name, Upload(data, content_type), ANY).endswith(ending)


@given(st.text(max_size=140))
def test_every_name_is_stored_safely_or_refused(name):
    try:
        stored = name_to_store(name, Upload(GIF), ANY)
    except ParseError:
        return
    assert is_stored_name(stored)
    assert set(stored) <= set(string.ascii_letters + string.digits + "@. ~_-")


@pytest.mark.parametrize(
    "name", [f"{RANDOM}_a.gif", "tfss-1.jpg", "ü ö.jpg", "...", ".hidden", "a" * 512, "a/b/c.gif"]
)
def test_name_of_any_older_parse_can_be_looked_up(name):
    assert is_stored_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        "/etc/passwd",
        "a\\b",
        "a\0b",
        "a\nb",
        "a" * 513,
    ],
)
def test_name_that_leads_elsewhere_is_never_looked_up(name):
    assert not is_stored_name(name)


# --- types --------------------------------------------------------------------------------------


def test_default_extensions_are_those_of_images():
    assert IMAGES_ONLY == IMAGE_EXTENSIONS


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_that_is_classified_may_be_uploaded(image_format):
    data = picture(image_format)
    extension = image_extension(data)
    assert extension in IMAGE_EXTENSIONS
    for name in ["photo", f"photo.{extension}", f"photo.{extension.upper()}"]:
        assert name_to_store(name, Upload(data, "application/octet-stream"), IMAGES_ONLY)


@pytest.mark.parametrize(
    "data",
    [
        HTML, SVG, b"\xef\xbb\xbf" + SVG, b" " + GIF, b"%PDF-1.7", b"PK\3\4", b"\0\0\0\x18ftypmp42",
        b"BM<script>alert(1)</script>", b"RIFF\0\0\0\0WAVEfmt ", b"GIF8", b"\xff\xd8", b"",
        b"\0\0\1\0\1\0", b"<?xml version='1.0'?>", b"II", b"\n" + JPEG,
    ],
)  # fmt: skip
def test_anything_else_is_no_image_whatever_it_is_called(data):
    assert image_extension(data) is None
    code, message = refusal("photo.jpg", Upload(data, "image/jpeg"))
    assert (code, message.partition(":")[0]) == (130, "Invalid file upload")


@pytest.mark.parametrize(
    ("name", "data", "content_type", "extension"),
    [
        ("x.html", HTML, "text/html", "html"),
        ("x.html", JPEG, "image/jpeg", "html"),  # an image under another name
        ("x.jpg.html", JPEG, "image/jpeg", "html"),
        ("x.HTML", JPEG, "image/jpeg", "html"),
        ("x.svg", SVG, "image/svg+xml", "svg"),
        ("x", SVG, "image/svg+xml", "svg+xml"),
        ("x", HTML, "Text/HTML; charset=utf-8", "html"),
        ("x", b"abc", "", ""),
        ("x.js", b"alert(1)", "image/png", "js"),
        ("x.xml", b"<?xml?>", "image/png", "xml"),
        ("x.jpg ", JPEG, "image/jpeg", "jpg "),
        ("x.mp4", b"\0\0\0\x18ftypmp42", "video/mp4", "mp4"),
    ],
)
def test_only_images_may_be_uploaded_by_default(name, data, content_type, extension):
    expected = (130, f"File upload of extension {extension} is disabled.")
    assert refusal(name, Upload(data, content_type)) == expected


def test_configured_extensions_count():
    assert name_to_store("a.pdf", Upload(b"%PDF"), frozenset({"pdf"})).endswith("_a.pdf")
    assert refusal("a.gif", Upload(GIF), frozenset({"pdf"}))[0] == 130
    assert name_to_store("a.html", Upload(HTML), ANY).endswith("_a.html")
    assert refusal("a.gif", Upload(HTML), ANY)[0] == 130


def test_master_key_may_upload_anything():
    assert name_to_store("a.html", Upload(HTML), None).endswith("_a.html")
    assert name_to_store("a.gif", Upload(HTML), None).endswith("_a.gif")


# --- downloads ----------------------------------------------------------------------------------


def headers_of(name):
    return download_headers(StoredFile(name, 1))


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.jpg", "image/jpeg"), ("a.JPEG", "image/jpeg"), ("a.html.webp", "image/webp"),
     ("a.mp4", "video/mp4"), ("a.mp3", "audio/mpeg")],
)  # fmt: skip
def test_images_audio_and_video_are_shown(name, content_type):
    assert headers_of(name)["Content-Type"] == content_type
    assert "Content-Disposition" not in headers_of(name)


@pytest.mark.parametrize(
    "extension",
    ["html", "htm", "xhtml", "shtml", "svg", "svgz", "xml", "xsl", "js", "mjs", "css", "mht",
     "swf", "wasm", "jpg ", "jpg\u200b", "", "exe", "hta", "rss"],
)  # fmt: skip
def test_what_could_be_active_is_only_ever_saved_as_bytes(extension):
    headers = headers_of(f"a.{extension}")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"


@given(st.text())
def test_no_file_is_ever_sniffed_framed_or_scripted(name):
    headers = headers_of(name)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == SANDBOX
    shown = headers["Content-Type"].startswith(("image/", "audio/", "video/"))
    assert shown != (headers.get("Content-Disposition") == "attachment")
    assert "svg" not in headers["Content-Type"]


def test_copies_are_kept_only_of_what_cannot_change():
    headers = headers_of(f"{RANDOM}_a.gif")
    assert (headers["ETag"], headers["Cache-Control"]) == (f'"{RANDOM}"', "max-age=3600")
    headers = headers_of("avatar.gif")  # Parse Server's preserveFileName: a newer one may come
    assert "ETag" not in headers
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-3", (0, 4)),
        ("bytes=0-0", (0, 1)),
        ("Bytes=3-", (3, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=4-99", (4, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-11", (0, 10)),
        ("bytes = 1-2", (1, 3)),
        ("items=0-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes=3-1", None),
        ("bytes=-0", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=0x1-2", None),
        ("bytes=--1", None),
        ("bytes=+1-2", None),
        ("0-3", None),
    ],
)
def test_range_of_ten_bytes(header, expected):
    assert requested_bytes(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "length"),
    [("bytes=10-", 10), ("bytes=10-11", 10), ("bytes=999999999999999999-", 10), ("bytes=0-", 0),
     ("bytes=-1", 0)],
)  # fmt: skip
def test_range_beyond_the_end_cannot_be_satisfied(header, length):
    with pytest.raises(RangeNotSatisfiable):
        requested_bytes(header, length)


@given(st.text(alphabet="bytes=-, 0123456789x\t") | st.text(), st.integers(0, 30))
def test_every_range_lies_within_the_file(header, length):
    try:
        part = requested_bytes(header, length)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part[0] < part[1] <= length


# --- URLs ---------------------------------------------------------------------------------------


def settings_with(**values):
    return load_settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        (f"{RANDOM}_a.gif", f"{RANDOM}_a.gif"),
        ("a b@c~d.gif", "a%20b%40c~d.gif"),
        ("ü.gif", "%C3%BC.gif"),
        ("a/../b?c#d%e.gif", "a%2F..%2Fb%3Fc%23d%25e.gif"),
        ('"><script>', "%22%3E%3Cscript%3E"),
        ("!*'()", "!*'()"),
        ("albums/ü.gif", "albums/%C3%BC.gif"),
    ],
)
def test_url_encodes_the_name_as_javascript_does(name, encoded):
    settings = settings_with(local_files_url="https://f.example")
    assert file_url(settings, "https://a.example", name) == f"https://f.example/{encoded}"


@pytest.mark.parametrize(
    ("values", "prefix"),
    [
        ({}, "http://a.example/parse/files/myAppId/"),
        ({"local_files_url": "http://l.example/"}, "http://l.example/"),
        ({"production_files_url": "https://p.example/x/"}, "https://p.example/x/"),
        (
            {"local_files_url": "http://l.example", "production_files_url": "https://p.example"},
            "https://p.example/",
        ),
        (
            {"app_id": "my app/1", "master_key": "m"},
            "http://a.example/parse/files/my%20app%2F1/",
        ),
    ],
)
def test_files_lie_where_the_settings_say(values, prefix):
    assert file_url(settings_with(**values), "http://a.example/parse", "n") == f"{prefix}n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("a.example", "https://a.example/1"),
        ("a_b.example:8080", "https://a_b.example:8080/1"),
        ("127.0.0.1:1337", "https://127.0.0.1:1337/1"),
        ("[::1]:1337", "https://[::1]:1337/1"),
        ("", "https://localhost:1337/1"),
        ("a.example/..", "https://localhost:1337/1"),
        ("a.example@evil.example", "https://localhost:1337/1"),
        ("a.example:80:80", "https://localhost:1337/1"),
        ('"><script>', "https://localhost:1337/1"),
        ("a.example\n", "https://localhost:1337/1"),
        ("a" * 254, "https://localhost:1337/1"),
    ],
)
def test_mount_is_at_the_host_that_the_request_names_if_it_can_be_one(host, url):
    assert public_mount_url(settings_with(), "https", host, "/1") == url


def test_server_url_wins_over_the_request():
    settings = settings_with(server_url="https://api.example/parse/")
    assert public_mount_url(settings, "http", "b.example", "/1") == "https://api.example/parse"


@pytest.mark.parametrize("name", ["server_url", "local_files_url", "production_files_url"])
@pytest.mark.parametrize(
    "value",
    ["a.example", "ftp://a.example", "https://", "https://a.example/?x", "https://a.example/#x",
     "https://u:p@a.example/", "https://a b.example/", "javascript:alert(1)"],
)  # fmt: skip
def test_setting_that_is_no_plain_url_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"{name.upper()}: must be a URL"):
        settings_with(**{name: value})


def test_words_of_upload_settings_are_checked():
    settings = settings_with(file_upload_from="Users, public", file_upload_extensions="JPG,pdf, *")
    assert settings.file_upload_from == {"users", "public"}
    assert settings.file_upload_extensions == {"jpg", "pdf", "*"}
    with pytest.raises(SettingsError, match="FILE_UPLOAD_EXTENSIONS"):
        settings_with(file_upload_extensions=".jpg")
    with pytest.raises(SettingsError, match="FILE_UPLOAD_FROM"):
        settings_with(file_upload_from="strangers")
