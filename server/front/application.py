"""The ASGI application that uvicorn runs: the WSGI app on threads, WebSockets where they belong."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from server.front.protocol import Bounds, bounded_protocol
from server.front.threads import Threads
from server.front.wsgi import WsgiAnswer, call, environ_of
from server.telemetry.logs import request_id_of, working_for

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WebSocketApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_PIECE_BYTES = 64 * 1024
# So many may wait for each thread: milliseconds of small calls. Who comes then is told at once.
_CALLS_PER_THREAD = 16
_FAILED = b'{"code":1,"error":"Internal server error."}'


class Front:
    """Answers HTTP with the WSGI app, on up to `threads` threads, and WebSockets with theirs.

    Requests must come whole, in one message, as its `protocol` hands them on. When too many wait
    for a thread, `busy` says so to the next, by its path. `observe` is told each answer's path,
    status and seconds.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        threads: int,
        bounds: Bounds,
        busy: Callable[[str], WsgiAnswer] = lambda _path: WsgiAnswer(503, [], b""),
        observe: Callable[[str, int, float], None] = lambda _path, _status, _seconds: None,
        websockets: WebSocketApp | None = None,
    ) -> None:
        self._app, self._most_threads, self._websockets = app, threads, websockets
        self._most_waiting = threads * _CALLS_PER_THREAD
        self._busy, self._observe = busy, observe
        self._threads: Threads | None = None
        self.protocol = bounded_protocol(bounds)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._answer_websocket(scope, receive, send)
            return
        if self._threads is None:
            self._threads = Threads(self._most_threads, asyncio.get_running_loop())
        message = await receive()
        if message["type"] != "http.request":  # it is gone already
            return
        began = time.perf_counter()
        environ = environ_of(scope, message["body"])
        path, request_id = environ["PATH_INFO"], request_id_of(environ.get("HTTP_X_REQUEST_ID"))
        answer = await self._answer(self._threads, environ, request_id)
        answer.headers.append((b"x-request-id", request_id.encode()))
        self._observe(path, answer.status, time.perf_counter() - began)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await self._stream(answer, answer.body, receive, send)

    async def _answer(
        self, threads: Threads, environ: "WSGIEnvironment", request_id: str
    ) -> WsgiAnswer:
        if threads.waiting >= self._most_waiting:
            return self._busy(environ["PATH_INFO"])
        app = self._app

        def work() -> WsgiAnswer:
            with working_for(request_id):
                return call(app, environ)

        try:
            return await threads.run(work)
        except Exception:  # the app answers its own errors; this is the last wall
            logger.exception("an error that the app did not answer")
            return WsgiAnswer(500, [(b"content-type", b"application/json")], _FAILED)

    async def _answer_websocket(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if self._websockets is not None:
            await self._websockets(scope, receive, send)
        else:
            await send({"type": "websocket.close"})  # 403: there is none

    async def _stream(
        self, answer: WsgiAnswer, parts: Iterator[bytes], receive: Receive, send: Send
    ) -> None:
        """Send what the app makes, piece by piece, no faster than the client takes it."""
        assert self._threads is not None  # noqa: S101 - for the type checker
        is_gone = asyncio.ensure_future(receive())  # its next message is that the client left
        try:
            while piece := await self._threads.run(lambda: _next_piece(parts)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if is_gone.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            is_gone.cancel()
            if answer.close is not None:
                await self._threads.run(answer.close)


def _next_piece(parts: Iterator[bytes]) -> bytes:
    """Join parts up to about 64 KB; empty at the end."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= _PIECE_BYTES:
            break
    return bytes(piece)
