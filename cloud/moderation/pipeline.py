"""From a pending item to a decision: lease, classify, judge, one transition, and what follows.

Every step can be done again, so a process that ends between any two leaves nothing half-done: the
sweeper finds the item pending past its lease, or its last decision unsettled.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cloud.moderation.classification import ClassificationService
from cloud.moderation.errors import ImageTooManyBytes
from cloud.moderation.item_ports import Mirrored, ModerationItems, Notifier, Subjects
from cloud.moderation.items import Decision, Evidence, Item, State, next_decision
from cloud.moderation.ports import PolicySource
from cloud.moderation.types import BytesSource, Classification, Outcome
from ml_models.errors import ClassifierBusy, ImageError, ModelError

logger = logging.getLogger(__name__)

_LEASE = timedelta(seconds=60)
_MAX_ATTEMPTS = 5
# After the n-th failed attempt the item waits 2, 4, 8, 16 seconds.
_BACKOFF_BASE = timedelta(seconds=1)
# How long what is nobody's fault, a busy classifier or a missing model, is waited for each time.
_WAIT_WHEN_BUSY = timedelta(seconds=2)
_WAIT_FOR_MODEL = timedelta(seconds=30)
# An item is written before its object; after this time the object will not come any more.
_OBJECT_COMES_WITHIN = timedelta(seconds=60)

_STATES = {
    Outcome.APPROVED: State.APPROVED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.REVIEW: State.REVIEW,
}


class AlreadyDecided(Exception):
    """Somebody else made the item's next transition first; `item` is as it stands now."""

    def __init__(self, item: Item | None) -> None:
        self.item = item
        super().__init__("the image was decided by somebody else")


def utc_now() -> datetime:
    """Now, as Parse keeps time: in whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class ModerationPipeline:
    """Moves items on; thread-safe, and safe beside other processes on the same database."""

    def __init__(
        self,
        items: ModerationItems,
        subjects: Subjects,
        classifications: ClassificationService,
        policies: PolicySource,
        notifier: Notifier,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._items, self._subjects = items, subjects
        self._classifications, self._policies = classifications, policies
        self._notifier = notifier
        self._now = now

    def process(self, item_id: str) -> None:
        """Judge one pending item, unless somebody else has it. Raises StoreUnavailable."""
        now = self._now()
        item = self._items.lease(item_id, now, now + _LEASE)
        if item is None:
            return
        match self._subjects.find(item.subject):
            case Mirrored.REPLACED:
                self._end(item, "the file was replaced")
            case Mirrored.GONE:
                self._wait_for_object(item)
            case Mirrored.WRITTEN:
                self._judge(item)

    def decide(
        self,
        item: Item,
        after: State,
        *,
        decided_by: str,
        reasons: Sequence[str],
        evidence: Evidence | None = None,
    ) -> Decision:
        """Make a transition and what follows from it. Raises AlreadyDecided, StoreUnavailable."""
        if item.unsettled is not None:
            self.settle(item.unsettled)
        decision = next_decision(
            item,
            after,
            decided_by=decided_by,
            reasons=reasons,
            evidence=evidence,
            now=self._now(),
        )
        if self._items.decide(decision) is None:
            raise AlreadyDecided(self._items.get(item.item_id))
        self.settle(decision)
        _log(decision)
        return decision

    def settle(self, decision: Decision) -> None:
        """Write what follows from a decision: the object's columns, the log, whom to tell."""
        mirrored = Mirrored.WRITTEN
        if decision.after is not State.ENDED:
            mirrored = self._subjects.mirror(decision)
        self._items.log(decision)
        self._notifier.announce(decision)
        self._items.settled(decision)
        if mirrored is not Mirrored.WRITTEN:
            self._end_orphan(decision.item_id, mirrored)

    def end_items_of(self, class_name: str, object_id: str, keep: frozenset[str], why: str) -> None:
        """End the items of an object but those for the files in `keep`."""
        for item in self._items.of_object(class_name, object_id):
            if item.subject.file_name not in keep:
                self._end(item, why)

    def sweep(self, limit: int) -> list[str]:
        """Settle what was left unsettled; return the ids of pending items that are due."""
        now = self._now()
        for item in self._items.unsettled(now - _LEASE, limit):
            if item.unsettled is not None:
                self.settle(item.unsettled)
        return self._items.due(now, limit)

    def _judge(self, item: Item) -> None:
        data = self._subjects.read_file(item.subject.file_name)
        if data is None:
            self._failed(item, "there is no stored file of this name")
            return
        try:
            classification = self._classifications.classify(BytesSource(data))
        except (ImageError, ImageTooManyBytes) as error:
            self._to_review(item, error.public_message)
        except ClassifierBusy as error:
            self._put_off(item, _WAIT_WHEN_BUSY, str(error))
        except ModelError as error:
            self._put_off(item, _WAIT_FOR_MODEL, str(error))
        else:
            self._follow_rules(item, classification)

    def _follow_rules(self, item: Item, classification: Classification) -> None:
        verdict = classification.verdict
        after, reasons = _STATES[verdict.outcome], verdict.reasons
        if not self._policies.current().automation_enabled:
            after = State.REVIEW
            reasons = ("moderationAutomation is not switched on", *reasons)
        evidence = Evidence(
            predictions=classification.predictions,
            content_sha256=classification.content_sha256,
            model_name=classification.model.name,
            model_version=classification.model.version,
            policy_version=verdict.policy_version,
        )
        self._decide_or_leave(item, after, "rules", reasons, evidence)

    def _to_review(self, item: Item, reason: str) -> None:
        self._decide_or_leave(item, State.REVIEW, "system", (reason,), Evidence())

    def _end(self, item: Item, reason: str) -> None:
        self._decide_or_leave(item, State.ENDED, "system", (reason,), None)

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
        except AlreadyDecided:
            logger.info("item %s was decided by somebody else meanwhile", item.item_id)

    def _end_orphan(self, item_id: str, mirrored: Mirrored) -> None:
        item = self._items.get(item_id)
        if item is not None and item.state is not State.ENDED:
            was_replaced = mirrored is Mirrored.REPLACED
            self._end(item, "the file was replaced" if was_replaced else "the object was deleted")

    def _wait_for_object(self, item: Item) -> None:
        if self._now() - item.created_at > _OBJECT_COMES_WITHIN:
            self._end(item, "the object was deleted, or its save did not succeed")
        else:
            self._put_off(item, _WAIT_WHEN_BUSY, "the object is not there yet")

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
