"""A request of the event loop as one call of the WSGI app, and its answer."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from server.front.header_names import variable_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class WsgiAnswer:
    """What the app answered: a body as a whole, or the parts of one that is made while it is sent,
    which `close` ends."""

    status: int
    headers: Headers
    body: bytes | Iterator[bytes]
    close: Callable[[], object] | None = None


def failed() -> WsgiAnswer:
    """What a client is told of an error that nobody has answered."""
    body = b'{"code":1,"error":"Internal server error."}'
    return WsgiAnswer(500, [("content-type", "application/json")], body)


def environ_of(scope: Mapping[str, Any], body: bytes) -> "WSGIEnvironment":
    """Make the environment of a request that is there as a whole (PEP 3333, ASGI's HTTP scope).

    Headers with an underscore are left out: they would pass for the same name with a hyphen.
    """
    path: str = scope["path"]
    if not path.isascii():  # the WSGI way to hand on bytes
        path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    server, client = scope["server"] or ("localhost", 0), scope["client"] or ("", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name = variable_of(raw_name)
        if name is None:
            continue
        value = raw_value.decode("latin-1")
        if name in environ:
            joint = "; " if name == "HTTP_COOKIE" else ","
            value = f"{environ[name]}{joint}{value}"
        environ[name] = value
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:  # the chunks are joined by now
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def call(app: "WSGIApplication", environ: "WSGIEnvironment") -> WsgiAnswer:
    """Call the app, and read its answer as far as it is one piece.

    The parts of a longer one may be taken on any thread: all of them are made within the same
    context, as the app's own variables of this request, such as Flask's, ask for.
    """
    context = copy_context()
    return context.run(_called, app, environ, context)


def _called(app: "WSGIApplication", environ: "WSGIEnvironment", context: Context) -> WsgiAnswer:
    begun: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        begun[:] = int(status[:3]), headers
        return begun.append  # PEP 3333's `write`, which nothing here calls

    result = app(environ, start_response)
    if isinstance(result, list):
        return _answer(begun, b"".join(result))
    parts = iter(result)
    close = getattr(result, "close", None)
    try:
        first, second = next(parts, b""), next(parts, None)
    except BaseException:
        _close(close)
        raise
    if second is not None:
        rest = iter(partial(context.run, next, parts, None), None)
        ends = None if close is None else partial(context.run, close)
        return _answer(begun, chain((first, second), rest), ends)
    _close(close)
    return _answer(begun, first)


def _answer(
    begun: list[Any], body: bytes | Iterator[bytes], close: Callable[[], object] | None = None
) -> WsgiAnswer:
    status, headers = begun
    return WsgiAnswer(status, list(headers), body, close)


def _close(close: Callable[[], object] | None) -> None:
    if close is not None:
        close()
