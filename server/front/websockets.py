"""WebSockets that come to an end: in their handshake, when the process is told to stop, and when
nobody reads what they are sent."""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

from server.front.bounds import Bounds
from server.front.connections import Connections
from server.front.deadline import Deadline

logger = logging.getLogger(__name__)

_REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_PONG = b"\x8a"  # how its frame begins
_INVALID_TEXT, _TOO_MUCH = 1007, 1008  # RFC 6455's register
# More than that is counted as unread; with as many clients as a process takes, it is 80 MB.
_UNCOUNTED_BYTES = 16 * 1024
# Messages and pieces of one that wait. One read brings 256 KB: as many messages of 64 bytes.
_MOST_WAITING = 4096


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's; which holds what is no handshake for ever, and fails to shut it down, and which
    keeps for as long as the client likes what it does not read."""

    _all_connections: Connections
    _bounds: Bounds

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._owed_pong = b""
        self._reading = Deadline(self.loop, self._is_not_read)

    def serve_within(self, connections: Connections, bounds: Bounds) -> None:
        """Count what is not read among the `connections`, and wait for it no longer."""
        self._all_connections, self._bounds = connections, bounds
        self.transport.set_write_buffer_limits(_UNCOUNTED_BYTES)
        self.loop.call_later(bounds.patience_s(0), self.end_handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading.lift()
        self._all_connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(_REFUSED)
            self.transport.close()

    def shutdown(self) -> None:
        """Say farewell, unless it is said already and only waits to be read."""
        if self.transport.is_closing():
            self.transport.abort()
        else:
            super().shutdown()

    def end_handshake(self) -> None:
        """Cut off what is still no WebSocket, or none any more."""
        if not self.handshake_complete or self.transport.is_closing():
            self.transport.abort()

    def let_go(self) -> None:
        """Make room for others."""
        self.transport.abort()

    # --- what is not read -----------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        size = self.transport.get_write_buffer_size()
        self._reading.set(self._bounds.patience_s(size))
        self._all_connections.leaves_unread(self, size)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading.lift()
        self._all_connections.reads(self)
        if self.close_sent or self.transport.is_closing():
            self._end_soon()
        elif self._owed_pong:
            pong, self._owed_pong = self._owed_pong, b""
            self.transport.write(pong)

    def handle_ping(self) -> None:
        """Answer a ping; while the client does not read, the last alone (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
            return
        for frame in self.conn.data_to_send():
            if frame.startswith(_PONG):
                self._owed_pong = frame
            else:  # the answer to a farewell
                self.transport.write(frame)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self._end_soon()

    def _end_soon(self) -> None:
        """Give the farewell its time to be read and, if it is waited for, answered."""
        answer_s = 0.0 if self.close_timer is None else self.close_timeout
        self._reading.set(self._bounds.patience_s(0) + answer_s)

    def _is_not_read(self) -> None:
        logger.warning("a WebSocket was not read in time; its connection is closed")
        self.transport.abort()

    # --- what is no message ---------------------------------------------------------------------

    def handle_cont(self, event: Any) -> None:
        super().handle_cont(event)
        self._refuse_too_many()

    def send_receive_event_to_app(self) -> None:
        """Hand a message on, unless it is no text, or one too many."""
        is_over = self.close_sent or self.curr_msg_data_type != "text"
        if not is_over and not _is_utf8(b"".join(self.frames)):
            self._refuse(_INVALID_TEXT)
            return
        super().send_receive_event_to_app()
        self._refuse_too_many()

    def _refuse_too_many(self) -> None:
        if not self.close_sent and len(self.frames) + self.queue.qsize() > _MOST_WAITING:
            self._refuse(_TOO_MUCH)

    def _refuse(self, code: int) -> None:
        self.frames = []
        if self.conn.state is OPEN:  # else the client has said farewell behind it
            self.conn.send_close(code)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is None:  # it is no WebSocket yet
            self.transport.abort()
        else:
            super().handle_parser_exception()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
