"""An answer in one piece as the bytes that go out."""

from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE

from server.front.wsgi import WsgiAnswer

_HAVE_NO_BODY = (204, 304)


def whole(
    answer: WsgiAnswer, method: str, *, keep_alive: bool, always: list[tuple[bytes, bytes]]
) -> bytes:
    """Return status line, headers and body; `always` are headers that every answer has.

    Raises ValueError for a header that would be read as more than one, and for a body that is not
    as long as its Content-Length says.
    """
    body = answer.body
    assert isinstance(body, bytes)  # noqa: S101 - for the type checker
    has_body = method != "HEAD" and answer.status not in _HAVE_NO_BODY
    length = None
    lines = []
    for given, value in answer.headers:
        name = _header_name(given)
        if name == "content-length":
            length = int(value)
        lines.append(f"{name}: {value}\r\n")
    if has_body and length is None:
        length = len(body)
        lines.append(f"content-length: {length}\r\n")
    if not keep_alive:
        lines.append("connection: close\r\n")
    text = "".join(lines)
    if not text.count("\n") == text.count("\r") == len(lines) or "\0" in text:
        raise ValueError("a header has a line break in it")
    if has_body and length != len(body):
        raise ValueError(f"a body of {len(body)} bytes has a Content-Length of {length}")
    standing = [part for name, value in always for part in (name, b": ", value, b"\r\n")]
    head = [STATUS_LINE[answer.status], *standing, text.encode("latin-1"), b"\r\n"]
    return b"".join([*head, body] if has_body else head)


@lru_cache(maxsize=256)  # they are the program's own, and few
def _header_name(name: str) -> str:
    """In lower case. Raises ValueError for what is no header's name."""
    if HEADER_RE.search(name.encode("latin-1")):
        raise ValueError(f"{name!r} is no name of a header")
    return name.lower()
