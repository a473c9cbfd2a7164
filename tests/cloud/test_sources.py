"""How an image can be named, and what of a URL may be kept."""

import pytest

from cloud.moderation import sources
from cloud.moderation.errors import InvalidSource
from cloud.moderation.types import BytesSource, UrlSource


def test_url_is_fetched_later():
    assert sources.from_url(" https://a.example/x.jpg ") == UrlSource("https://a.example/x.jpg")


@pytest.mark.parametrize("url", [None, "", "  ", 5, ["https://a.example"], {"$ne": 1}])
def test_url_that_is_no_text_is_refused(url):
    with pytest.raises(InvalidSource):
        sources.from_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,aGVsbG8=",
        "DATA:image/png;BASE64,aGVs%0AbG8%3D",
        "data:,hello",
        "data:text/plain;charset=utf-8,h%65llo",
    ],
)
def test_data_url_holds_its_bytes(url):
    assert sources.from_url(url) == BytesSource(b"hello")


@pytest.mark.parametrize("text", ["aGVsbG8=", "aGVs\nbG8=\n", "data:image/png;base64,aGVsbG8="])
def test_base64_text_holds_its_bytes(text):
    assert sources.from_base64(text) == BytesSource(b"hello")


@pytest.mark.parametrize("text", ["", "a", "!!!!", "aGVsbG8", "ü", None, 5, ["aGVsbG8="]])
def test_text_that_is_no_base64_is_refused(text):
    with pytest.raises(InvalidSource):
        sources.from_base64(text)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://alice:secret@a.example/x.jpg", "https://a.example/x.jpg"),
        ("https://a.example:8443/x.jpg?X-Signature=secret#part", "https://a.example:8443/x.jpg"),
        ("https://a@b@a.example/", "https://a.example/"),
        ("http://[::1", ""),
        ("https://a.example/" + "x" * 5000, "https://a.example/" + "x" * 1006),
    ],
)
def test_credentials_are_not_kept(url, kept):
    assert sources.without_credentials(url) == kept
