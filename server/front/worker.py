"""gunicorn's worker process around uvicorn: the one starts and replaces, the other serves."""

import logging
import os
import signal
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

from server.front.application import Front

# How long requests may take to end once the process is told to stop.
GRACEFUL_S = 20


class FrontWorker(UvicornWorker):  # type: ignore[misc]  # it carries no types
    """Serves the `Front` that gunicorn has loaded, until told to stop or left alone."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "uvloop",
        "ws": "websockets-sansio",
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
        front: Front = self.wsgi
        self.config.http = front.protocol
        await super()._serve()

    async def callback_notify(self) -> None:
        """Tell gunicorn that all is well; end when there is no gunicorn any more."""
        await super().callback_notify()
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)
