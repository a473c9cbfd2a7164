"""What the pipeline and the review desk need from outside, each as a role with its whole contract.

Every method raises StoreUnavailable.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from cloud.moderation.items import Claim, Decision, Evidence, Item, Lane, State
from cloud.moderation.memory import Recollection


class ModerationItems(Protocol):
    """Keeps items and the append-only log of decisions."""

    def add(self, item: Item) -> None:
        """Record a new pending item, due at once."""

    def begin_again(self, ended: Item, now: datetime) -> Item:
        """Record a new pending item of the same image as one that has ended, and return it."""

    def get(self, item_id: str) -> Item | None:
        """Return the item, or None."""

    def lease(self, item_id: str, now: datetime, until: datetime) -> Item | None:
        """Take a pending item that is due, and count the attempt; None if it is not to be had.

        Until then nobody else gets it.
        """

    def put_off(self, item: Item, until: datetime, problem: str, *, counts: bool) -> None:
        """Give a leased item back, due again at `until`; an attempt that does not count is taken
        back. Nothing happens if somebody else has the item by now."""

    def decide(self, decision: Decision, claim: Claim | None = None) -> bool:
        """Make the transition, if the item still stands where the decision begins and nothing is
        unsettled; then the decision is unsettled. False: somebody was faster.

        Whatever claim there was ends; one that is given begins.
        """

    def end_unshown(self, ended: Decision) -> bool:
        """Make the transition of an item whose last decision found no object to be written to, in
        the place of noting that one as settled; then this one is unsettled. False: something else
        became of the item."""

    def log(self, decision: Decision) -> None:
        """Append the decision to the log, once however often it is called."""

    def settled(self, decision: Decision) -> None:
        """Note that all consequences of the decision are written."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Return ids of pending items that nobody has and that wait for nothing, oldest first."""

    def unsettled(self, before: datetime, limit: int) -> list[Item]:
        """Return items whose last decision was made before then and is still unsettled, oldest
        first; one that was put off counts as made when it was."""

    def put_off_settling(self, decision: Decision, now: datetime) -> None:
        """Let others go before an unsettled decision."""

    def of_object(self, class_name: str, object_id: str) -> list[Item]:
        """Return the items of an object that have not ended."""

    def took_anothers_place(self, item: Item) -> bool:
        """Whether there was ever another file in the column of the item's object."""


class Claims(Protocol):
    """Who looks at which item in review; safe beside other processes.

    A claim that does not hold any more, see `Claim.holds`, is as good as none.
    """

    def held(
        self, session_id: str, lane: Lane, now: datetime, *, riskiest_first: bool
    ) -> list[Item]:
        """Return the items of a lane that the session's claims hold, oldest first or riskiest."""

    def free(
        self,
        lane: Lane,
        now: datetime,
        limit: int,
        *,
        riskiest_first: bool,
        skipping: Collection[str],
    ) -> list[str]:
        """Return the ids of the first items of a lane that nobody holds. Of the riskiest first,
        those without scores come last."""

    def take(self, item_ids: Sequence[str], lane: Lane, claim: Claim, now: datetime) -> list[Item]:
        """Claim those of the items that are in the lane and that nobody else holds by then, anew if
        they are the session's; return them in this order. They count as shown to the moderator."""

    def release(
        self,
        session_id: str,
        item_ids: Collection[str] | None = None,
        *,
        until: datetime | None = None,
    ) -> None:
        """End the session's claims on the items, or all of them; those that hold for longer than
        `until` stay."""

    def release_elsewhere(self, moderator_id: str, session_id: str, now: datetime) -> None:
        """End what the moderator's sessions hold, but for this one."""

    def standing(self, lane: Lane, now: datetime) -> list[Claim]:
        """Return the claims that hold items of a lane, one for each item."""


class ItemRecords(Protocol):
    """Reads and counts what there is, by index."""

    def decisions(self, item_id: str) -> list[Decision]:
        """Return what the log has of an item, in order."""

    def waiting(self, lane: Lane) -> int:
        """Count the items of a lane; many thousands may have been counted some seconds ago."""

    def oldest(self, lane: Lane) -> datetime | None:
        """Return since when the oldest item of a lane exists; None: the lane is empty."""

    def record_of(self, uploader: str) -> Mapping[State, int]:
        """Count an uploader's items, by every state."""


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

    def show_instead(self, item: Item, ended: Item) -> bool:
        """Have the object show a new item, as pending, in the place of one that has ended; False:
        it does not show that one."""

    def read_file(self, name: str) -> bytes | None:
        """Return the stored file, or None."""


@dataclass(frozen=True, slots=True)
class Check:
    """An object to be looked at later, because its items may not fit it by then."""

    name: str
    class_name: str
    object_id: str
    due_at: datetime
    item_id: str | None = None
    """The item that ended because the object did not come."""
    looks: int = 0
    """How often it was looked at."""


class Checks(Protocol):
    """Keeps what is to be looked at later."""

    def add(self, check: Check) -> None:
        """Keep a check; nothing happens if there is one of this name."""

    def strike(self, name: str) -> None:
        """Forget a check, if there is one of this name."""

    def due(self, now: datetime, limit: int) -> list[Check]:
        """Return checks that are due, the longest due first."""

    def put_off(self, check: Check, until: datetime) -> None:
        """Have a check that was looked at be due again at `until`."""


class Memory(Protocol):
    """Knows images again: by their bytes, or by fingerprints that differ in few bits."""

    def recall(self, evidence: Evidence, item_id: str, now: datetime) -> Recollection | None:
        """Return what holds for the item's image. The item counts as known by it, once.

        Raises NotReadYet while what is remembered is being read.
        """

    def learn(self, decision: Decision, content_sha256: str) -> None:
        """Remember the decision for these bytes, unless a later one is remembered already."""

    def unlearn(self, decision: Decision) -> None:
        """Forget what earlier decisions on the item taught."""

    def restore(self, decision: Decision) -> None:
        """Let hold again what held before the decision that this one undoes taught something, or
        had something forgotten; nothing, if something else was taught since."""


class Dispatch(Protocol):
    """Has items processed soon, here or elsewhere. Losing one loses nothing: the sweeper comes."""

    def submit(self, item_id: str) -> None:
        """Ask for the item to be processed; never blocks, never raises."""


class Notifier(Protocol):
    """Tells others of decisions, later: whether they listen is no matter of the decision."""

    def announce(self, decision: Decision) -> None:
        """Record who is to be told of the decision, once however often called.

        Whoever was not told yet of a decision that is undone is told neither of it nor of the undo.
        """
