"""Moderation items and the log of decisions, as objects for the master key alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cloud.moderation.items import (
    Claim,
    Decision,
    Evidence,
    Item,
    Lane,
    Remark,
    State,
    Subject,
)
from cloud.moderation.predictions import from_objects, to_objects
from cloud.operations import Delete, Increment, Operation, Set
from cloud.values import Pointer
from ml_models.types import Label
from server import fingerprints
from server.objects.schemas import NOBODY, Schemas
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
    Exists,
    Index,
    Order,
    Query,
    SortKey,
)

# No lease and no wait is longer: a time further off was written by a clock that was wrong.
_LONGEST_WAIT = timedelta(minutes=5)


def _columns(**kinds: str) -> dict[str, ColumnType]:
    return {name: ColumnType(kind) for name, kind in kinds.items()}


_SHARED = _columns(
    subjectClass="String", subjectId="String", subjectColumn="String", fileName="String",
    reasons="Array", predictions="Array", contentSha256="String", modelName="String",
    modelVersion="String", policyVersion="Number", pdqHash="String", pdqQuality="Number",
    category="String", note="String", requestKey="String",
)  # fmt: skip
ITEM = ClassSchema(
    "ModerationItem",
    _SHARED
    | _columns(
        state="String", dueAt="Date", attempts="Number", transitions="Number", problem="String",
        decidedBy="String", decidedAt="Date", unsettled="Object", unsettledSince="Date",
        uploader="String", lane="String", appeal="String",
        claimedBy="String", claimSession="String", claimedUntil="Date",
        scoreDrawing="Number", scoreHentai="Number", scoreNeutral="Number", scorePorn="Number",
        scoreSexy="Number", risk="Number",
    ),
    permissions=NOBODY,
)  # fmt: skip
DECISION = ClassSchema(
    "ModerationDecision",
    _SHARED
    | {"item": ColumnType("Pointer", "ModerationItem")}
    | _columns(number="Number", before="String", after="String", decidedBy="String"),
    permissions=NOBODY,
)
_INDEXES = [
    (ITEM, Index("state_due", ("state", "dueAt"))),
    (ITEM, Index("state_created", ("state", "createdAt"))),
    (ITEM, Index("subject", ("subjectClass", "subjectId"))),
    (ITEM, Index("unsettled_since", ("unsettledSince",))),
    (ITEM, Index("lane_created", ("lane", "createdAt"))),
    (ITEM, Index("lane_risk", ("lane", "risk"))),
    (ITEM, Index("uploader_state", ("uploader", "state"))),
    (DECISION, Index("item", ("item",))),
]


# What holds only until the next decision.
_CLAIM = ("claimedBy", "claimSession", "claimedUntil")
_OF_THE_STATE_BEFORE = ("dueAt", "problem", "lane", "category", "note", "requestKey", *_CLAIM)
# The classes that the risk of an image is the greatest probability of.
_RISKS = (Label.HENTAI, Label.PORN, Label.SEXY)


class StoredItems:
    """The ModerationItems port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects, self._schemas = database.objects, schemas
        self._declared = False

    def add(self, item: Item) -> None:
        self._declare()
        document = {
            "objectId": item.item_id,
            "createdAt": item.created_at,
            "updatedAt": item.created_at,
            "ACL": {},
            **_subject_columns(item.subject),
            "state": item.state.value,
            "dueAt": item.created_at,
            "attempts": item.attempts,
            "transitions": item.transitions,
        }
        if item.uploader is not None:
            document["uploader"] = item.uploader
        self._objects.insert(ITEM, document)

    def get(self, item_id: str) -> Item | None:
        document = self._objects.get(ITEM, item_id)
        return None if document is None else _item(document)

    def lease(self, item_id: str, now: datetime, until: datetime) -> Item | None:
        where = All((Equals("objectId", item_id), _is_due(now)))
        operations: dict[str, Operation] = {
            "dueAt": Set(until),
            "attempts": Increment(1),
            "updatedAt": Set(now),
        }
        document = self._objects.update(ITEM, where, operations)
        return None if document is None else _item(document)

    def put_off(self, item: Item, until: datetime, problem: str, *, counts: bool) -> None:
        operations: dict[str, Operation] = {"dueAt": Set(until), "problem": Set(problem)}
        if not counts:
            operations["attempts"] = Increment(-1)
        is_ours = Equals("attempts", item.attempts)  # another lease would have counted on
        where = _stands_as(item.item_id, State.PENDING, item.transitions)
        self._objects.update(ITEM, All((where, is_ours)), operations)

    def decide(self, decision: Decision) -> bool:
        where = _stands_as(decision.item_id, decision.before, decision.number - 1)
        operations: dict[str, Operation] = {
            "state": Set(decision.after.value),
            "decidedBy": Set(decision.decided_by),
            "decidedAt": Set(decision.decided_at),
            "transitions": Increment(1),
            "unsettled": Set(_decision_columns(decision)),
            "unsettledSince": Set(decision.decided_at),
            "updatedAt": Set(decision.decided_at),
            **dict.fromkeys(_OF_THE_STATE_BEFORE, Delete()),
        }
        if decision.after is State.REVIEW:
            operations["lane"] = Set(Lane.REVIEW.value)
        shown = _evidence_columns(decision) | _remark_columns(decision.remark)
        for name, value in (shown | _score_columns(decision.evidence)).items():
            operations[name] = Set(value)
        settled = All((where, Exists("unsettled", exists=False)))
        return self._objects.update(ITEM, settled, operations) is not None

    def log(self, decision: Decision) -> None:
        document = {
            "objectId": decision_id(decision),
            "createdAt": decision.decided_at,
            "updatedAt": decision.decided_at,
            "ACL": {},
            "item": Pointer(ITEM.class_name, decision.item_id),
            **_decision_columns(decision),
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
        query = Query(since, limit=limit)
        return [_item(document) for document in self._objects.find(ITEM, query)]

    def of_object(self, class_name: str, object_id: str) -> list[Item]:
        self._declare()
        where = All(
            (
                Equals("subjectClass", class_name),
                Equals("subjectId", object_id),
                Differs("state", State.ENDED.value),
            )
        )
        return [_item(document) for document in self._objects.find(ITEM, Query(where))]

    def _declare(self) -> None:
        if self._declared:
            return
        for schema in (ITEM, DECISION):
            self._schemas.declare(schema)
        for schema, index in _INDEXES:
            self._objects.ensure_index(schema, index)
        self._declared = True


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


def decision_id(decision: Decision) -> str:
    """The objectId in the log; it follows from item and number, so a decision is logged once."""
    return decision.decision_id


# --- columns --------------------------------------------------------------------------------------


def _subject_columns(subject: Subject) -> dict[str, Any]:
    return {
        "subjectClass": subject.class_name,
        "subjectId": subject.object_id,
        "subjectColumn": subject.column,
        "fileName": subject.file_name,
    }


def _evidence_columns(decision: Decision) -> dict[str, Any]:
    evidence = decision.evidence
    columns = {
        "reasons": list(decision.reasons),
        "predictions": to_objects(evidence.predictions),
        "contentSha256": evidence.content_sha256,
        "modelName": evidence.model_name,
        "modelVersion": evidence.model_version,
        "policyVersion": evidence.policy_version,
        **fingerprints.to_columns(evidence.fingerprint),
    }
    return {name: value for name, value in columns.items() if value is not None}


def _remark_columns(remark: Remark) -> dict[str, Any]:
    columns = {
        "category": remark.category,
        "note": remark.note,
        "requestKey": remark.request_key,
    }
    return {name: value for name, value in columns.items() if value is not None}


def _score_columns(evidence: Evidence) -> dict[str, Any]:
    """Each class's probability, and the greatest of those that matter, to search and sort by."""
    scores = {p.label: p.probability for p in evidence.predictions}
    columns = {f"score{label}": probability for label, probability in scores.items()}
    return columns | ({"risk": max(scores[label] for label in _RISKS)} if scores else {})


def _decision_columns(decision: Decision) -> dict[str, Any]:
    return {
        **_subject_columns(decision.subject),
        **_evidence_columns(decision),
        **_remark_columns(decision.remark),
        "number": decision.number,
        "before": decision.before.value,
        "after": decision.after.value,
        "decidedBy": decision.decided_by,
        "decidedAt": decision.decided_at,
    }


def _subject(document: Mapping[str, Any]) -> Subject:
    return Subject(
        document["subjectClass"],
        document["subjectId"],
        document["subjectColumn"],
        document["fileName"],
    )


def _evidence(document: Mapping[str, Any]) -> Evidence:
    version = document.get("policyVersion")
    return Evidence(
        predictions=from_objects(document.get("predictions", [])),
        content_sha256=document.get("contentSha256"),
        fingerprint=fingerprints.from_columns(document),
        model_name=document.get("modelName"),
        model_version=document.get("modelVersion"),
        policy_version=None if version is None else int(version),
    )


def _item(document: Document) -> Item:
    unsettled = document.get("unsettled")
    return Item(
        item_id=document["objectId"],
        subject=_subject(document),
        state=State(document["state"]),
        created_at=document["createdAt"],
        attempts=int(document["attempts"]),
        transitions=int(document["transitions"]),
        uploader=document.get("uploader"),
        decided_by=document.get("decidedBy"),
        decided_at=document.get("decidedAt"),
        reasons=tuple(document.get("reasons", ())),
        remark=_remark(document),
        lane=Lane(document["lane"]) if "lane" in document else None,
        appeal=document.get("appeal"),
        claim=_claim(document),
        evidence=_evidence(document),
        unsettled=None if unsettled is None else _decision(document["objectId"], unsettled),
    )


def _remark(document: Mapping[str, Any]) -> Remark:
    return Remark(document.get("category"), document.get("note"), document.get("requestKey"))


def _claim(document: Document) -> Claim | None:
    if "claimedUntil" not in document:
        return None
    return Claim(document["claimedBy"], document["claimSession"], document["claimedUntil"])


def _decision(item_id: str, columns: Mapping[str, Any]) -> Decision:
    return Decision(
        item_id=item_id,
        number=int(columns["number"]),
        subject=_subject(columns),
        before=State(columns["before"]),
        after=State(columns["after"]),
        decided_by=columns["decidedBy"],
        reasons=tuple(columns["reasons"]),
        evidence=_evidence(columns),
        decided_at=columns["decidedAt"],
        remark=_remark(columns),
    )
