"""Request bodies, read at once."""

import io
from typing import TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_content_length, get_input_stream

from server.deadlines import read_deadlines

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def whole_body(environ: "WSGIEnvironment", max_bytes: int) -> bytes:
    """Return the body of at most `max_bytes`; raises RequestEntityTooLarge beyond.

    Straight from the WSGI server and in one read: Werkzeug's `get_data` copies it twice more, in
    pieces of 64 KB, for each of which gunicorn moves the rest; that doubled the time for a photo.
    """
    length = get_content_length(environ)
    if length is not None and length > max_bytes:
        raise RequestEntityTooLarge
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return _read(environ, length, max_bytes)
    read_deadlines.expect_body(connection, max_bytes if length is None else length)
    try:
        return _read(environ, length, max_bytes)
    finally:
        read_deadlines.end(connection)


def _read(environ: "WSGIEnvironment", length: int | None, max_bytes: int) -> bytes:
    if length is None:  # chunked, or none at all
        return get_input_stream(environ, max_content_length=max_bytes).read()
    data: bytes = environ["wsgi.input"].read(length)
    if len(data) != length:
        raise ClientDisconnected
    return data


def read_form_at_once(environ: "WSGIEnvironment", max_bytes: int) -> None:
    """Let Werkzeug parse a form from memory, for the same reason, and within the same bound."""
    data = whole_body(environ, max_bytes)
    environ["wsgi.input"] = io.BytesIO(data)
    environ["CONTENT_LENGTH"] = str(len(data))
