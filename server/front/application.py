"""What uvicorn serves: the WSGI app on threads, WebSockets where they belong."""

import asyncio
import logging
import time
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from functools import partial
from typing import TYPE_CHECKING, Any

from server.front.bounds import Bounds
from server.front.protocol import bounded_protocol
from server.front.threads import Threads
from server.front.wsgi import WsgiAnswer, call, environ_of, failed
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
_THREADS_OF_A_LANE = 2


class Front:
    """Answers HTTP with the WSGI app, on up to `threads` threads, and WebSockets with theirs.

    Its `protocol` hands requests on to `answer` once they are there as a whole. When too many wait
    for a thread, `busy` says so to the next, by its path. The paths of each of the `lanes` have two
    threads of their own, which no other call holds. `observe` is told each answer's path, status
    and seconds.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        threads: int,
        bounds: Bounds,
        lanes: Sequence[Collection[str]] = (),
        busy: Callable[[str], WsgiAnswer] = lambda _path: WsgiAnswer(503, [], b""),
        observe: Callable[[str, int, float], None] = lambda _path, _status, _seconds: None,
        websockets: WebSocketApp | None = None,
    ) -> None:
        self._app, self._most_threads, self._websockets = app, threads, websockets
        self._busy, self._observe = busy, observe
        self._lanes, self._threads_of_lanes = lanes, dict[str, Threads]()
        self._threads: Threads | None = None
        self.protocol = bounded_protocol(self, bounds)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a WebSocket, if that is what it is; requests come to `answer`."""
        if scope["type"] == "websocket" and self._websockets is not None:
            await self._websockets(scope, receive, send)
        else:
            await send({"type": "websocket.close"})  # 403: there is none

    def answer(
        self, scope: Mapping[str, Any], body: bytes, respond: Callable[[WsgiAnswer], None]
    ) -> None:
        """Have a request answered on a thread; `respond` is called on the loop, later."""
        if self._threads is None:
            self._threads = self._make_threads()
        began = time.perf_counter()
        environ = environ_of(scope, body)
        path, request_id = environ["PATH_INFO"], request_id_of(environ.get("HTTP_X_REQUEST_ID"))

        def done(answer: WsgiAnswer, error: BaseException | None) -> None:
            if error is not None:  # the app answers its own errors; this is the last wall
                logger.error("an error that the app did not answer", exc_info=error)
                answer = failed()
            answer.headers.append(("x-request-id", request_id))
            self._observe(path, answer.status, time.perf_counter() - began)
            respond(answer)

        threads = self._threads_of_lanes.get(path, self._threads)
        if threads.waiting < threads.most * _CALLS_PER_THREAD:
            threads.call(partial(_call, self._app, environ, request_id), done)
        else:  # not at once: it would begin the next that was sent ahead, and so on, in itself
            asyncio.get_running_loop().call_soon(done, self._busy(path), None)

    def _make_threads(self) -> Threads:
        loop = asyncio.get_running_loop()
        for paths in self._lanes:
            lane = Threads(_THREADS_OF_A_LANE, loop)
            self._threads_of_lanes |= dict.fromkeys(paths, lane)
        return Threads(self._most_threads, loop)

    async def send(self, answer: WsgiAnswer, scope: Any, receive: Receive, send: Send) -> None:
        """Send an answer piece by piece, no faster than the client takes it."""
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": answer.body})
        else:
            await self._stream(answer, answer.body, receive, send)

    async def _stream(
        self, answer: WsgiAnswer, parts: Iterator[bytes], receive: Receive, send: Send
    ) -> None:
        """Send what the app makes while it makes it."""
        assert self._threads is not None  # noqa: S101 - for the type checker
        is_gone = asyncio.ensure_future(receive())  # its next message is that the client left
        try:
            while piece := await self._threads.run(lambda: _next_piece(parts)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                if is_gone.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            logger.warning("an answer is cut off: the server stops, and its client did not read on")
        finally:
            is_gone.cancel()
            if answer.close is not None:
                self._threads.call(answer.close, _log_failure)


def _call(app: "WSGIApplication", environ: "WSGIEnvironment", request_id: str) -> WsgiAnswer:
    with working_for(request_id):
        return call(app, environ)


def _log_failure(_result: object, error: BaseException | None) -> None:
    if error is not None:
        logger.error("an answer's end failed", exc_info=error)


def _next_piece(parts: Iterator[bytes]) -> bytes:
    """Join parts up to about 64 KB; empty at the end."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= _PIECE_BYTES:
            break
    return bytes(piece)
