"""Past decisions, searched; and all that is known of one image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cloud.moderation.items import Decision, Item, State
from cloud.moderation.statements import LoggedDecision
from ml_models.types import Label


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `start` on, and before `end`; None: without bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """How probable the classifier found a class, both bounds included."""

    label: Label
    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True, slots=True)
class Search:
    """What is sought: all of it has to hold, None is anything. What was decided is an item's last
    decision."""

    name: str | None = None
    """The objectId of an item, or of the object whose image it is."""
    uploader: str | None = None
    state: State | None = None
    scores: ScoreRange | None = None
    category: str | None = None
    decided_by: str | None = None
    policy_version: int | None = None
    decided: Span = Span()
    uploaded: Span = Span()
    held: bool = False
    """Under a legal hold."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of results ended: the next one begins after this item."""

    item_id: str
    time: datetime
    is_decided: bool
    """Items that nobody has decided about yet come last, by the time of their upload."""


@dataclass(frozen=True, slots=True)
class Found:
    """An item of a search; `distance` is that of a near copy, in bits of 256, 0 of the same."""

    item: Item
    is_held: bool = False
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Items, newest decision first, and where the next page begins, if there is one."""

    found: Sequence[Found] = ()
    following: Place | None = None


@dataclass(frozen=True, slots=True)
class ImagePrint:
    """What an image is known by: its bytes, and its picture where it shows enough."""

    content_sha256: str | None = None
    pdq: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a webhook fared that tells of a decision."""

    url: str
    state: str
    attempts: int
    problem: str | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldChange:
    """A legal hold that was set, or lifted."""

    is_held: bool
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that is known of an item."""

    item: Item
    log: Sequence[Decision]
    columns: Mapping[str, Any] | None
    """What moderation wrote to the object, as it is now; None: there is no such object."""
    deliveries: Mapping[str, Sequence[Delivery]] = field(default_factory=dict)
    """By the decision's id."""
    holds: Sequence[HoldChange] = ()
    is_held: bool = False


class History(Protocol):
    """Searches items and their decisions; each search goes by an index."""

    def search(self, search: Search, after: Place | None, limit: int) -> FoundPage:
        """Return the first `limit` items that fulfil the search, or the first after a place."""

    def take_print(self, data: bytes) -> ImagePrint:
        """Find out what an image is known by; it is neither recorded nor kept.

        Without a picture that tells, its bytes alone. Raises ImageTooManyBytes, ClassifierBusy,
        ModelError.
        """

    def copies(self, of: ImagePrint, search: Search, limit: int) -> Sequence[Found]:
        """Return items with the same image, or nearly the same, that fulfil the search; the
        nearest first."""

    def dossier(self, item_id: str) -> Dossier | None:
        """Return all that is known of an item, ended ones too."""

    def decisions(self, search: Search) -> Iterator[LoggedDecision]:
        """Yield every decision that fulfils the search, oldest first, a page in memory at a time.

        Here it is the decision itself that has to fulfil it: `state` is what it made of the image,
        and whoever was overruled since is found, too.
        """
