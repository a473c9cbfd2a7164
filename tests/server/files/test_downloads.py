"""How files are served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.files.downloads import RangeNotSatisfiable, download_headers, requested_bytes
from server.storage.port import StoredFile

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"
RANDOM = "0123456789abcdef" * 2


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
