"""From a pending item to a decision: lease, classify, judge, one transition, and what follows.

Every step can be done again, so a process that ends between any two leaves nothing half-done: the
sweeper finds the item pending past its lease, or its last decision unsettled. An item that its
object does not show either waits for its save to write the object, or was replaced; only time
tells the one from the other.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from cloud.clock import utc_now
from cloud.moderation.classification import ClassificationService
from cloud.moderation.errors import ImageTooManyBytes, StoreUnavailable
from cloud.moderation.item_ports import (
    Checks,
    Memory,
    Mirrored,
    ModerationItems,
    Notifier,
    Subjects,
)
from cloud.moderation.items import (
    BY_MEMORY,
    BY_RULES,
    BY_SYSTEM,
    NO_REMARK,
    Claim,
    Decision,
    Evidence,
    Item,
    Remark,
    State,
    next_decision,
)
from cloud.moderation.loose_ends import FILE_REPLACED, OBJECT_DELETED, LooseEnds
from cloud.moderation.memory import NotReadYet, is_lesson, opinion, takes_back
from cloud.moderation.ports import PolicySource
from cloud.moderation.rules import judge_upload, of_first_frame
from cloud.moderation.types import BytesSource, Classification, Outcome
from ml_models.animation import may_be_animated
from ml_models.errors import ClassifierBusy, ImageError, ModelError

logger = logging.getLogger(__name__)

# Longer than the slowest image takes; what a killed process had comes back after this time.
_LEASE = timedelta(seconds=30)
# What follows from a decision takes milliseconds; whoever has not written it by now never will.
_SETTLES_WITHIN = timedelta(seconds=10)
_MAX_ATTEMPTS = 5
# After the n-th failed attempt the item waits 2, 4, 8, 16 seconds.
_BACKOFF_BASE = timedelta(seconds=1)
# How long what is nobody's fault, a busy classifier or a missing model, is waited for each time.
_WAIT_WHEN_BUSY = timedelta(seconds=2)
_WAIT_FOR_MODEL = timedelta(seconds=30)
# An item is written just before its object; after this time the object will not come any more.
_OBJECT_COMES_WITHIN = timedelta(minutes=10)
_LONGEST_WAIT_FOR_OBJECT = timedelta(minutes=1)

_STATES = {
    Outcome.APPROVED: State.APPROVED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.REVIEW: State.REVIEW,
}


class AlreadyDecided(Exception):
    """Something else became of the item first; `item` is as it stands now."""

    def __init__(self, item: Item | None) -> None:
        self.item = item
        super().__init__("the image was decided, replaced or deleted meanwhile")


class ModerationPipeline:
    """Moves items on; thread-safe, and safe beside other processes on the same database."""

    def __init__(
        self,
        items: ModerationItems,
        subjects: Subjects,
        classifications: ClassificationService,
        policies: PolicySource,
        notifier: Notifier,
        memory: Memory,
        checks: Checks,
        *,
        max_matches_per_hour: int,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._items, self._subjects = items, subjects
        self._classifications, self._policies = classifications, policies
        self._notifier = notifier
        self._memory, self._max_matches_per_hour = memory, max_matches_per_hour
        self._now = now
        self.loose_ends = LooseEnds(items, subjects, checks, self._end, now)

    def process(self, item_id: str) -> None:
        """Judge one pending item, unless somebody else has it. Raises StoreUnavailable."""
        now = self._now()
        item = self._items.lease(item_id, now, now + _LEASE)
        if item is None:
            return
        mirrored = self._subjects.find(item)
        if mirrored is not Mirrored.WRITTEN:
            self._wait_for_object(item, mirrored)
        elif item.attempts > _MAX_ATTEMPTS:
            self._to_review(item, f"not classified: {_MAX_ATTEMPTS} attempts were cut short")
        else:
            self._judge(item)

    def decide(
        self,
        item: Item,
        after: State,
        *,
        decided_by: str,
        reasons: Sequence[str],
        evidence: Evidence | None = None,
        remark: Remark = NO_REMARK,
    ) -> Decision:
        """Make a transition of the item and what follows from it. Raises as `make` does."""
        decision = next_decision(
            item,
            after,
            decided_by=decided_by,
            reasons=reasons,
            evidence=evidence,
            now=self._now(),
            remark=remark,
        )
        return self.make(item, decision)

    def make(self, item: Item, decision: Decision, claim: Claim | None = None) -> Decision:
        """Make the item's next decision and what follows from it; the claim begins with it.

        Raises StoreUnavailable, and AlreadyDecided unless the item still is as given. Where the
        object turns out to be gone, or to show another file, the item is ended and AlreadyDecided
        raised.
        """
        if item.unsettled is not None:
            self.settle(item.unsettled)
        if item.state is State.ENDED or not self._items.decide(decision, claim):
            raise AlreadyDecided(self._items.get(item.item_id))
        _log(decision)
        if self.settle(decision) is not Mirrored.WRITTEN:
            raise AlreadyDecided(self._items.get(item.item_id))
        return decision

    def settle(self, decision: Decision) -> Mirrored:
        """Write what follows from a decision: the object's columns, the log, what it teaches, whom
        to tell."""
        earlier = self._judged_before(decision)  # asked first: no later file's are among them
        if decision.after is State.ENDED:  # no columns are this item's any more
            mirrored = Mirrored.WRITTEN
        else:
            mirrored = self._subjects.mirror(decision)
        self._items.log(decision)
        self._learn(decision)
        self._notifier.announce(decision)
        if mirrored is not Mirrored.WRITTEN:
            self._end_orphan(decision, mirrored)
            return mirrored
        for other in earlier:
            self._end(other, FILE_REPLACED)
        self._items.settled(decision)
        return mirrored

    def end_replaced(self, item_id: str) -> None:
        """End an item that its object does not show any more."""
        item = self._items.get(item_id)
        if item is not None:
            self._end(item, FILE_REPLACED)

    def sweep(self, limit: int) -> list[str]:
        """Settle what was left unsettled, tie up loose ends; return the ids of pending items that
        are due."""
        now = self._now()
        for item in self._items.unsettled(now - _SETTLES_WITHIN, limit):
            if item.unsettled is not None:
                self._settle_or_leave(item.unsettled)
        self.loose_ends.look(limit)
        return self._items.due(now, limit)

    def _settle_or_leave(self, decision: Decision) -> None:
        """Settle what can be settled: one decision that cannot shall not stop the others."""
        try:
            self.settle(decision)
        except StoreUnavailable:
            raise
        except Exception:  # the worker loop: this one comes again, after all others
            logger.exception("decision %s cannot be settled", decision.decision_id)
            self._items.put_off_settling(decision, self._now())

    def _judged_before(self, decision: Decision) -> list[Item]:
        """Items of the column that were judged, so were shown, before this one was judged first.

        The save that replaced their files has ended them, unless its process ended before.
        """
        if decision.before is not State.PENDING or decision.after is State.ENDED:
            return []
        subject = decision.subject
        return [
            other
            for other in self._items.of_object(subject.class_name, subject.object_id)
            if other.subject.column == subject.column
            and other.item_id != decision.item_id
            and other.state is not State.PENDING
        ]

    def _judge(self, item: Item) -> None:
        data = self._subjects.read_file(item.subject.file_name)
        if data is None:
            self._failed(item, "there is no stored file of this name")
            return
        try:
            classification = self._classifications.classify(BytesSource(data), is_objects=True)
        except (ImageError, ImageTooManyBytes) as error:
            evidence = Evidence(content_sha256=hashlib.sha256(data).hexdigest())
            reasons = (error.public_message,)
            self._conclude(item, State.REVIEW, BY_SYSTEM, reasons, evidence)
        except ClassifierBusy as error:
            self._put_off(item, _WAIT_WHEN_BUSY, str(error))
        except ModelError as error:
            self._put_off(item, _WAIT_FOR_MODEL, str(error))
        else:
            self._follow_rules(item, classification, is_still=not may_be_animated(data))

    def _follow_rules(self, item: Item, classification: Classification, *, is_still: bool) -> None:
        on_black = classification.on_black
        verdict = judge_upload(classification.predictions, self._policies.current(), on_black)
        if not is_still:
            verdict = of_first_frame(verdict)
        evidence = Evidence(
            predictions=classification.predictions,
            content_sha256=classification.content_sha256,
            fingerprint=classification.fingerprint if is_still else None,
            model_name=classification.model.name,
            model_version=classification.model.version,
            policy_version=verdict.policy_version,
        )
        is_seen_through = on_black is not None
        self._conclude(
            item,
            _STATES[verdict.outcome],
            BY_RULES,
            verdict.reasons,
            evidence,
            is_seen_through=is_seen_through,
        )

    def _conclude(
        self,
        item: Item,
        after: State,
        decided_by: str,
        reasons: Sequence[str],
        evidence: Evidence,
        *,
        is_seen_through: bool = False,
    ) -> None:
        """Decide what a moderator decided about this image before; if none did, as given."""
        try:
            recollection = self._memory.recall(evidence, item.item_id, self._now())
        except NotReadYet as error:
            self._put_off(item, _WAIT_WHEN_BUSY, str(error))
            return
        if recollection is not None:
            decided_by = BY_MEMORY
            after, reasons = opinion(
                recollection,
                self._max_matches_per_hour,
                rules_say=after,
                is_seen_through=is_seen_through,
            )
        self._decide_or_leave(item, after, decided_by, reasons, evidence)

    def _learn(self, decision: Decision) -> None:
        if decision.undoes is not None:
            self._memory.restore(decision)
        elif takes_back(decision):
            self._memory.unlearn(decision)
        elif is_lesson(decision):
            content_sha256 = decision.evidence.content_sha256
            if content_sha256 is None:  # decided before it was classified
                data = self._subjects.read_file(decision.subject.file_name)
                content_sha256 = None if data is None else hashlib.sha256(data).hexdigest()
            if content_sha256 is not None:
                self._memory.learn(decision, content_sha256)

    def _to_review(self, item: Item, reason: str) -> None:
        self._decide_or_leave(item, State.REVIEW, BY_SYSTEM, (reason,), Evidence())

    def _end(self, item: Item, reason: str) -> None:
        """End an item that its object does not show. A decision that is faster finds that, too."""
        if item.state is not State.ENDED:
            self._decide_or_leave(item, State.ENDED, BY_SYSTEM, (reason,), None)

    def _decide_or_leave(
        self,
        item: Item,
        after: State,
        decided_by: str,
        reasons: Sequence[str],
        evidence: Evidence | None,
    ) -> None:
        try:
            self.decide(item, after, decided_by=decided_by, reasons=reasons, evidence=evidence)
        except AlreadyDecided as error:
            logger.info("item %s: %s", item.item_id, error)

    def _end_orphan(self, decision: Decision, mirrored: Mirrored) -> None:
        was_replaced = mirrored is Mirrored.REPLACED
        reason = FILE_REPLACED if was_replaced else OBJECT_DELETED
        ended = decision.orphaned(reason, self._now())
        if self._items.end_unshown(ended):
            _log(ended)
            self.settle(ended)

    def _wait_for_object(self, item: Item, mirrored: Mirrored) -> None:
        """Its save may be about to write the object: what is ended now could not be shown then."""
        age = self._now() - item.created_at
        if age <= _OBJECT_COMES_WITHIN:
            wait = min(max(age, _WAIT_WHEN_BUSY), _LONGEST_WAIT_FOR_OBJECT)
            self._put_off(item, wait, "the object does not hold this file yet, or no longer")
            return
        self.loose_ends.note_late(item)
        if mirrored is Mirrored.REPLACED:
            self._end(item, FILE_REPLACED)
        else:
            self._end(item, f"{OBJECT_DELETED}, or its save did not succeed")

    def _failed(self, item: Item, problem: str) -> None:
        """Try again later; after the last attempt a moderator has to look."""
        if item.attempts >= _MAX_ATTEMPTS:
            self._to_review(item, f"not classified after {item.attempts} attempts: {problem}")
            return
        until = self._now() + _BACKOFF_BASE * 2**item.attempts
        self._items.put_off(item, until, problem, counts=True)

    def _put_off(self, item: Item, wait: timedelta, problem: str) -> None:
        self._items.put_off(item, self._now() + wait, problem, counts=False)


def _log(decision: Decision) -> None:
    top = decision.evidence.predictions[:1]
    logger.info(
        "decided item=%s object=%s/%s %s->%s by=%s top=%s reasons=%s",
        decision.item_id,
        decision.subject.class_name,
        decision.subject.object_id,
        decision.before,
        decision.after,
        decision.decided_by,
        "".join(f"{p.label}:{p.probability:.4f}" for p in top) or "none",
        "; ".join(decision.reasons),
    )
