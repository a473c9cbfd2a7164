"""Request bodies, read at once."""

import io

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge


def whole_body(request: Request) -> bytes:
    """Return the body of at most MAX_CONTENT_LENGTH bytes; raises RequestEntityTooLarge beyond.

    Straight from the WSGI server and in one read: Werkzeug's `get_data` copies it twice more, in
    pieces of 64 KB, for each of which gunicorn moves the rest; that doubled the time for a photo.
    """
    length = request.content_length
    if length is None:  # chunked, or none at all
        return request.get_data(cache=False)
    if request.max_content_length is not None and length > request.max_content_length:
        raise RequestEntityTooLarge
    data: bytes = request.environ["wsgi.input"].read(length)
    if len(data) != length:
        raise ClientDisconnected
    return data


def read_form_at_once(request: Request) -> None:
    """Let `request.form` and `request.files` be parsed from memory, for the same reason."""
    if request.content_length is not None:
        request.environ["wsgi.input"] = io.BytesIO(whole_body(request))
