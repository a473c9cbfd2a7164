"""How long what was decided is kept, and what has to be kept longer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    """How many of each kind were removed, or would be."""

    items: int = 0
    decisions: int = 0
    deliveries: int = 0
    classifications: int = 0
    matches: int = 0
    views: int = 0
    """Moderators' days: how many images each looked at."""
    held: int = 0
    """Items that stay because of a legal hold."""


@dataclass(frozen=True, slots=True)
class PurgeRun:
    """A purge that was begun; without an end it runs, or was cut short."""

    by: str
    older_than_days: int
    started_at: datetime
    finished_at: datetime | None
    counts: PurgeCounts


class Retention(Protocol):
    """Removes what is older than it shall be kept, and nothing that is under a legal hold."""

    @property
    def days(self) -> int:
        """After how many days it purges by itself; 0: never."""

    def preview(self, older_than_days: int) -> PurgeCounts:
        """Count the items that a purge would remove, and those under a hold; not what goes with
        them."""

    def begin(self, older_than_days: int, by: str) -> bool:
        """Begin to purge in the background; False: this process is at it already."""

    def runs(self, limit: int) -> Sequence[PurgeRun]:
        """Return the last purges, newest first."""

    def hold(self, item_id: str, by: str, reason: str, *, is_held: bool) -> bool:
        """Set or lift an item's legal hold, and note it for good. False: there is no such item."""
