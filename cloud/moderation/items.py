"""Moderation items: one image of one object on its way from pending to a decision. Pure.

A transition is one conditional update of the item; what follows from it, the object's columns and
the log, can be done again and again until it is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cloud.moderation.predictions import to_objects
from ml_models.types import Fingerprint, Prediction

BY_RULES, BY_SYSTEM, BY_MEMORY = "rules", "system", "memory"
BY_OWNER = "owner:"
"""How the name of an owner who appeals begins."""

LONGEST_CLAIM = timedelta(minutes=10)
"""No claim lasts as long: one that seems to was written by a clock that was wrong."""


class State(StrEnum):
    """Where an item stands. Pending is not yet judged; ended is no longer anybody's image."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    REVIEW = "review"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Subject:
    """A file column of an object, and the file that was in it."""

    class_name: str
    object_id: str
    column: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a judgement rests on; empty where an image could not be classified."""

    predictions: tuple[Prediction, ...] = ()
    content_sha256: str | None = None
    fingerprint: Fingerprint | None = None
    model_name: str | None = None
    model_version: str | None = None
    policy_version: int | None = None


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person may add to a decision."""

    category: str | None = None
    """The code of a reason out of the moderators' list."""
    note: str | None = None
    request_key: str | None = None
    """Names the request that asked for the decision: a repeated one decides nothing twice."""
    appeal: str | None = None
    """What the image's owner wrote, whose appeal this is."""


NO_REMARK = Remark()


class Lane(StrEnum):
    """Which moderators an item in review waits for."""

    REVIEW = "review"
    ESCALATED = "escalated"
    """For admins: somebody was not sure."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one moderator's session to look at an item, until it runs out."""

    moderator_id: str
    session_id: str
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it has not run out."""
        return now < self.until <= now + LONGEST_CLAIM


@dataclass(frozen=True, slots=True)
class Decision:
    """One transition, as the log keeps it. `number` counts an item's transitions from 1."""

    item_id: str
    number: int
    subject: Subject
    before: State
    after: State
    decided_by: str
    """`rules`, `memory`, `system`, `master key`, or `user:<objectId>`."""
    reasons: tuple[str, ...]
    evidence: Evidence
    decided_at: datetime
    remark: Remark = NO_REMARK
    lane: Lane | None = None
    """Where an item in review waits from then on; None: where all do at first."""
    undoes: int | None = None
    """The number of the item's decision that this one takes back, if it is an undo."""
    restores: str | None = None
    """Who had decided what an undo lets stand again; None: nobody had."""
    held_until: datetime | None = None
    """When others are told of it, since it may be undone until then; None: at once."""
    waited: timedelta | None = None
    """How long the item had stood as `before`; None: nobody knows."""

    @property
    def decision_id(self) -> str:
        """Names the decision, in the log and at the object that shows it."""
        return decision_id(self.item_id, self.number)

    @property
    def undone_id(self) -> str | None:
        """Names the decision that this one takes back, if it is an undo."""
        return None if self.undoes is None else decision_id(self.item_id, self.undoes)

    @property
    def stands_by(self) -> str | None:
        """Whose decision stands from then on."""
        return self.decided_by if self.undoes is None else self.restores

    @property
    def standing_reasons(self) -> tuple[str, ...]:
        """Why what stands from then on was decided. An undo says first that it is one."""
        return self.reasons if self.undoes is None else self.reasons[1:]

    def orphaned(self, reason: str, now: datetime) -> "Decision":
        """The decision that follows at once where this one found no object to be written to."""
        return replace(
            self,
            number=self.number + 1,
            before=self.after,
            after=State.ENDED,
            decided_by=BY_SYSTEM,
            reasons=(reason,),
            decided_at=now,
            remark=NO_REMARK,
            lane=None,
            undoes=None,
            restores=None,
            held_until=None,
            waited=max(now - self.decided_at, timedelta(0)),
        )


def is_person(decided_by: str) -> bool:
    """Whether a person made the decision."""
    return decided_by not in (BY_RULES, BY_MEMORY, BY_SYSTEM)


def is_moderator(decided_by: str) -> bool:
    """Whether somebody decided who answers for the app: a person, but not an owner who appeals."""
    return is_person(decided_by) and not decided_by.startswith(BY_OWNER)


def decision_id(item_id: str, number: int) -> str:
    """Name an item's decision; by number 0 an object shows that there is none yet."""
    return f"{item_id}-{number}"


def item_of(shown: str) -> str:
    """Return the item whose decision an object shows."""
    return shown.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Item:
    """One image to be judged, or judged.

    `unsettled` is the last decision while its consequences are not all written yet.
    """

    item_id: str
    subject: Subject
    state: State
    created_at: datetime
    uploader: str | None = None
    """The objectId of the user who saved the file; None: the master key did, or nobody is known."""
    attempts: int = 0
    transitions: int = 0
    decided_by: str | None = None
    decided_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    """The last decision's, as are `decided_by`, `decided_at` and `remark`; after an undo those of
    the decision that stands again."""
    remark: Remark = NO_REMARK
    lane: Lane | None = None
    """Where it waits while it is in review."""
    appeal: str | None = None
    """What its owner wrote against a decision, once; gone when an approval is revised."""
    claim: Claim | None = None
    shown_to: tuple[str, ...] = ()
    """The moderators who ever had a claim on it."""
    evidence: Evidence = field(default_factory=Evidence)
    unsettled: Decision | None = None

    @property
    def decided_by_person(self) -> bool:
        """Whether its last decision was a person's."""
        return self.decided_by is not None and is_person(self.decided_by)


def next_decision(
    item: Item,
    after: State,
    *,
    decided_by: str,
    reasons: Sequence[str],
    evidence: Evidence | None,
    now: datetime,
    remark: Remark = NO_REMARK,
) -> Decision:
    """Describe the item's next transition; without evidence of its own it rests on the item's."""
    return Decision(
        item_id=item.item_id,
        number=item.transitions + 1,
        subject=item.subject,
        before=item.state,
        after=after,
        decided_by=decided_by,
        reasons=tuple(reasons),
        evidence=evidence or item.evidence,
        decided_at=now,
        remark=remark,
        waited=max(now - (item.decided_at or item.created_at), timedelta(0)),
    )


# --- the object's columns, which mirror the item --------------------------------------------------

_MIRRORED = ("isSafe", "deleted", "moderationRequired", "NSFWPredictions")


def mirror_columns(class_name: str, column: str) -> tuple[str, str, str, str]:
    """The names of an object's columns for safe, deleted, review and predictions.

    Those of the Node original for its `UserImage.image`; others begin with the file column's name.
    """
    if (class_name, column) == ("UserImage", "image"):
        return _MIRRORED
    safe, deleted, review, predictions = (name[0].upper() + name[1:] for name in _MIRRORED)
    return column + safe, column + deleted, column + review, column + predictions


def placeholder_column(class_name: str, column: str) -> str:
    """The name of an object's column with what an app can show until the image may be shown."""
    is_originals = (class_name, column) == ("UserImage", "image")
    return "placeholder" if is_originals else f"{column}Placeholder"


def mirror(subject: Subject, state: State, evidence: Evidence) -> Mapping[str, Any]:
    """The values of an object's columns; None: the column is absent."""
    names = mirror_columns(subject.class_name, subject.column)
    is_judged = state is not State.PENDING
    values = (
        state is State.APPROVED,
        state is State.REJECTED,
        state is State.REVIEW,
        to_objects(evidence.predictions) if is_judged else None,
    )
    return dict(zip(names, values, strict=True))
