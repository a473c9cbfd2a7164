"""The figures that the dashboard shows: what waits, what was decided, by whom, and how fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from cloud.clock import utc_now
from cloud.moderation.figures import DayFigures, Waits
from cloud.moderation.people_figures import Agreement, ModeratorFigures
from cloud.moderation.policy_quality import Proportion

SPANS = (14, 30, 90)
"""Days that can be looked back on."""


class Queue(StrEnum):
    """What images wait for."""

    PENDING = "pending"
    """To be judged by the rules."""
    REVIEW = "review"
    """For a moderator."""
    ESCALATED = "escalated"
    """For an admin."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many wait, and since when the oldest of them is there."""

    count: int
    oldest: datetime | None

    @property
    def oldest_s(self) -> float | None:
        """For how many seconds the oldest has waited; None while none does."""
        return None if self.oldest is None else (utc_now() - self.oldest).total_seconds()


@dataclass(frozen=True, slots=True)
class Broker:
    """What carries images to the workers; `messages` is None while it does not answer."""

    messages: int | None
    workers: int
    """How many live."""
    heard_at: datetime | None
    """When a worker was heard of last; None: none in a day."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the parts are there that moderation needs."""

    model: str | None
    """Name and version; None while images cannot be classified."""
    model_problem: str | None
    database_took: timedelta
    """How long the database took for the least that there is to do."""
    broker: Broker | None
    """None: there is none, the server's own threads do the work."""


@dataclass(frozen=True, slots=True)
class Now:
    """What changes from minute to minute."""

    waiting: Mapping[Queue, Waiting]
    health: Health
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """What became of images in some days; days are those of UTC, oldest first, up to today."""

    days: Sequence[DayFigures]
    rules: Waits
    """From the upload to what the rules said."""
    people: Waits
    """From the queue to what a moderator said."""
    automation: Proportion
    automation_by_class: Mapping[str | None, Proportion]
    agreement: Agreement
    moderators: Sequence[ModeratorFigures]
    moderators_since: datetime | None
    """Where these and the agreement are not of all of the days: since when they are."""
    seen_today: Mapping[str, int]
    """How many different images each moderator decided about today."""
    as_of: datetime


class Figures(Protocol):
    """Counts, in the background: nobody waits for it."""

    def now(self) -> Now | None:
        """Return what waits, as it was a few seconds ago; None while that is first found out."""

    def overview(self, days: int) -> Overview | None:
        """Return the figures of the last days, out of SPANS, as they were up to a minute ago; None
        while they are first counted."""
