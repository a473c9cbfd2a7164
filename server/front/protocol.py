"""Reading requests: whole, in time, within bounds, and without a thread.

uvicorn's protocol starts the application as soon as the headers are there, and leaves to it how
much it reads and how long it waits. Here a request reaches the application once all of it has
arrived. A client that drips, stalls or goes away has cost an open connection, nothing more.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.front.bounds import Bounds
from server.front.connections import Connections
from server.front.deadline import Deadline
from server.front.parser import RequestParser
from server.front.places import Places
from server.front.websockets import WebSocketProtocol
from server.front.wire import whole
from server.front.wsgi import WsgiAnswer, failed

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
# Of chunk sizes, their extensions and trailers, in all; and a thirty-second of the body on top.
MAX_FRAMING_BYTES = 64 * 1024
_BODY_PER_FRAMING = 32
# So much of a body is taken from every connection; larger ones wait for a place.
SMALL_BODY_BYTES = 64 * 1024
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_NO_ROOM = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class Application(Protocol):
    """What answers requests."""

    def answer(
        self, scope: Mapping[str, Any], body: bytes, respond: Callable[[WsgiAnswer], None]
    ) -> None:
        """Have `respond` called on the loop with the answer to a request."""

    async def send(self, answer: WsgiAnswer, scope: Any, receive: Any, send: Any) -> None:
        """Send an answer as ASGI applications do."""


class RequestProtocol(HttpToolsProtocol):
    """One connection. The `front` gets each request as a whole.

    A body that is larger than `max_body_bytes` by its Content-Length is not waited for, and a
    chunked one is cut off just beyond: the application sees it, and says so. `bounded_protocol`
    makes a subclass that has a front and bounds.
    """

    front: "Application"
    bounds: Bounds
    places: Places
    all_connections: Connections

    def __init__(
        self, config: Config, server_state: Any, app_state: Any, _loop: Any = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = RequestParser(self)
        # uvicorn's own choice: what follows "Connection: close" is not read, and is no error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.ignores_upgrade = False  # that of the head which was just read
        self._head_bytes: int | None = None  # of a head that is not complete
        self._begins_here = False  # that head, somewhere in what was received last
        self._unstarted: Any = None  # the cycle, until its body has ended
        self._expected_bytes = 0  # of that body
        self._arrival = Deadline(self.loop, self._has_not_arrived)  # of what is awaited next
        self._reading = Deadline(self.loop, self._is_not_read)  # of answers that wait
        self._has_place = self._wants_place = False
        self._progress = Deadline(self.loop, self._check_progress)  # of a body that has a place
        self._demanded_bytes = 0.0  # of that body, by then
        self._running: Any = None  # the cycle that the application answers
        self._wire_bytes = self._body_bytes = 0  # since the head, as received and as content
        self._pieces: list[bytes] = []  # of the body that arrives

    # --- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.all_connections.make_room(len(self.connections)):
            self.all_connections.has_none(self)
            self._arrival.set(self.bounds.head_s)
        else:
            transport.write(_NO_ROOM)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrival.lift()
        self._reading.lift()
        self._unstarted = None
        if self._running is not None:  # which is not `self.cycle` when another was sent ahead
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        self._release_place()
        self.all_connections.forget(self)

    def data_received(self, data: bytes) -> None:
        self._wire_bytes += len(data)
        self._begins_here = False
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            return
        if self.transport.is_closing():
            self._expect_reading()
            return
        if self._head_bytes is not None:
            self._head_bytes += 0 if self._begins_here else len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                if self._running is None:
                    self.transport.write(_HEAD_TOO_LARGE)
                    self.transport.close()
                else:
                    self._read_no_further()
                return
        elif self._has_too_much_framing():
            self.send_400_response("Too much between the pieces of a body.")
            return
        if self._pieces and not self._has_place:
            self.all_connections.has_sent_a_part(self, self._body_bytes)
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not self._arrival.is_set:
            if self._unstarted is not None:
                self._expect_the_body()
            elif not is_answering or (self._head_bytes is not None and not self.flow.read_paused):
                self._arrival.set(self.bounds.head_s)

    def eof_received(self) -> bool:  # type: ignore[override]  # the loops ask for one
        """Stay open for what is being answered; who has sent all may still read.

        It comes again with each attempt to read on.
        """
        if self._running is None:
            self._expect_reading()
            return False
        if self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()  # its rest cannot come
        self._answer_no_further_than(self.pipeline[0][0] if self.pipeline else self._running)
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, unless an answer has been begun or given."""
        is_taken = self.cycle is not None and self.cycle.scope is self.scope
        if self._running is not None:
            self._read_no_further()
        elif self._unstarted is not None or not is_taken:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _read_no_further(self) -> None:
        """Let the answer that is due be the last: what came after its request cannot be read."""
        self.pipeline.clear()
        self._answer_no_further_than(self._running)

    def _answer_no_further_than(self, cycle: Any) -> None:
        """Close after this answer; what has come of a request behind it is dropped."""
        cycle.keep_alive = False
        self._arrival.lift()
        self._head_bytes = self._unstarted = None
        self._pieces.clear()
        self.all_connections.has_sent_all(self)
        self.flow.pause_reading()

    def shutdown(self) -> None:
        """Finish what has arrived; what is still arriving has no claim."""
        if self._unstarted is not None:
            self.transport.close()
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        self._arrival.lift()
        self.all_connections.forget(self)
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, WebSocketProtocol):
            protocol.serve_within(self.all_connections, self.bounds)

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # `close` would wait for a client that does not read

    def let_go(self) -> None:
        """Make room for others."""
        self.transport.abort()

    # --- in time --------------------------------------------------------------------------------

    def _expect_the_body(self) -> None:
        self._arrival.set(self.bounds.patience_s(self._expected_bytes))

    def _has_not_arrived(self) -> None:
        if self._unstarted or self._head_bytes:
            logger.warning("a request did not arrive in time; its connection is closed")
        self.transport.abort()

    def _is_not_read(self) -> None:
        logger.warning("an answer was not read in time; its connection is closed")
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()
        self.all_connections.leaves_unread(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading.lift()
        self.all_connections.reads(self)
        if self.transport.is_closing():  # which it is not done with before the rest is read
            self._expect_reading()

    def _expect_reading(self) -> None:
        if not self._reading.is_set:
            self._reading.set(self.bounds.patience_s(self.transport.get_write_buffer_size()))

    # --- a request ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._begins_here = 0, True

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._wire_bytes = self._body_bytes = 0
        self._pieces = []
        self.ignores_upgrade = self.parser.should_upgrade() and not self._should_upgrade()
        if self.ignores_upgrade:
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("this is no proxy")
            return  # the head comes again, without its upgrade
        if self.parser.should_upgrade():
            self._check_handshake()
        if self.parser.get_http_version() == "1.0" and _content_length(self.headers) is None:
            raise ValueError("HTTP/1.0 has no chunks")  # RFC 9112, 6.1
        self._arrival.lift()
        super().on_headers_complete()

    def _check_handshake(self) -> None:
        """Refuse, by way of the parser's error, what cannot be a WebSocket's handshake."""
        if _content_length(self.headers) != 0:
            raise ValueError("a handshake must not have a body")
        is_sent_ahead = self._running is not None or self.flow.write_paused
        if self.parser.get_method() != b"GET" or is_sent_ahead:
            raise ValueError("a handshake must be a GET, and not be sent ahead")

    def head_without_upgrade(self) -> bytes:
        """The head that was just read, as it would be had nobody asked for another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer, which llhttp reports alike, must not become one."""
        if self._head_bytes is not None:
            super().on_header(name, value)

    def _has_too_much_framing(self) -> bool:
        """Whether chunks are cut so small, or carry so much besides, that it is no honest body."""
        framing = self._wire_bytes - self._body_bytes
        return framing > MAX_FRAMING_BYTES + self._body_bytes // _BODY_PER_FRAMING

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Hand the request on now, or once the body is there."""
        if cycle is not self.cycle or not cycle.more_body:  # one that was sent ahead
            self._hand_on(cycle)
            return
        length = _content_length(cycle.scope["headers"])
        if length is not None and length > self.bounds.max_body_bytes:
            self._hand_on(cycle)
            return
        self._unstarted = cycle
        # Of chunks nobody knows; those that need a place get longer.
        self._expected_bytes = SMALL_BODY_BYTES if length is None else length
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        cycle, is_too_much = self.cycle, self._body_bytes > self.bounds.max_body_bytes
        self._body_bytes += len(body)
        if cycle.response_complete or cycle is self._running or is_too_much:
            return
        self._pieces.append(body)
        if self._body_bytes > self.bounds.max_body_bytes:
            self._start()
        elif self._unstarted is None:  # it was sent ahead, and has no claim yet
            self.flow.pause_reading()
        elif self._body_bytes > SMALL_BODY_BYTES and not self._has_place:
            self._ask_for_place()

    def on_message_complete(self) -> None:
        if self.ignores_upgrade:
            return
        super().on_message_complete()
        self._start()

    def _start(self) -> None:
        self.all_connections.has_sent_all(self)
        if self._pieces:
            self.cycle.body, self._pieces = b"".join(self._pieces), []  # type: ignore[assignment]
        self._arrival.lift()
        self._progress.lift()
        if self._unstarted is not None:
            cycle, self._unstarted = self._unstarted, None
            cycle.more_body = False
            self._hand_on(cycle)

    def _hand_on(self, cycle: Any) -> None:
        self._running = cycle
        self.all_connections.has_request(self)
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()  # from now on it says that the client has left
        answering = _Answering(self, cycle)
        self.tasks.add(answering)  # type: ignore[arg-type]  # uvicorn waits for it, or cancels it
        try:
            self.front.answer(cycle.scope, body, answering)
        except Exception:
            logger.exception("a request that nobody was given")
            answering(failed())

    def respond(self, cycle: Any, answer: WsgiAnswer) -> None:
        """Send an answer: at once if it is there as a whole and the client reads."""
        if not isinstance(answer.body, bytes) or self.flow.write_paused:
            super()._start_asgi_task(cycle, partial(self.front.send, answer))
        elif not cycle.disconnected:
            self.transport.write(self._whole(cycle, answer))
            cycle.response_started = cycle.response_complete = True
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()

    def _whole(self, cycle: Any, answer: WsgiAnswer) -> bytes:
        made = partial(
            whole,
            method=cycle.scope["method"],
            keep_alive=cycle.keep_alive,
            always=self.server_state.default_headers,
        )
        try:
            return made(answer)
        except ValueError:
            logger.exception("an answer that cannot be sent")
            return made(failed())

    def on_response_complete(self) -> None:
        self._running = None
        self._release_place()
        self.all_connections.has_none(self)
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reading()
        elif self._unstarted is not None:  # sent ahead in part; its rest may never come
            self._expect_the_body()
        elif self._head_bytes is not None and not self._arrival.is_set:
            self._arrival.set(self.bounds.head_s)

    # --- places for large bodies ----------------------------------------------------------------

    def _ask_for_place(self) -> None:
        if not self._wants_place:
            length = _content_length(self.headers)
            most = self.bounds.max_body_bytes if length is None else length
            self._arrival.set(self.bounds.patience_s(most))
            self._has_place = self.places.take(self)
            self._wants_place = not self._has_place
            if self._has_place:
                self.all_connections.has_sent_all(self)
                self._demand_progress()
        if self._wants_place:
            self.flow.pause_reading()

    def take_place(self) -> None:
        """Take the place that was waited for."""
        self._wants_place, self._has_place = False, True
        self.all_connections.has_sent_all(self)
        self.flow.resume_reading()
        self._demand_progress()

    def _demand_progress(self) -> None:
        """Whoever holds a place keeps others from it: cut off who stalls, long before the end."""
        span_s = self.bounds.progress_s
        self._demanded_bytes = self._body_bytes + self.bounds.min_bytes_per_s * span_s
        self._progress.set(span_s)

    def _check_progress(self) -> None:
        if self._body_bytes < self._demanded_bytes:
            self._has_not_arrived()
        else:
            self._demand_progress()

    def _release_place(self) -> None:
        self._progress.lift()
        if self._wants_place:
            self._wants_place = False
            self.places.leave(self)
        if self._has_place:
            self._has_place = False
            self.places.give_back()


class _Answering:
    """A request in the application's hands. The server waits for it before it stops, as it does for
    its own tasks."""

    __slots__ = ("_cycle", "_protocol")

    def __init__(self, protocol: RequestProtocol, cycle: Any) -> None:
        self._protocol, self._cycle = protocol, cycle

    def __call__(self, answer: WsgiAnswer) -> None:
        self._protocol.tasks.discard(self)
        try:
            self._protocol.respond(self._cycle, answer)
        except Exception:  # a connection without an answer must not stay open for ever
            logger.exception("an answer that was not sent")
            self._protocol.let_go()

    def cancel(self, msg: str | None = None) -> None:
        """Nothing more can be done: the thread goes on until the process ends."""


def bounded_protocol(front: Application, bounds: Bounds) -> type[RequestProtocol]:
    """Return the protocol of one process."""
    shared = {
        "front": front,
        "bounds": bounds,
        "places": Places(bounds.large_bodies),
        "all_connections": Connections(
            bounds.connections, bounds.unread_bytes, bounds.unsent_bytes
        ),
    }
    return type("BoundedProtocol", (RequestProtocol,), shared)


def _content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The body's length as announced, whose digits llhttp has checked; None when it is chunked."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0
