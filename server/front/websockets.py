"""WebSockets that come to an end: in their handshake, and when the process is told to stop."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_REFUSED = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's; which holds what is no handshake for ever, and fails to shut it down."""

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
