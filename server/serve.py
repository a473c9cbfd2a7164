"""The running server: gunicorn's workers around the app, one instance for each data folder."""

import fcntl
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from flask import Flask
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from config import Settings
from server.app import check_settings, create_app
from server.deadlines import read_deadlines
from server.malloc import keep_memory
from server.panel.operator import DemoModerator, make_demo_moderator
from server.welcome import how_to_sign_in, what_to_try

# Requests that wait or fetch hold a thread each; these more say "busy" and "healthy" meanwhile.
_SPARE_THREADS = 8


class CannotServe(Exception):
    """The server cannot start; `str(error)` says why and what to do."""


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises CannotServe, and SettingsError as `create_app` does."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotServe(f"DATA_DIR {settings.data_dir} cannot be made: {error}") from None
    with sole_instance(settings.data_dir):
        _check_port(settings)
        check_settings(settings)
        _Server(settings, make_demo_moderator(settings)).run()


@contextmanager
def sole_instance(data_dir: Path) -> Iterator[None]:
    """Hold the data folder's lock. The kernel lets go of it once this process and its workers end,
    who notice within a second when this one was killed."""
    with _lock_file(data_dir) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotServe(
                f"another server (process {lock.read().strip() or 'unknown'}) is running on "
                f"{data_dir.resolve()}; stop it, or set another DATA_DIR and PORT"
            ) from None
        with suppress(OSError):  # a full disk has no room even for that
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), str(os.getpid()).encode())
        yield


def _lock_file(data_dir: Path) -> TextIO:
    try:
        return (data_dir / "server.lock").open("a+")
    except OSError as error:
        raise CannotServe(f"DATA_DIR {data_dir} cannot be written to: {error.strerror}") from None


def is_served(data_dir: Path) -> bool:
    """Say whether a server of this machine is running on the data folder."""
    try:
        with (data_dir / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def _check_port(settings: Settings) -> None:
    """Say at once what gunicorn would say after five tries."""
    family = socket.AF_INET6 if ":" in settings.bind_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.bind_host, settings.port))
        except OSError as error:
            raise CannotServe(
                f"{settings.bind_host}:{settings.port} cannot be listened on ({error.strerror}); "
                "set another PORT or BIND_HOST"
            ) from None


# So long may a client pause within a request, ten seconds; then its thread is free again.
_RECEIVE_TIMEOUT = struct.pack("ll", 10, 0)
# How long a thread that has answered waits for the same connection's next request.
_NEXT_REQUEST_MS = 5
# And how many it answers before others, who may be waiting for a thread, have their turn.
_REQUESTS_IN_A_ROW = 16


@lru_cache(maxsize=1)
def _date_header(second: int) -> str:
    return formatdate(second, usegmt=True)


# Once a second instead of once an answer: it took a fifteenth of a small call.
util.http_date = lambda timestamp=None: _date_header(int(timestamp or time.time()))


class WebWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's threaded worker: quicker on busy connections, no deadlock on Ctrl-C."""

    def handle(self, conn: Any) -> Any:
        """Answer a request, and those that follow closely on the same connection.

        gunicorn would hand the connection to its main thread and back for each: half the
        processor time of a small request.
        """
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _RECEIVE_TIMEOUT)
        for _ in range(_REQUESTS_IN_A_ROW):
            read_deadlines.begin(conn.sock)
            outcome = super().handle(conn)
            read_deadlines.end(conn.sock)
            if outcome is not True or not self.alive or not _is_readable(conn.sock):
                break
        return outcome

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End as on SIGTERM: finish what is in flight.

        gunicorn's own handler takes a lock of the thread pool, which the code that it interrupts,
        or the same handler interrupted by the next signal, may hold.
        """
        self.handle_exit(sig, frame)


def _is_readable(connection: socket.socket) -> bool:
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    return bool(poller.poll(_NEXT_REQUEST_MS))


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    def __init__(self, settings: Settings, demo: DemoModerator | None) -> None:
        self._settings, self._demo = settings, demo
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self._settings.bind_host}]" if ":" in self._settings.bind_host else None
        options = {
            "bind": f"{host or self._settings.bind_host}:{self._settings.port}",
            "workers": self._settings.web_workers,
            "worker_class": WebWorker,
            "threads": self._settings.max_in_flight + _SPARE_THREADS,
            "keepalive": 75,
            "limit_request_line": 8190,  # gunicorn's most; long URLs stand in the query
            "timeout": 60,
            "graceful_timeout": 20,
            # Headers of a proxy are believed by TRUSTED_PROXIES alone, see server/app.py.
            "forwarder_headers": "",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "when_ready": self._say_what_to_try,
            "post_fork": lambda _server, _worker: keep_memory(),
            "post_worker_init": _warm_up,
            "worker_exit": _close,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)

    def _say_what_to_try(self, _server: Any) -> None:
        sys.stdout.write(f"\n{what_to_try(self._settings)}\n")
        if self._demo is not None:
            sys.stdout.write(f"{how_to_sign_in(self._settings, *self._demo)}\n")
        sys.stdout.flush()


def _warm_up(worker: Any) -> None:
    """Be ready before the first request comes, and begin what runs beside the requests."""
    services = worker.wsgi.extensions["parsewarden"]
    services.warm_up()
    services.jobs.watch()
    services.dispatch.start_sweeping()
    services.webhooks.start()
    services.retention.start()


def _close(_server: Any, worker: Any) -> None:
    """Let what runs in the background come to its end before the worker is gone."""
    app = getattr(worker, "wsgi", None)
    if app is None:  # it could not even be made
        return
    services = app.extensions["parsewarden"]
    services.dispatch.close()
    services.webhooks.close()
    services.retention.close()
    services.jobs.close()
    services.database.close()
