"""A front on a port of its own, around a small WSGI app that tests script."""

import asyncio
import socket
import threading

import uvicorn

from server.front.application import Front
from server.front.bounds import Bounds
from server.front.websockets import WebSocketProtocol

BOUNDS = Bounds(max_body_bytes=300_000, large_bodies=2, head_s=0.4, min_bytes_per_s=1_000_000)


class FrontServer:
    """uvicorn in a thread, as each worker process runs it; on asyncio's loop by `loop="asyncio"`.

    WebSockets are pinged so many seconds apart, and their answers waited for as long. With
    `sends_little` the system holds next to nothing of what a client does not read.
    """

    def __init__(
        self, app, bounds=BOUNDS, threads=4, loop="uvloop", ping_s=20, sends_little=False, **options
    ):
        front = Front(app, threads=threads, bounds=bounds, **options)
        listener = socket.create_server(("127.0.0.1", 0))
        if sends_little:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            front, http=front.protocol, ws=WebSocketProtocol, loop=loop, lifespan="off",
            ws_ping_interval=ping_s, ws_ping_timeout=ping_s, ws_max_size=64 * 1024,
            ws_per_message_deflate=False, log_config=None, access_log=False,
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=[listener])
        self._thread.start()

    def _run(self, listener):
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._server.serve([listener]))

    def connect(self, timeout_s=10):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def talk(self, *parts, timeout_s=10):
        """Send the parts on one connection, close the sending side, and return all that comes."""
        with self.connect(timeout_s) as connection:
            for part in parts:
                connection.sendall(part)
            return read_to_end(connection)

    def tell_to_stop(self):
        self._server.should_exit = True

    def stop(self):
        self.tell_to_stop()
        self._thread.join(20)


def read_to_end(connection):
    """All that comes until the other side closes, or cuts off."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def read_answer(connection):
    """One answer with a Content-Length: status and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or gone()
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536) or gone()
    return int(head.split()[1]), body


def gone():
    raise ConnectionError("the server closed the connection")


def post(body, *, close=True, headers=b""):
    """A request's bytes."""
    end = b"Connection: close\r\n" if close else b""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /x HTTP/1.1\r\nHost: x\r\n" + length + headers + end + b"\r\n" + body
