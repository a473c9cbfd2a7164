"""Items and decisions to columns and back; where they are stored is not known here."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from cloud.moderation.items import (
    Claim,
    Decision,
    Evidence,
    Item,
    Lane,
    Remark,
    State,
    Subject,
    is_moderator,
)
from cloud.moderation.predictions import from_objects, to_objects
from ml_models.types import Label
from server.moderation import fingerprints
from server.storage.port import Document

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# The classes that the risk of an image is the greatest probability of.
_RISKS = (Label.HENTAI, Label.PORN, Label.SEXY)
_MILLISECOND = timedelta(milliseconds=1)


def subject_columns(subject: Subject) -> dict[str, Any]:
    """Write what names an image."""
    return {
        "subjectClass": subject.class_name,
        "subjectId": subject.object_id,
        "subjectColumn": subject.column,
        "fileName": subject.file_name,
    }


def evidence_columns(evidence: Evidence) -> dict[str, Any]:
    """Write what a decision rests on."""
    columns = {
        "predictions": to_objects(evidence.predictions),
        "contentSha256": evidence.content_sha256,
        "modelName": evidence.model_name,
        "modelVersion": evidence.model_version,
        "policyVersion": evidence.policy_version,
        **fingerprints.to_columns(evidence.fingerprint),
    }
    return {name: value for name, value in columns.items() if value is not None}


def remark_columns(remark: Remark) -> dict[str, Any]:
    """Write what a person added to a decision."""
    columns = {
        "category": remark.category,
        "note": remark.note,
        "requestKey": remark.request_key,
        "appeal": remark.appeal,
    }
    return {name: value for name, value in columns.items() if value is not None}


def score_columns(evidence: Evidence) -> dict[str, Any]:
    """Write each class's probability, and the greatest that matters, to search and sort by."""
    scores = {p.label: p.probability for p in evidence.predictions}
    columns = {f"score{label}": probability for label, probability in scores.items()}
    return columns | ({"risk": max(scores[label] for label in _RISKS)} if scores else {})


def decision_columns(decision: Decision) -> dict[str, Any]:
    """Write a decision, but for whose it is."""
    columns = {
        **subject_columns(decision.subject),
        **evidence_columns(decision.evidence),
        **remark_columns(decision.remark),
        "reasons": list(decision.reasons),
        "number": decision.number,
        "before": decision.before.value,
        "after": decision.after.value,
        "decidedBy": decision.decided_by,
        "decidedAt": decision.decided_at,
        "lane": None if decision.lane is None else decision.lane.value,
        "undoes": decision.undoes,
        "restores": decision.restores,
        "heldUntil": decision.held_until,
        "waitedMs": None if decision.waited is None else decision.waited // _MILLISECOND,
    }
    return {name: value for name, value in columns.items() if value is not None}


def counted_columns(decision: Decision) -> dict[str, Any]:
    """Write what the log's figures are counted by."""
    columns: dict[str, Any] = {"byPerson": is_moderator(decision.decided_by)}
    predictions = decision.evidence.predictions
    return columns | ({"topClass": predictions[0].label.value} if predictions else {})


def claim_columns(claim: Claim) -> dict[str, Any]:
    """Write who looks at an item."""
    return {
        "claimedBy": claim.moderator_id,
        "claimSession": claim.session_id,
        "claimedUntil": claim.until,
    }


def readable(read: Callable[[Document], _T], rows: Iterable[Document]) -> Iterator[_T]:
    """Yield what is read of rows, but for those that cannot be read.

    Such a row was written past this server. It is logged, and ends nothing for the others.
    """
    for row in rows:
        try:
            made = read(row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.error("row %s of moderation cannot be read: %r", row.get("objectId"), error)
        else:
            yield made


def readable_item(row: Document | None) -> Item | None:
    """Read a row of ModerationItem; None for none, and for one that cannot be read."""
    return None if row is None else next(readable(item_of_row, [row]), None)


def item_of_row(document: Document) -> Item:
    """Read a row of ModerationItem."""
    unsettled = document.get("unsettled")
    item_id = document["objectId"]
    return Item(
        item_id=item_id,
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
        lane=_lane(document),
        appeal=document.get("appeal"),
        claim=claim_of_row(document),
        shown_to=tuple(document.get("shownTo", ())),
        evidence=_evidence(document),
        unsettled=None if unsettled is None else _decision(item_id, unsettled),
    )


def item_id_of_row(document: Document) -> str:
    """Return the item that a row of ModerationDecision is about."""
    item_id: str = document["item"].object_id
    return item_id


def decision_of_row(document: Document) -> Decision:
    """Read a row of ModerationDecision, which was created when the decision was made."""
    columns = {**document, "decidedAt": document["createdAt"]}
    return _decision(document["item"].object_id, columns)


def _decision(item_id: str, columns: Mapping[str, Any]) -> Decision:
    undoes, waited_ms = columns.get("undoes"), columns.get("waitedMs")
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
        remark=replace(_remark(columns), appeal=columns.get("appeal")),
        lane=_lane(columns),
        undoes=None if undoes is None else int(undoes),
        restores=columns.get("restores"),
        held_until=columns.get("heldUntil"),
        waited=None if waited_ms is None else timedelta(milliseconds=waited_ms),
    )


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


def _remark(document: Mapping[str, Any]) -> Remark:
    return Remark(document.get("category"), document.get("note"), document.get("requestKey"))


def _lane(document: Mapping[str, Any]) -> Lane | None:
    return Lane(document["lane"]) if "lane" in document else None


def claim_of_row(document: Document) -> Claim | None:
    """Return the claim on an item, which may have run out."""
    if "claimedUntil" not in document:
        return None
    return Claim(document["claimedBy"], document["claimSession"], document["claimedUntil"])
