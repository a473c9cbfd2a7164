"""How a caller may name an image: a URL, a data URL, base64 text, raw bytes. Pure."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from cloud.moderation.errors import InvalidSource
from cloud.moderation.types import BytesSource, ImageSource, UrlSource

_DATA_URL = re.compile(r"data:(?P<type>[^,]*?)(?P<base64>;base64)?,(?P<data>.*)", re.I | re.S)
_WHITE_SPACE = re.compile(r"\s+")
_MAX_RECORDED_URL = 1024


def from_url(url: object) -> ImageSource:
    """An http(s) URL to be fetched, or the bytes in a data: URL. Raises InvalidSource."""
    if not isinstance(url, str) or not url.strip():
        raise _invalid("url must be a text such as https://example.com/image.jpg.")
    data_url = _DATA_URL.fullmatch(url.strip())
    if data_url is None:
        return UrlSource(url.strip())
    if data_url["base64"]:
        return from_base64(unquote_to_bytes(data_url["data"]).decode("ascii", "replace"))
    return from_bytes(unquote_to_bytes(data_url["data"]))


def from_base64(text: object) -> BytesSource:
    """The bytes in base64 text, with or without a data: prefix. Raises InvalidSource."""
    if not isinstance(text, str):
        raise _invalid("base64 must be a text.")
    data_url = _DATA_URL.fullmatch(text.strip())
    encoded = _WHITE_SPACE.sub("", data_url["data"] if data_url else text)
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("base64 is not valid base64 text.") from None
    return from_bytes(data)


def from_bytes(data: bytes) -> BytesSource:
    """Raw bytes. Raises InvalidSource when there are none."""
    if not data:
        raise _invalid("The image is empty.")
    return BytesSource(data)


def without_credentials(url: str) -> str:
    """What of a URL may be stored: no user info, no fragment, and no query, for signatures and
    tokens live there. At most 1,024 characters."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:_MAX_RECORDED_URL]


def _invalid(sentence: str) -> InvalidSource:
    return InvalidSource(sentence, sentence)
