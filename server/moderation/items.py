"""Moderation items and the log of decisions, as objects for the master key alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cloud.moderation.items import Claim, Decision, Item, Lane, State
from cloud.operations import AddUnique, Delete, Increment, Operation, Set
from cloud.values import Pointer
from server.moderation.history_indexes import BY_TIME, ITEM_INDEXES
from server.moderation.item_columns import (
    claim_columns,
    counted_columns,
    decision_columns,
    evidence_columns,
    item_of_row,
    readable,
    readable_item,
    remark_columns,
    score_columns,
    subject_columns,
)
from server.objects.declaration import Declaration, OwnClass
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY, column_types
from server.storage.port import (
    EVERYTHING,
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Database,
    Differs,
    DuplicateObject,
    Either,
    Equals,
    Exists,
    Index,
    OneOf,
    Order,
    Query,
    SortKey,
)

# No lease and no wait is longer: a time further off was written by a clock that was wrong.
_LONGEST_WAIT = timedelta(minutes=5)


_SHARED = column_types(
    subjectClass="String", subjectId="String", subjectColumn="String", fileName="String",
    reasons="Array", predictions="Array", contentSha256="String", modelName="String",
    modelVersion="String", policyVersion="Number", pdqHash="String", pdqQuality="Number",
    category="String", note="String", requestKey="String", lane="String", appeal="String",
)  # fmt: skip
ITEM = ClassSchema(
    "ModerationItem",
    _SHARED
    | column_types(
        state="String", dueAt="Date", attempts="Number", transitions="Number", problem="String",
        decidedBy="String", decidedAt="Date", unsettled="Object", unsettledSince="Date",
        uploader="String", legalHold="Boolean",
        claimedBy="String", claimSession="String", claimedUntil="Date", shownTo="Array",
        scoreDrawing="Number", scoreHentai="Number", scoreNeutral="Number", scorePorn="Number",
        scoreSexy="Number", risk="Number",
    ),
    permissions=NOBODY,
)  # fmt: skip
DECISION = ClassSchema(
    "ModerationDecision",
    _SHARED
    | {"item": ColumnType("Pointer", "ModerationItem")}
    | column_types(
        number="Number", before="String", after="String", decidedBy="String",
        undoes="Number", restores="String", heldUntil="Date",
        waitedMs="Number", byPerson="Boolean", topClass="String",
    ),
    permissions=NOBODY,
)  # fmt: skip
ITEM_CLASSES: Sequence[OwnClass] = (
    (
        ITEM,
        [
            Index("state_due", ("state", "dueAt")),
            Index("unsettled_since", ("unsettledSince",)),
            Index("lane_created", ("lane", "createdAt")),
            Index("lane_risk", ("lane", "risk")),
            Index("claim_session", ("claimSession",)),
            Index("claimed_until", ("claimedUntil",)),
            Index("uploader_state", ("uploader", "state")),
            *ITEM_INDEXES,
        ],
    ),
    (
        DECISION,
        [
            Index("item", ("item",)),
            BY_TIME,
            Index("before_created", ("before", "createdAt")),
            Index("by_person_created", ("byPerson", "createdAt")),
        ],
    ),
)


CLAIM = ("claimedBy", "claimSession", "claimedUntil")
"""The columns of a claim."""

# What holds only until the next decision.
_OF_THE_STATE_BEFORE = ("dueAt", "problem", "lane", "category", "note", "requestKey", *CLAIM)


class StoredItems:
    """The ModerationItems port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._declare = Declaration(database.objects, schemas, *ITEM_CLASSES)

    def add(self, item: Item) -> None:
        self._declare()
        document = {
            "objectId": item.item_id,
            "createdAt": item.created_at,
            "updatedAt": item.created_at,
            "ACL": {},
            **subject_columns(item.subject),
            "state": item.state.value,
            "dueAt": item.created_at,
            "attempts": item.attempts,
            "transitions": item.transitions,
        }
        if item.uploader is not None:
            document["uploader"] = item.uploader
        self._objects.insert(ITEM, document)

    def begin_again(self, ended: Item, now: datetime) -> Item:
        again = Item(new_object_id(), ended.subject, State.PENDING, now, uploader=ended.uploader)
        self.add(again)
        return again

    def get(self, item_id: str) -> Item | None:
        return readable_item(self._objects.get(ITEM, item_id))

    def lease(self, item_id: str, now: datetime, until: datetime) -> Item | None:
        where = All((Equals("objectId", item_id), _is_due(now)))
        operations: dict[str, Operation] = {
            "dueAt": Set(until),
            "attempts": Increment(1),
            "updatedAt": Set(now),
        }
        return readable_item(self._objects.update(ITEM, where, operations))

    def put_off(self, item: Item, until: datetime, problem: str, *, counts: bool) -> None:
        operations: dict[str, Operation] = {"dueAt": Set(until), "problem": Set(problem)}
        if not counts:
            operations["attempts"] = Increment(-1)
        is_ours = Equals("attempts", item.attempts)  # another lease would have counted on
        where = _stands_as(item.item_id, State.PENDING, item.transitions)
        self._objects.update(ITEM, All((where, is_ours)), operations)

    def decide(self, decision: Decision, claim: Claim | None = None) -> bool:
        return self._make(decision, Exists("unsettled", exists=False), claim)

    def end_unshown(self, ended: Decision) -> bool:
        return self._make(ended, EVERYTHING, None)

    def _make(self, decision: Decision, guard: Condition, claim: Claim | None) -> bool:
        where = _stands_as(decision.item_id, decision.before, decision.number - 1)
        operations: dict[str, Operation] = {
            "state": Set(decision.after.value),
            "decidedBy": Delete() if decision.stands_by is None else Set(decision.stands_by),
            "reasons": Set(list(decision.standing_reasons)),
            "decidedAt": Set(decision.decided_at),
            "transitions": Increment(1),
            "unsettled": Set(decision_columns(decision)),
            "unsettledSince": Set(decision.decided_at),
            "updatedAt": Set(decision.decided_at),
            **dict.fromkeys(_OF_THE_STATE_BEFORE, Delete()),
            **_begun(decision, claim),
        }
        if decision.before is State.APPROVED and decision.undoes is None:
            operations["appeal"] = Delete()  # it was granted; what follows is another matter
        shown = evidence_columns(decision.evidence) | remark_columns(decision.remark)
        for name, value in (shown | score_columns(decision.evidence)).items():
            operations[name] = Set(value)
        return self._objects.update(ITEM, All((where, guard)), operations) is not None

    def log(self, decision: Decision) -> None:
        document = {
            "objectId": decision.decision_id,  # so it is logged once
            "createdAt": decision.decided_at,
            "updatedAt": decision.decided_at,
            "ACL": {},
            "item": Pointer(ITEM.class_name, decision.item_id),
            **decision_columns(decision),
            **counted_columns(decision),
        }
        del document["decidedAt"]
        try:
            self._objects.insert(DECISION, document)
        except DuplicateObject:
            return

    def settled(self, decision: Decision) -> None:
        where = All((Equals("objectId", decision.item_id), Equals("transitions", decision.number)))
        operations: dict[str, Operation] = {"unsettled": Delete(), "unsettledSince": Delete()}
        self._objects.update(ITEM, where, operations)

    def put_off_settling(self, decision: Decision, now: datetime) -> None:
        is_last = _stands_as(decision.item_id, decision.after, decision.number)
        where = All((is_last, Exists("unsettled", exists=True)))
        self._objects.update(ITEM, where, {"unsettledSince": Set(now)})

    def due(self, now: datetime, limit: int) -> list[str]:
        self._declare()
        query = Query(_is_due(now), order=(SortKey("dueAt"),), limit=limit)
        return [document["objectId"] for document in self._objects.find(ITEM, query)]

    def unsettled(self, before: datetime, limit: int) -> list[Item]:
        self._declare()
        since = Either(
            (
                Compares("unsettledSince", Order.LESS, before),
                Compares("unsettledSince", Order.GREATER, before + _LONGEST_WAIT),
            )
        )
        query = Query(since, order=(SortKey("unsettledSince"),), limit=limit)
        rows = self._objects.find(ITEM, query)
        items = list(readable(item_of_row, rows))
        self._put_off_unread({row["objectId"] for row in rows} - {i.item_id for i in items}, before)
        return items

    def _put_off_unread(self, item_ids: set[str], before: datetime) -> None:
        """Let rows that cannot be read come after all others, and fill the log no faster."""
        if item_ids:
            later = {"unsettledSince": Set(before + _LONGEST_WAIT)}
            self._objects.update_all(ITEM, OneOf("objectId", tuple(item_ids)), later)

    def of_object(self, class_name: str, object_id: str) -> list[Item]:
        self._declare()
        where = All(
            (
                Equals("subjectClass", class_name),
                Equals("subjectId", object_id),
                Differs("state", State.ENDED.value),
            )
        )
        return list(readable(item_of_row, self._objects.find(ITEM, Query(where))))

    def took_anothers_place(self, item: Item) -> bool:
        subject = item.subject
        others = All(
            (
                Equals("subjectClass", subject.class_name),
                Equals("subjectId", subject.object_id),
                Equals("subjectColumn", subject.column),
                Differs("fileName", subject.file_name),
            )
        )
        return bool(self._objects.find(ITEM, Query(others, limit=1, columns=frozenset())))


def _begun(decision: Decision, claim: Claim | None) -> dict[str, Operation]:
    """What begins with a state: to wait for moderators, or to be due to be judged."""
    if decision.after is State.PENDING:
        return {"dueAt": Set(decision.decided_at), "attempts": Set(0)}
    if decision.after is not State.REVIEW:
        return {}
    begun: dict[str, Operation] = {"lane": Set((decision.lane or Lane.REVIEW).value)}
    if claim is None:
        return begun
    begun |= {name: Set(value) for name, value in claim_columns(claim).items()}
    return begun | {"shownTo": AddUnique((claim.moderator_id,))}


def _is_due(now: datetime) -> Condition:
    """Pending, and nobody has it; a time far off was written while a clock was wrong."""
    due = Either(
        (
            Compares("dueAt", Order.LESS_OR_EQUAL, now),
            Compares("dueAt", Order.GREATER, now + _LONGEST_WAIT),
        )
    )
    return All((Equals("state", State.PENDING.value), due))


def _stands_as(item_id: str, state: State, transitions: int) -> Condition:
    return All(
        (
            Equals("objectId", item_id),
            Equals("state", state.value),
            Equals("transitions", transitions),
        )
    )
