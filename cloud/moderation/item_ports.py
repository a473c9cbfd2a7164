"""What the pipeline needs from outside, each as a role with its whole contract.

Every method raises StoreUnavailable.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from cloud.moderation.items import Decision, Evidence, Item
from cloud.moderation.memory import Recollection


class ModerationItems(Protocol):
    """Keeps items and the append-only log of decisions."""

    def add(self, item: Item) -> None:
        """Record a new pending item, due at once."""

    def get(self, item_id: str) -> Item | None:
        """Return the item, or None."""

    def lease(self, item_id: str, now: datetime, until: datetime) -> Item | None:
        """Take a pending item that is due, and count the attempt; None if it is not to be had.

        Until then nobody else gets it.
        """

    def put_off(self, item: Item, until: datetime, problem: str, *, counts: bool) -> None:
        """Give a leased item back, due again at `until`; an attempt that does not count is taken
        back. Nothing happens if somebody else has the item by now."""

    def decide(self, decision: Decision) -> bool:
        """Make the transition, if the item still stands where the decision begins and nothing is
        unsettled; then the decision is unsettled. False: somebody was faster."""

    def log(self, decision: Decision) -> None:
        """Append the decision to the log, once however often it is called."""

    def settled(self, decision: Decision) -> None:
        """Note that all consequences of the decision are written."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of pending items that nobody has and that wait for nothing, oldest first."""

    def unsettled(self, before: datetime, limit: int) -> list[Item]:
        """Return items whose last decision was made before then and is still unsettled."""

    def of_object(self, class_name: str, object_id: str) -> list[Item]:
        """Return the items of an object that have not ended."""


class Mirrored(Enum):
    """Whether an object shows an item."""

    WRITTEN = auto()
    REPLACED = auto()
    """The object shows another item, or none."""
    GONE = auto()
    """There is no such object."""


class Subjects(Protocol):
    """The objects whose images are moderated.

    Each shows one item and the number of its newest decision that reached the object. A save that
    sets a file makes its item the one that is shown, and no item is shown again after another.
    """

    def find(self, item: Item) -> Mirrored:
        """Say whether the object shows the item."""

    def mirror(self, decision: Decision) -> Mirrored:
        """Write the decision's state to the object's columns, if the object shows its item and no
        later decision."""

    def read_file(self, name: str) -> bytes | None:
        """Return the stored file, or None."""


class Memory(Protocol):
    """Knows images again: by their bytes, or by fingerprints that differ in few bits."""

    def recall(self, evidence: Evidence, item_id: str, now: datetime) -> Recollection | None:
        """Return what holds for the item's image. The item counts as known by it, once."""

    def learn(self, decision: Decision, content_sha256: str) -> None:
        """Remember the decision for these bytes, unless a later one is remembered already."""

    def unlearn(self, decision: Decision) -> None:
        """Forget what earlier decisions on the item taught."""


class Dispatch(Protocol):
    """Has items processed soon, here or elsewhere. Losing one loses nothing: the sweeper comes."""

    def submit(self, item_id: str) -> None:
        """Ask for the item to be processed; never blocks, never raises."""


class Notifier(Protocol):
    """Tells others of decisions, later: whether they listen is no matter of the decision."""

    def announce(self, decision: Decision) -> None:
        """Record who is to be told of the decision, once however often called."""
