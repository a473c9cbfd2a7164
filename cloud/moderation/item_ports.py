"""What the pipeline needs from outside, each as a role with its whole contract.

Every method raises StoreUnavailable.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from cloud.moderation.items import Decision, Item, State, Subject


class ModerationItems(Protocol):
    """Keeps items and the append-only log of decisions."""

    def add(self, subject: Subject, now: datetime) -> Item:
        """Record a pending item, due at once."""

    def get(self, item_id: str) -> Item | None:
        """Return the item, or None."""

    def lease(self, item_id: str, now: datetime, until: datetime) -> Item | None:
        """Take a pending item that is due, and count the attempt; None if it is not to be had.

        Until then nobody else gets it.
        """

    def put_off(self, item: Item, until: datetime, problem: str, *, counts: bool) -> None:
        """Give a leased item back, due again at `until`; one that does not count is taken back."""

    def decide(self, decision: Decision) -> Item | None:
        """Make the transition, if the item still stands where the decision begins.

        Returns the item with the decision unsettled, or None: somebody was faster.
        """

    def log(self, decision: Decision) -> None:
        """Append the decision to the log, once however often it is called."""

    def settled(self, decision: Decision) -> None:
        """Note that all consequences of the decision are written."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of pending items that nobody has and that wait for nothing, oldest first."""

    def unsettled(self, before: datetime, limit: int) -> list[Item]:
        """Return items whose last decision was made before then and is still unsettled."""

    def current(self, subject: Subject) -> Item | None:
        """Return the newest item of this subject that has not ended."""

    def of_object(self, class_name: str, object_id: str) -> list[Item]:
        """Return the items of an object that have not ended."""


class Mirrored(Enum):
    """Whether a decision reached its object."""

    WRITTEN = auto()
    REPLACED = auto()
    """The object holds another file by now."""
    GONE = auto()
    """There is no such object, or not yet."""


class Subjects(Protocol):
    """The objects whose images are moderated."""

    def find(self, subject: Subject) -> Mirrored:
        """Say whether the object is there and still holds the subject's file."""

    def mirror(self, decision: Decision) -> Mirrored:
        """Write the decision's state to the object's columns, if it still holds the file."""

    def read_file(self, name: str) -> bytes | None:
        """Return the stored file, or None."""


class Dispatch(Protocol):
    """Has items processed soon, here or elsewhere. Losing one loses nothing: the sweeper comes."""

    def submit(self, item_id: str) -> None:
        """Ask for the item to be processed; never blocks, never raises."""


class Notifier(Protocol):
    """Tells others of decisions, later: whether they listen is no matter of the decision."""

    def announce(self, decision: Decision) -> None:
        """Record who is to be told of the decision, once however often called."""


FINAL_STATES = (State.APPROVED, State.REJECTED, State.ENDED)
