"""A hostile server in plain sockets on loopback, scripted names, and a certificate of our own."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.fetch.address import AllowedHost
from server.fetch.http import PinnedFetcher

Handler = Callable[[socket.socket, threading.Event], None]

LOOPBACK = AllowedHost("127.0.0.1", None)


def answer(body: bytes = b"image", *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with a true Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {location}", status=status)


def drip(start: bytes, piece: bytes, every_s: float = 0.02) -> Handler:
    """Send `start` at once, then `piece` again and again until nobody listens any more."""

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(start)
        while not stopped.wait(every_s):
            connection.sendall(piece)

    return handle


def flood(start: bytes, piece: bytes) -> Handler:
    """Send `start`, then `piece` as fast as the socket takes it."""

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(start)
        while not stopped.is_set():
            connection.sendall(piece)

    return handle


class HostileServer:
    """Answers the n-th connection with the n-th script, the last one for ever.

    A script is bytes, or a function that does what it likes with the connection. `heads` are the
    requests as they came.
    """

    def __init__(
        self,
        scripts: Sequence[bytes | Handler],
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        reads_request: bool = True,
        port: int = 0,
    ) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._scripts = scripts
        self._tls = tls
        self._reads_request = reads_request
        self._stopped = threading.Event()
        self._workers: list[threading.Thread] = []
        self._listener = socket.create_server((address, port))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def url(self, path: str = "/cat.jpg", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def stop(self) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        for thread in [self._accepting, *self._workers]:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._stopped.is_set():
                connection, _ = self._listener.accept()
                script = self._scripts[min(self.connections, len(self._scripts) - 1)]
                self.connections += 1
                worker = threading.Thread(target=self._serve, args=(connection, script))
                self._workers.append(worker)
                worker.start()

    def _serve(self, connection: socket.socket, script: bytes | Handler) -> None:
        connection.settimeout(3)
        with connection, suppress(OSError):
            if self._tls is None:
                self._play(connection, script)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._play(secured, script)

    def _play(self, connection: socket.socket, script: bytes | Handler) -> None:
        if self._reads_request:
            self.heads.append(_read_request(connection))
        if isinstance(script, bytes):
            connection.sendall(script)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()
        else:
            script(connection, self._stopped)


def _read_request(connection: socket.socket) -> bytes:
    request, length = b"", 0
    while len(request.partition(b"\r\n\r\n")[2]) < length or b"\r\n\r\n" not in request:
        piece = connection.recv(65536)
        if not piece:
            break
        request += piece
        announced = re.search(rb"Content-Length: (\d+)", request)
        length = int(announced[1]) if announced else 0
    return request


class ScriptedNames:
    """A resolver that gives each name's answers in order, the last one for ever; counts calls."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(turns) for name, turns in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        turns = self._answers.get(host)
        if turns is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return turns.pop(0) if len(turns) > 1 else turns[0]


def fetcher(**options: Any) -> PinnedFetcher:
    """A fetcher for tests: loopback allowed by its literal, half a second, 100 kB."""
    settings: dict[str, Any] = {"timeout_s": 0.5, "max_bytes": 100_000, "allowed": [LOOPBACK]}
    return PinnedFetcher(**(settings | options))


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate for images.test and 127.0.0.9, and contexts that use it."""

    path: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.path))
