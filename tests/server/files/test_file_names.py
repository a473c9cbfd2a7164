"""What files may be called, and what they may be."""

import io
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from config import Settings
from ml_models.images import FORMATS
from server.files.names import IMAGE_EXTENSIONS, image_extension, is_stored_name, name_to_store
from server.files.uploads import Upload
from server.parse.errors import ParseError

IMAGES_ONLY = Settings.model_fields["file_upload_extensions"].default
ANY = frozenset({"*"})
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
HTML = b"<html><script>alert(1)</script>"
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
