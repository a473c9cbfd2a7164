"""How a file is served, so that no browser takes it for a page. Pure."""

import re

from werkzeug.http import parse_range_header

from server.files.names import SHOWN_TYPES, extension_of
from server.storage.port import StoredFile

# What says more of a download than "bytes" and still is neither script nor style to a page.
_SAVED_TYPES = {
    "json": "application/json",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
}
_CACHED_S = 3600
_RANDOM_PART = re.compile(r"([0-9a-f]{32})_")  # as `name_to_store` begins names


class RangeNotSatisfiable(Exception):
    """The range lies beyond the file's end."""


def download_headers(file: StoredFile) -> dict[str, str]:
    """Return the headers with which a file is served, so that no browser takes it for a page.

    The content type follows from the extension alone, for the databases keep none. A name with
    a random part always has the same content, so its copies may be kept; not for long, because
    a deleted image is to disappear.
    """
    extension = extension_of(file.name)
    shown_type = SHOWN_TYPES.get(extension)
    headers = {
        "Content-Type": shown_type or _SAVED_TYPES.get(extension, "application/octet-stream"),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
    }
    if shown_type is None:
        headers["Content-Disposition"] = "attachment"
    random_part = _RANDOM_PART.match(file.name.rpartition("/")[2])
    if random_part:
        headers |= {"Cache-Control": f"max-age={_CACHED_S}", "ETag": f'"{random_part[1]}"'}
    return headers


def requested_bytes(range_header: str | None, length: int) -> tuple[int, int] | None:
    """Return start and end, exclusive, of the one range that a Range header asks for.

    None is the whole file, which RFC 9110 14.2 allows for several ranges and asks for with other
    units. Raises RangeNotSatisfiable.
    """
    ranges = parse_range_header(range_header)
    if ranges is None or ranges.units != "bytes" or len(ranges.ranges) != 1:
        return None
    start, end = ranges.ranges[0]
    if start < 0:
        start = max(0, length + start)
    if start >= length:
        raise RangeNotSatisfiable
    return start, length if end is None else min(end, length)
