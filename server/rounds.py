"""Work that a process does again and again beside its requests."""

import logging
import threading
from collections.abc import Callable

from cloud.moderation.errors import StoreUnavailable

logger = logging.getLogger(__name__)


class Rounds:
    """Calls `work` every few seconds in a thread, from `start` to `close`; start it after forking.

    A failure ends one round only. `name` says in the log what waits for the next one. With
    `at_once` the first round does not wait.
    """

    def __init__(
        self, name: str, work: Callable[[], None], *, every_s: float, at_once: bool = False
    ) -> None:
        self._name, self._work = name, work
        self._every_s, self._at_once = every_s, at_once
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless begun or closed."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Begin no further round and wait for the present one."""
        with self._lock:
            self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        if self._at_once:
            self._round()
        while not self._closing.wait(self._every_s):
            self._round()

    def _round(self) -> None:
        try:
            self._work()
        except StoreUnavailable as error:
            logger.warning("%s: waiting for the database: %s", self._name, error)
        except Exception:  # the worker loop: the next round may go better
            logger.exception("%s: this round failed", self._name)
