"""Carries writes between the processes of one machine that share a data folder.

Each process that listens has a Unix socket in a folder that only the operator's user may enter;
each that writes connects to all of them.
"""

import logging
import os
import socket
import socketserver
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.live_query.bus import CarrierDown

logger = logging.getLogger(__name__)

_SEND_LIMIT_S = 2.0
_LOST = b"lost"


class SocketCarrier:
    """The Carrier over Unix sockets in `folder`, made at the first use.

    A listener that is stuck is left out, and told later that it missed something.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own_name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}.sock"
        self._connections: dict[str, socket.socket] = {}
        self._left_out: set[str] = set()
        self._closing = threading.Event()
        self._server: _Server | None = None

    def send(self, line: bytes) -> None:
        try:
            names = {path.name for path in self._folder.glob("*.sock")}
        except OSError as error:
            raise CarrierDown(str(error)) from error
        for name in self._connections.keys() - names:
            self._connections.pop(name).close()
        self._left_out &= names
        for name in names - {self._own_name}:
            self._send_to(name, line)

    def receive(self, take: Callable[[bytes], None], begun: Callable[[], None]) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _short_path(self._folder, self._own_name) as path:
                server = _Server(path, take)
        except OSError as error:
            logger.error("writes of other processes cannot be heard in %s: %s", self._folder, error)
            return
        self._server = server
        begun()
        if not self._closing.is_set():
            with server:
                server.serve_forever(poll_interval=0.1)
        with suppress(OSError):
            (self._folder / self._own_name).unlink()

    def close(self) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
        for connection in self._connections.values():
            connection.close()

    def _send_to(self, name: str, line: bytes) -> None:
        lines = line + b"\n"
        if name in self._left_out:
            lines = _LOST + b"\n" + lines
        try:
            connection = self._connections.get(name) or self._connect(name)
            connection.sendall(lines)
            self._left_out.discard(name)
        except (ConnectionRefusedError, FileNotFoundError):  # its process was killed
            with suppress(OSError):
                (self._folder / name).unlink()
        except OSError as error:
            logger.warning("a process of this machine does not hear of writes: %s", error)
            self._left_out.add(name)
            if name in self._connections:
                self._connections.pop(name).close()

    def _connect(self, name: str) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SEND_LIMIT_S)
        try:
            with _short_path(self._folder, name) as path:
                connection.connect(path)
        except OSError:
            connection.close()
            raise
        self._connections[name] = connection
        return connection


class _Server(socketserver.ThreadingUnixStreamServer):
    """Takes lines from each process that connects, in a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, take: Callable[[bytes], None]) -> None:
        self.take = take
        super().__init__(path, _Lines)


class _Lines(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            for line in self.rfile:
                whole = line.endswith(b"\n")
                self.server.take(line[:-1] if whole else _LOST)


@contextmanager
def _short_path(folder: Path, name: str) -> Iterator[str]:
    """A path for a socket in the folder, which may be longer than the 107 bytes that a socket's
    path can have: by the open folder's number where the system has /proc."""
    if not Path("/proc/self/fd").is_dir():
        yield str(folder / name)
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{number}/{name}"
    finally:
        os.close(number)
