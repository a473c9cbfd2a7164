"""What moderators decided about images, and lists of images, as objects for the master key alone.

An entry of source "decision" holds for the bytes that a moderator decided about, one for the same
bytes: the newest decision. It keeps those that it displaced, which hold again if it is undone. An
entry of source "list" was put there by hand. Both also hold for near copies where they have a
fingerprint of some quality. The same bytes go before a near copy, and among equals a rejection
before an approval.
"""

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cloud.clock import utc_now
from cloud.moderation.items import Decision, Evidence, State
from cloud.moderation.memory import Recollection
from cloud.operations import Delete, Operation, Set
from cloud.values import Pointer
from server.moderation import fingerprints
from server.moderation.near_copies import NearCopies
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Database,
    Differs,
    Document,
    DuplicateObject,
    Either,
    Equals,
    Index,
    OneOf,
    Order,
    Query,
    SortKey,
)

logger = logging.getLogger(__name__)

FROM_DECISION, FROM_LIST = "decision", "list"
OUTCOMES = (State.APPROVED.value, State.REJECTED.value)
ENTRY = ClassSchema(
    "ModerationMemory",
    {
        "source": ColumnType("String"),
        "outcome": ColumnType("String"),
        "active": ColumnType("Boolean"),
        "contentSha256": ColumnType("String"),
        fingerprints.HASH: ColumnType("String"),
        fingerprints.QUALITY: ColumnType("Number"),
        "note": ColumnType("String"),
        "decision": ColumnType("Pointer", "ModerationDecision"),
        "item": ColumnType("Pointer", "ModerationItem"),
        "number": ColumnType("Number"),
        "decidedBy": ColumnType("String"),
        "decidedAt": ColumnType("Date"),
        "forgottenBy": ColumnType("String"),
        "forgottenAt": ColumnType("Date"),
        "displaced": ColumnType("Array"),
    },
    permissions=NOBODY,
)
MATCH = ClassSchema(
    "ModerationMemoryMatch",
    {
        "entry": ColumnType("Pointer", "ModerationMemory"),
        "item": ColumnType("Pointer", "ModerationItem"),
        "distance": ColumnType("Number"),
    },
    permissions=NOBODY,
)
ENTRY_INDEXES = [
    Index("content", ("contentSha256",)),
    Index("updated", ("updatedAt",)),
    Index("item", ("item",)),
]
MATCH_INDEXES = [Index("entry_created", ("entry", "createdAt"))]

_HOUR = timedelta(hours=1)
# How many displaced decisions an entry keeps; undoing goes no further back.
_MAX_DISPLACED = 10
# What of an entry is a decision's, and comes back with it.
_OF_A_DECISION = (
    "outcome", "active", "decision", "item", "number", "decidedBy", "decidedAt", "forgottenBy",
    "forgottenAt",
)  # fmt: skip


class StoredMemory:
    """The Memory port on a Database; see there for its contract.

    Without `near_copies` nothing is recalled, but decisions are remembered all the same.
    """

    def __init__(
        self, database: Database, schemas: Schemas, near_copies: NearCopies | None
    ) -> None:
        self._objects = database.objects
        self._near_copies = near_copies
        self._declare = Declaration(
            database.objects, schemas, (ENTRY, ENTRY_INDEXES), (MATCH, MATCH_INDEXES)
        )

    def start(self) -> None:
        """Begin to read what images are known by; never blocks, never raises."""
        if self._near_copies is not None:
            self._near_copies.start()

    def recall(self, evidence: Evidence, item_id: str, now: datetime) -> Recollection | None:
        if self._near_copies is None:
            return None
        self._declare()
        found = self._same_bytes(evidence)
        distance = None
        if found is None and evidence.fingerprint is not None:
            near = self._near_copies.nearest(evidence.fingerprint)
            found, distance = near or (None, None)
        if found is None:
            return None
        return Recollection(
            entry_id=found["objectId"],
            after=State(found["outcome"]),
            decided_by=found.get("decidedBy", "somebody"),
            decision_id=found["decision"].object_id if "decision" in found else None,
            distance=distance,
            matches=self._count_match(found["objectId"], item_id, distance, now),
        )

    def learn(self, decision: Decision, content_sha256: str) -> None:
        self._declare()
        self._write(decision, content_sha256)
        if self._near_copies is not None:
            self._near_copies.look_again()

    def unlearn(self, decision: Decision) -> None:
        self._declare()
        where = All((_is_earlier_of_item(decision), Equals("active", True)))
        forgotten = forgetting(decision.decided_by)
        forgotten |= {"number": Set(decision.number), "updatedAt": Set(utc_now())}
        if self._objects.update(ENTRY, where, forgotten) is not None:
            logger.info(
                "forgot what item %s had taught, by %s", decision.item_id, decision.decided_by
            )

    def restore(self, decision: Decision) -> None:
        if decision.undone_id is None:
            return
        self._declare()
        taught = Equals("decision", Pointer("ModerationDecision", decision.undone_id))
        for entry in self._objects.find(ENTRY, Query(All((taught, _is_earlier_of_item(decision))))):
            self._change(entry, _without_newest(entry, decision))
        self._remember_again(decision)
        if self._near_copies is not None:
            self._near_copies.look_again()

    def _remember_again(self, decision: Decision) -> None:
        """Let hold again what the undone decision, one back to review, had forgotten."""
        item = Equals("item", Pointer("ModerationItem", decision.item_id))
        forgotten = All((item, Equals("number", decision.undoes), Equals("active", False)))
        again = HOLDING | {"number": Set(decision.number), "updatedAt": Set(utc_now())}
        self._objects.update(ENTRY, forgotten, again)

    def _write(self, decision: Decision, content_sha256: str) -> None:
        """Write the entry of these bytes, unless it is of a later decision."""
        entry_id = _entry_id(content_sha256)
        values = _entry_columns(decision, content_sha256)
        operations = {name: Set(value) for name, value in values.items()} | HOLDING
        where = All((Equals("objectId", entry_id), _is_of_earlier(decision)))
        while earlier := self._objects.find(ENTRY, Query(where, limit=1)):
            displaced = {"displaced": Set(_with_newest(earlier[0]))}
            if self._change(earlier[0], operations | displaced):
                return
        row = {"objectId": entry_id, "createdAt": decision.decided_at, "ACL": {}, "active": True}
        try:
            self._objects.insert(ENTRY, row | values)
        except DuplicateObject:  # as new as this decision, or newer
            return

    def _change(self, entry: Document, operations: Mapping[str, Operation]) -> bool:
        """Change an entry that still is as it was read; False: it is not."""
        read = ("objectId", "decision", "number", "active")
        unchanged = All(tuple(Equals(name, entry.get(name)) for name in read))
        return self._objects.update(ENTRY, unchanged, operations) is not None

    def _same_bytes(self, evidence: Evidence) -> Document | None:
        if evidence.content_sha256 is None:
            return None
        where = All(
            (
                Equals("contentSha256", evidence.content_sha256),
                Equals("active", True),
                OneOf("outcome", OUTCOMES),
            )
        )
        rejected_first = (SortKey("outcome", descending=True),)
        found = self._objects.find(ENTRY, Query(where, order=rejected_first, limit=1))
        return found[0] if found else None

    def _count_match(self, entry_id: str, item_id: str, distance: int | None, now: datetime) -> int:
        """Written before it is counted: so no two processes both count themselves the last."""
        entry = Pointer(ENTRY.class_name, entry_id)
        match = {
            "objectId": f"{entry_id}-{item_id}",
            "createdAt": now,
            "updatedAt": now,
            "ACL": {},
            "entry": entry,
            "item": Pointer("ModerationItem", item_id),
            **({} if distance is None else {"distance": distance}),
        }
        try:
            self._objects.insert(MATCH, match)
        except DuplicateObject:
            logger.info("item %s is judged once more", item_id)
        recent = Compares("createdAt", Order.GREATER, now - _HOUR)
        return self._objects.count(MATCH, All((Equals("entry", entry), recent)))


def _is_earlier_of_item(decision: Decision) -> Condition:
    item = Equals("item", Pointer("ModerationItem", decision.item_id))
    return All((item, Compares("number", Order.LESS, decision.number)))


def _is_of_earlier(decision: Decision) -> Condition:
    """Whether an entry is of an earlier decision: numbers tell on one item, time on others."""
    is_others = Differs("item", Pointer("ModerationItem", decision.item_id))
    is_older = Compares("decidedAt", Order.LESS, decision.decided_at)
    return Either((_is_earlier_of_item(decision), All((is_others, is_older))))


def _with_newest(entry: Document) -> list[dict[str, Any]]:
    """What an entry's next decision displaces: all that its present one did, and that one."""
    present = {name: entry[name] for name in _OF_A_DECISION if name in entry}
    return [*entry.get("displaced", []), present][-_MAX_DISPLACED:]


def _without_newest(entry: Document, undo: Decision) -> dict[str, Operation]:
    """The change after which an entry is as if its present decision, now undone, had never been.

    The item's own entry is then as new by its number as the undo, another item's by its time: so
    the undone decision does not come back when it is settled late.
    """
    changes: dict[str, Operation] = {"updatedAt": Set(utc_now())}
    displaced = entry.get("displaced", [])
    if not displaced:
        return changes | forgetting(undo.decided_by) | {"number": Set(undo.number)}
    last = displaced[-1]
    for name in _OF_A_DECISION:
        changes[name] = Set(last[name]) if name in last else Delete()
    changes["displaced"] = Set(displaced[:-1])
    if last["item"] == entry["item"]:
        return changes | {"number": Set(undo.number)}
    return changes | {"decidedAt": Set(undo.decided_at)}


HOLDING: dict[str, Operation] = {
    "active": Set(True),
    "forgottenBy": Delete(),
    "forgottenAt": Delete(),
}
"""The change that makes an entry hold, again if need be."""


def forgetting(by: str) -> dict[str, Operation]:
    """The change that makes an entry hold no longer; it stays as a record."""
    return {"active": Set(False), "forgottenBy": Set(by), "forgottenAt": Set(utc_now())}


def _entry_id(content_sha256: str) -> str:
    """Follows from the bytes, for which there is one entry of all decisions."""
    return hashlib.sha256(f"decision {content_sha256}".encode()).hexdigest()[:24]


def _entry_columns(decision: Decision, content_sha256: str) -> dict[str, Any]:
    return {
        "updatedAt": utc_now(),
        "source": FROM_DECISION,
        "outcome": decision.after.value,
        "contentSha256": content_sha256,
        **fingerprints.to_columns(decision.evidence.fingerprint),
        "decision": Pointer("ModerationDecision", decision.decision_id),
        "item": Pointer("ModerationItem", decision.item_id),
        "number": decision.number,
        "decidedBy": decision.decided_by,
        "decidedAt": decision.decided_at,
    }
