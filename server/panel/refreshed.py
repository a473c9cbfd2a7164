"""A value that takes long to make: made in the background, and the last one is shown meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from cloud.moderation.errors import StoreUnavailable

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


class Refreshed(Generic[Value]):
    """Keeps one value; thread-safe. Nothing is made while nobody asks."""

    def __init__(
        self,
        make: Callable[[], Value],
        *,
        max_age_s: float,
        patience_s: float,
        first_patience_s: float,
    ) -> None:
        """Who asks for an older value than `max_age_s` has it made anew, and waits up to
        `patience_s` for it; who asks first of all, up to `first_patience_s`."""
        self._make = make
        self._max_age_s, self._patience_s = max_age_s, patience_s
        self._first_patience_s = first_patience_s
        self._lock = threading.Lock()
        self._value: Value | None = None
        self._made_at = 0.0
        self._making: threading.Event | None = None
        self._problem: StoreUnavailable | None = None

    def get(self) -> Value | None:
        """Return the newest value there is; None while the first is being made.

        Raises StoreUnavailable when none could be made.
        """
        with self._lock:
            if self._value is not None and time.monotonic() - self._made_at < self._max_age_s:
                return self._value
            is_first = self._value is None and self._making is None
            making = self._making or self._start()
        making.wait(self._first_patience_s if is_first else self._patience_s)
        if self._value is None and self._problem is not None:
            raise self._problem
        return self._value

    def _start(self) -> threading.Event:
        made = self._making = threading.Event()
        threading.Thread(target=self._run, args=(made,), name="figures", daemon=True).start()
        return made

    def _run(self, made: threading.Event) -> None:
        value, problem = None, None
        try:
            value = self._make()
        except StoreUnavailable as error:
            problem = error
            logger.warning("figures cannot be read: %s", error)
        except Exception:  # the worker loop: who asks next has it tried again
            logger.exception("figures cannot be made")
        with self._lock:
            if value is not None:
                self._value, self._made_at = value, time.monotonic()
            self._problem, self._making = problem, None
        made.set()
