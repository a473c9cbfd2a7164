"""Until when something must have happened on a connection."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `missed` on the loop when the time is over, unless it was lifted before.

    Once missed it counts as set, until somebody lifts it or sets it anew.
    """

    __slots__ = ("_loop", "_missed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop, self._missed = loop, missed
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether something is being waited for."""
        return self._timer is not None

    def set(self, seconds: float) -> None:
        """Wait for so long, from now on; what was set before no longer holds."""
        self.lift()
        self._timer = self._loop.call_later(seconds, self._missed)

    def lift(self) -> None:
        """Wait for as long as it takes; fine if none was set."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
