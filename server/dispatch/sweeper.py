"""The thread that looks again and again for what was lost on the way, whoever it then goes to."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.item_ports import Dispatch

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 2.0


class SweptDispatch(Dispatch, Protocol):
    """A Dispatch as a process runs it: made after forking, swept, and closed at the end."""

    def start_sweeping(self) -> None:
        """Bring back what is pending past its lease, and settle what is unsettled, from now on."""

    def close(self) -> None:
        """Take nothing more and let what runs come to its end."""


class Sweeper:
    """Calls `sweep` every few seconds from `start` to `close`; a failure ends one round only."""

    def __init__(self, sweep: Callable[[], None], *, every_s: float = SWEEP_EVERY_S) -> None:
        self._sweep, self._every_s = sweep, every_s
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless begun or closed."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Begin no further round and wait for the present one."""
        with self._lock:
            self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                self._sweep()
            except StoreUnavailable as error:
                logger.warning("the sweeper waits for the database: %s", error)
            except Exception:  # the worker loop: the next round may go better
                logger.exception("the sweep failed")
