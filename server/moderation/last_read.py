"""Up to when rows were read that are asked for by a time, which clocks wrote that may be wrong."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.clock import utc_now


@dataclass(frozen=True, slots=True)
class Moment:
    """When a read began, by the clock on the wall, and by one that nobody sets."""

    at: datetime
    measured_s: float


class LastRead:
    """Says from which time on rows may be new; not thread-safe.

    What another machine's clock, behind by less than `overlap`, has written is among them. So is
    what was written since the last read, when this machine's clock was set back meanwhile.
    """

    def __init__(
        self,
        overlap: timedelta,
        *,
        now: Callable[[], datetime] = utc_now,
        measure_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._overlap, self._now, self._measure_s = overlap, now, measure_s
        self._last: Moment | None = None

    def begin(self) -> Moment:
        """Take the time before a read; `end` it with that once all is read."""
        return Moment(self._now(), self._measure_s())

    def end(self, moment: Moment) -> None:
        """Note that all was read that there was at the moment."""
        self._last = moment

    def since(self, moment: Moment) -> datetime | None:
        """Return from when on the read that begins at the moment has to read; None: all."""
        if self._last is None:
            return None
        # When the last read was, as the clock that goes now would have it.
        last = moment.at - timedelta(seconds=moment.measured_s - self._last.measured_s)
        return min(self._last.at, last) - self._overlap

    def lately(self, moment: Moment) -> datetime:
        """Return from when on the next read, soon after this one, will read once more."""
        return moment.at - self._overlap
