"""How many images moderators looked at, by day: for their own sake, before anybody else's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Views:
    """What one page has counted so far on one day.

    It is a total, not an addition: told twice, or late, it counts once.
    """

    source: str
    """Names the page that counts; at most 32 letters and digits, the first one a letter."""
    day: date
    """That of UTC."""
    count: int
    """How many images it has shown unveiled."""
    rested: int = 0
    """How many the moderator had looked at on all devices when a break was suggested last."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one moderator looked at on one day, on all devices."""

    day: date
    count: int = 0
    rested: int = 0
    """How many of them she had seen when a break was suggested last."""

    def break_is_due(self, after: int) -> bool:
        """Whether to suggest a break again; `after` 0: never."""
        return 0 < after <= self.count - self.rested


class Exposure(Protocol):
    """Counts what moderators look at. Everything raises StoreUnavailable."""

    def note(self, moderator_id: str, views: Collection[Views]) -> None:
        """Take totals over. What is of no day of the last month is passed over, and a day to come
        is today; so are further pages of a day on which a thousand have counted."""

    def today(self, moderator_id: str) -> Seen:
        """Return what she looked at today."""

    def days(self, moderator_id: str, days: int) -> Sequence[Seen]:
        """Return the last days, today first, also those without any."""

    def today_of_all(self, moderator_ids: Collection[str]) -> Mapping[str, int]:
        """Return how many images each of these looked at today."""
