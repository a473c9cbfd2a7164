"""gunicorn's worker process around uvicorn: the one starts and replaces, the other serves."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from server.front.application import Front
from server.front.websockets import WebSocketProtocol
from server.live_query.limits import MAX_MESSAGE_BYTES, PING_EVERY_S

# How long requests may take to end once the process is told to stop.
GRACEFUL_S = 20

# libuv accepts one connection for each listening socket in a round of its loop. While a round takes
# long, under full load, who connects would wait for as many rounds as others are before him. With
# several processes one that wakes first would take all, while others are idle, so there it stays 1.
_ACCEPTED_AT_ONCE = 32

# So long a thread that computes keeps the interpreter from others. The event loop waits for as many
# of them as compute, at each of its steps; with Python's own 5 ms it stood still under heavy finds.
_SWITCH_INTERVAL_S = 0.001


class FrontWorker(UvicornWorker):  # type: ignore[misc]  # it carries no types
    """Serves the `Front` that gunicorn has loaded, until told to stop or left alone."""

    sockets: list[socket.socket]

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "ws": WebSocketProtocol,
        "ws_max_size": MAX_MESSAGE_BYTES,
        "ws_ping_interval": PING_EVERY_S,
        "ws_per_message_deflate": False,  # it costs memory for each client, and hides large frames
        "lifespan": "off",
        "access_log": False,
        # Headers of a proxy are believed by TRUSTED_PROXIES alone, see server/app.py.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACEFUL_S,
        "timeout_notify": 1,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("uvicorn.error", "uvicorn.access"):  # which it has tied to gunicorn's handlers
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True
            logger.setLevel(logging.WARNING)

    async def _serve(self) -> None:
        logging.getLogger("uvicorn.error").addFilter(_is_no_websocket)
        front: Front = self.wsgi
        self.config.http = front.protocol
        if self.cfg.workers == 1:
            self.sockets = [again for one in self.sockets for again in _listening(one)]
        self.config.app = front
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        server = _Server(self.config)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        """Tell gunicorn that all is well; end when there is no gunicorn any more."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)


class _Server(Server):
    """uvicorn's server, which leaves what comes after it to this process.

    uvicorn's own raises the signal that stopped it once more at its end. That would end the process
    before `worker_exit` has let the images in hand come to their end. gunicorn, told SIGINT, tells
    its workers SIGQUIT.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _listening(listener: socket.socket) -> list[socket.socket]:
    """The same listening socket, so many times."""
    return [
        socket.socket(listener.family, listener.type, listener.proto, os.dup(listener.fileno()))
        for _ in range(_ACCEPTED_AT_ONCE)
    ]


def _is_no_websocket(record: logging.LogRecord) -> bool:
    """Keep two lines for each WebSocket, and what stands in its URL's query, out of the log."""
    return "WebSocket" not in str(record.msg) and not str(record.msg).startswith("connection ")
