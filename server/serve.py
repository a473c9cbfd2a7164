"""The running server: gunicorn's workers around the front."""

import logging
import resource
import socket
import sys
from contextlib import closing, suppress
from typing import Any

from gunicorn.app.base import BaseApplication

from cloud.moderation.errors import StoreUnavailable
from config import Settings
from server.app import create_app
from server.busy import busy_answers
from server.env_file import warn_of_neglected
from server.files.urls import doubt_of_server_url
from server.front.application import Front
from server.front.bounds import MOST_CONNECTIONS, Bounds
from server.front.worker import GRACEFUL_S, FrontWorker
from server.live_query.face import LiveQueryFace, live_query_face
from server.malloc import keep_memory
from server.panel.operator import DemoModerator, make_demo_moderator
from server.routes.health import health_lanes
from server.services import Services
from server.sole_instance import CannotServe, sole_instance
from server.storage.sqlite.database import FILE_NAME
from server.storage.wiring import open_database
from server.telemetry.logs import ServersLog
from server.telemetry.measured import observer
from server.telemetry.sharing import forget_process, shared_figures
from server.welcome import how_to_sign_in, what_to_try
from server.wiring import check_settings

# Requests that wait or fetch hold a thread each; these more say "busy" and "healthy" meanwhile.
_SPARE_THREADS = 8
# A process has so many files open besides connections, and of each thread: database and fetching.
_OTHER_FILES, _FILES_PER_THREAD = 150, 8
# So many connections and more need no further files.
_ENOUGH_FILES = 65_536
# Checked at every start, within a second; larger ones only when the last run was cut short.
_QUICKLY_CHECKED_BYTES = 256 * 1024**2

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises CannotServe, and SettingsError as `create_app` does."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotServe(f"DATA_DIR {settings.data_dir} cannot be made: {error}") from None
    warn_of_neglected()
    _warn_of_server_url(settings)
    with sole_instance(settings.data_dir, settings.port) as was_cut_short:
        _check_port(settings)
        check_settings(settings)
        _check_database(settings, was_cut_short=was_cut_short)
        raise_open_files()
        with shared_figures(settings.web_workers):
            _Server(settings, make_demo_moderator(settings)).run()


def _warn_of_server_url(settings: Settings) -> None:
    doubt = doubt_of_server_url(settings)
    if doubt is not None:
        logger.warning("SERVER_URL: %s", doubt)


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


def _check_database(settings: Settings, *, was_cut_short: bool) -> None:
    """Look at the embedded database before anything is written to a damaged one."""
    file = settings.data_dir / FILE_NAME
    if settings.database_uri or not file.is_file():
        return
    with closing(open_database(settings)) as database:
        try:
            database.ping()
            looks = was_cut_short or file.stat().st_size <= _QUICKLY_CHECKED_BYTES
            damages = database.damages() if looks else []
        except StoreUnavailable as error:
            damages = [str(error)]
    if damages:
        raise CannotServe(
            f"the database {file} is damaged ({damages[0]}); restore a backup, see "
            "docs/operations.md, or move the file away to begin with an empty one"
        )


def raise_open_files() -> int:
    """Let this process and its children open as many files as they may, and return how many.

    Systems start programs with 1,024, which a thousand idle connections use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _ENOUGH_FILES if soft == resource.RLIM_INFINITY else soft


def _most_connections(threads: int) -> int:
    """How many connections leave files enough for everything else."""
    files = raise_open_files()
    return max(
        files // 4, min(MOST_CONNECTIONS, files - _OTHER_FILES - _FILES_PER_THREAD * threads)
    )


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    _services: Services
    _live_query: LiveQueryFace
    """A worker process's, once it has loaded the app."""

    def __init__(self, settings: Settings, demo: DemoModerator | None) -> None:
        self._settings, self._demo = settings, demo
        super().__init__()

    def load_config(self) -> None:
        host = f"[{self._settings.bind_host}]" if ":" in self._settings.bind_host else None
        options = {
            "bind": f"{host or self._settings.bind_host}:{self._settings.port}",
            "workers": self._settings.web_workers,
            "worker_class": FrontWorker,
            "keepalive": 75,
            "timeout": 60,
            "graceful_timeout": GRACEFUL_S + 5,
            "control_socket_disable": True,
            "logger_class": ServersLog,
            "when_ready": self._say_what_to_try,
            "post_fork": lambda _server, _worker: keep_memory(),
            "post_worker_init": lambda _worker: self._services.start(),
            "child_exit": lambda _server, worker: forget_process(worker.pid),
            "worker_exit": lambda _server, _worker: self._close(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Front:
        app = create_app(self._settings)
        self._services = app.extensions["parsewarden"]
        threads = self._settings.max_in_flight + _SPARE_THREADS
        bounds = Bounds(
            self._settings.max_body_bytes,
            large_bodies=threads,
            connections=_most_connections(threads),
        )
        mounts = self._settings.parse_mounts
        self._live_query = live_query_face(self._services, mounts)
        return Front(
            app.wsgi_app,
            threads=threads,
            bounds=bounds,
            lanes=health_lanes(mounts),
            busy=busy_answers(mounts),
            observe=observer(self._services.telemetry, mounts),
            websockets=self._live_query,
        )

    def _say_what_to_try(self, _server: Any) -> None:
        sys.stdout.write(f"\n{what_to_try(self._settings)}\n")
        if self._demo is not None:
            sys.stdout.write(f"{how_to_sign_in(self._settings, *self._demo)}\n")
        sys.stdout.flush()

    def _close(self) -> None:
        """Let what runs in the background come to its end before the worker is gone."""
        services = getattr(self, "_services", None)
        if services is None:  # they could not even be made
            return
        self._live_query.close()
        services.close()
