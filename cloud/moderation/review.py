"""The review desk: who looks at which image, and what moderators decide.

An image that is shown to one moderator is claimed: nobody else gets it until the claim runs out.
What is decided is the pipeline's business; the desk says who may decide, and takes back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.clock import utc_now
from cloud.moderation.item_ports import Claims, ItemRecords, Mirrored, ModerationItems
from cloud.moderation.items import (
    NO_REMARK,
    Claim,
    Decision,
    Item,
    Lane,
    Remark,
    State,
    item_of,
    next_decision,
)
from cloud.moderation.pipeline import AlreadyDecided, ModerationPipeline
from cloud.moderation.undo import next_undo, standing, undo_of

CLAIM_LENGTH = timedelta(minutes=5)
MOST_HELD = 100
"""Of a lane by one session: its lane and its largest sweep, twice."""
REVIEWED, ESCALATED = "reviewed in the panel", "escalated"

_RULINGS = (State.APPROVED, State.REJECTED, State.REVIEW)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A moderator in one session of the panel."""

    moderator_id: str
    name: str
    session_id: str
    is_admin: bool = False

    @property
    def decided_by(self) -> str:
        """How decisions name the moderator."""
        return f"user:{self.moderator_id}"


class ReviewOrder(StrEnum):
    """Which of the waiting images come first."""

    OLDEST = "oldest"
    RISKIEST = "riskiest"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a moderator says of an image: approved, rejected, or back to review."""

    after: State
    remark: Remark = NO_REMARK
    seen: int | None = None
    """The item's `transitions` when the moderator saw it: what was decided since is told her, and
    not overruled. Without it that holds for what she was shown in a lane."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What of a lane is in other hands."""

    moderators: int
    """The others who are looking at images."""
    images: int
    """What other sessions hold, also the reviewer's own on another device."""


class ReviewError(Exception):
    """Why a moderator cannot have her way with an item."""


class NoSuchItem(ReviewError):
    """There is no such item, or it is no longer anybody's image."""


class ClaimedByAnother(ReviewError):
    """Another moderator is looking at the item."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        super().__init__(f"claimed by {claim.moderator_id} until {claim.until}")


class NotYours(ReviewError):
    """Only admins, or only whoever made a decision, may do this."""


class ReviewDesk:
    """Hands out images and takes decisions; thread-safe, safe beside other processes.

    Others are told of a decision when `undo_window` has passed. Everything raises StoreUnavailable.
    """

    def __init__(
        self,
        items: ModerationItems,
        claims: Claims,
        records: ItemRecords,
        pipeline: ModerationPipeline,
        *,
        undo_window: timedelta,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._items, self._claims, self._records = items, claims, records
        self._pipeline, self._undo_window, self._now = pipeline, undo_window, now

    def claim(
        self,
        reviewer: Reviewer,
        *,
        lane: Lane = Lane.REVIEW,
        order: ReviewOrder = ReviewOrder.OLDEST,
        count: int = 1,
        skipping: Collection[str] = (),
        asked: Sequence[str] = (),
    ) -> list[Item]:
        """Return up to `count` waiting items, from now on this session's alone for CLAIM_LENGTH.

        Those `asked` for come first, if they are to be had; then what the session holds already,
        renewed. `skipping` are passed over, and let go if they were held. Raises NotYours for the
        escalated lane unless an admin asks.
        """
        _check_lane(reviewer, lane)
        riskiest_first = order is ReviewOrder.RISKIEST
        held = self._held(reviewer, lane, riskiest_first, skipping)
        hers = list(dict.fromkeys([*_within_bounds(asked, held), *held]))[:count]
        room = max(0, MOST_HELD - len({*held, *hers}))
        most = min(count, len(hers) + room)
        passed, items = {*skipping, *hers}, list[Item]()
        candidates = [*hers, *self._free(lane, riskiest_first, most - len(hers), passed)]
        while candidates:
            items += self._claims.take(candidates, lane, self._claim_of(reviewer), self._now())
            candidates = self._free(lane, riskiest_first, most - len(items), passed)
        return items

    def renew(
        self, reviewer: Reviewer, item_ids: Sequence[str], *, lane: Lane = Lane.REVIEW
    ) -> list[str]:
        """Prolong claims, and take up again those that ran out or were let go, unless somebody
        else has: a page that is left may let go of what the next one shows. Return the ids that
        are this session's now. Raises NotYours as `claim` does."""
        _check_lane(reviewer, lane)
        held = self._held(reviewer, lane, riskiest_first=False, skipping=())
        renewed = _within_bounds(item_ids, held)
        kept = self._claims.take(renewed, lane, self._claim_of(reviewer), self._now())
        return [item.item_id for item in kept]

    def release(
        self,
        reviewer: Reviewer,
        item_ids: Collection[str] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> None:
        """Let go of some claims of the session, or of all. With `as_of`, what was claimed or
        renewed after that stays: the next page may have come before the last one is gone."""
        until = None if as_of is None else as_of + CLAIM_LENGTH
        self._claims.release(reviewer.session_id, item_ids, until=until)

    def arrive(self, reviewer: Reviewer) -> None:
        """Let go of what the moderator holds in other sessions: she looks at this one now, and
        one that was cut off shall not keep her images from her."""
        self._claims.release_elsewhere(reviewer.moderator_id, reviewer.session_id, self._now())

    def rule(self, reviewer: Reviewer, item_id: str, ruling: Ruling) -> Decision:
        """Decide. A repeated request, by `ruling.remark.request_key`, returns the decision that
        the first one made, whatever became of the item since.

        An item may be ruled whose claim ran out, as long as nobody else holds it; and one that is
        not in review: that reverses a decision. Raises AlreadyDecided when it was decided since
        the reviewer claimed it, or saw it; ClaimedByAnother, NotYours, NoSuchItem.
        """
        item = self.item(item_id)
        repeated = self._repeated(item, reviewer.decided_by, ruling.remark.request_key)
        if repeated is not None:
            return repeated
        _check_ruling(reviewer, item, ruling)
        self._check_claim(reviewer, item)
        decision = self._next(reviewer, item, ruling.after, REVIEWED, ruling.remark)
        held_until = decision.decided_at + self._undo_window
        return self._made(item, replace(decision, held_until=held_until))

    def undo(self, reviewer: Reviewer, decision_id: str) -> Decision:
        """Take a decision of the reviewer's own back: the item stands again as before it, and if
        that is in review it is claimed by this session. Repeating it changes nothing more.

        Raises AlreadyDecided when something else was decided since, NotYours, NoSuchItem; and
        ClaimedByAnother for an escalation, while an admin is looking at it.
        """
        item = self.item(item_of(decision_id))
        log = self._history(item)
        wanted = next((each for each in log if each.decision_id == decision_id), None)
        if wanted is None:
            raise NoSuchItem(f"there is no decision {decision_id}")
        if wanted.decided_by != reviewer.decided_by:
            raise NotYours(f"decision {decision_id} is by {wanted.decided_by}")
        undo = undo_of(log, wanted.number)
        if undo is not None:
            return self._undone_before(reviewer, item, undo)
        stack = standing(log)
        if wanted not in stack[-1:] or item.transitions != log[-1].number:
            raise AlreadyDecided(item)
        self._check_claim(reviewer, item)
        return self._undo(reviewer, item, stack)

    def escalate(
        self, reviewer: Reviewer, item_id: str, note: str | None, request_key: str | None = None
    ) -> None:
        """Leave an item in review to the admins, with a note, and let go of it. Repeating it
        changes nothing more.

        It is a transition from review to review, so it is logged, and can be undone. Raises
        AlreadyDecided, ClaimedByAnother, NoSuchItem.
        """
        item = self.item(item_id)
        if self._repeated(item, reviewer.decided_by, request_key) is not None:
            return
        if _is_escalated_by(reviewer, item):
            self._settle(item, item.unsettled)
            return
        _check_not_ended(item)
        if item.state is not State.REVIEW or item.lane is Lane.ESCALATED:
            raise AlreadyDecided(item)
        self._check_claim(reviewer, item)
        remark = Remark(note=note, request_key=request_key)
        decision = self._next(reviewer, item, State.REVIEW, ESCALATED, remark)
        try:
            self._made(item, replace(decision, lane=Lane.ESCALATED))
        except AlreadyDecided as error:
            if error.item is None or not _is_escalated_by(reviewer, error.item):
                raise

    def item(self, item_id: str) -> Item:
        """Return an item as it stands, also one that has ended. Raises NoSuchItem."""
        item = self._items.get(item_id)
        if item is None:
            raise NoSuchItem(f"there is no item {item_id}")
        return item

    def log(self, item_id: str) -> Sequence[Decision]:
        """Return all decisions on an item, oldest first."""
        return self._records.decisions(item_id)

    def waiting(self, lane: Lane) -> int:
        """Count the items that wait in a lane, claimed ones included."""
        return self._records.waiting(lane)

    def elsewhere(self, reviewer: Reviewer, lane: Lane) -> Elsewhere:
        """Count what of a lane is in other hands."""
        claims = self._claims.standing(lane, self._now())
        others = {claim.moderator_id for claim in claims} - {reviewer.moderator_id}
        images = sum(claim.session_id != reviewer.session_id for claim in claims)
        return Elsewhere(len(others), images)

    def oldest(self, lane: Lane) -> datetime | None:
        """Return since when the oldest item of a lane exists."""
        return self._records.oldest(lane)

    def record_of(self, uploader: str) -> Mapping[State, int]:
        """Count an uploader's items by state."""
        return self._records.record_of(uploader)

    # --- claims -----------------------------------------------------------------------------------

    def _held(
        self, reviewer: Reviewer, lane: Lane, riskiest_first: bool, skipping: Collection[str]
    ) -> list[str]:
        """Return what the session holds of a lane, having let go of what it skips."""
        session_id = reviewer.session_id
        held = self._claims.held(session_id, lane, self._now(), riskiest_first=riskiest_first)
        skipped = [item.item_id for item in held if item.item_id in skipping]
        if skipped:
            self._claims.release(session_id, skipped)
        return [item.item_id for item in held if item.item_id not in skipping]

    def _free(self, lane: Lane, riskiest_first: bool, count: int, passed: set[str]) -> list[str]:
        """Return up to `count` items that nobody holds and add them to what is `passed`: what
        somebody else takes at the same moment is not tried again."""
        if not count:
            return []
        free = self._claims.free(
            lane, self._now(), count, riskiest_first=riskiest_first, skipping=passed
        )
        passed.update(free)
        return free

    def _claim_of(self, reviewer: Reviewer) -> Claim:
        return Claim(reviewer.moderator_id, reviewer.session_id, self._now() + CLAIM_LENGTH)

    def _check_claim(self, reviewer: Reviewer, item: Item) -> None:
        """Raise ClaimedByAnother; what she holds on another device is the moderator's own."""
        claim = item.claim
        if claim is None or claim.moderator_id == reviewer.moderator_id:
            return
        if claim.holds(self._now()):
            raise ClaimedByAnother(claim)

    # --- decisions --------------------------------------------------------------------------------

    def _next(
        self, reviewer: Reviewer, item: Item, after: State, reason: str, remark: Remark
    ) -> Decision:
        return next_decision(
            item,
            after,
            decided_by=reviewer.decided_by,
            reasons=(reason,),
            evidence=None,
            now=self._now(),
            remark=remark,
        )

    def _made(self, item: Item, decision: Decision) -> Decision:
        """Make a decision, unless the same request made it at the same moment."""
        try:
            return self._pipeline.make(item, decision)
        except AlreadyDecided as error:
            if error.item is None or error.item.state is State.ENDED:
                raise
            key = decision.remark.request_key
            repeated = self._repeated(error.item, decision.decided_by, key)
            if repeated is None:
                raise
            return repeated

    def _repeated(self, item: Item, decided_by: str, request_key: str | None) -> Decision | None:
        """Return the decision that an earlier request with this key made."""
        if request_key is None:
            return None
        for decision in self._history(item):
            if (decision.remark.request_key, decision.decided_by) == (request_key, decided_by):
                self._settle(item, decision)
                return decision
        return None

    def _undo(self, reviewer: Reviewer, item: Item, stack: Sequence[Decision]) -> Decision:
        undo = next_undo(item, stack, reviewer.decided_by, self._now())
        claim = self._claim_of(reviewer) if undo.after is State.REVIEW else None
        try:
            return self._pipeline.make(item, undo, claim)
        except AlreadyDecided as error:
            if error.item is None or error.item.state is State.ENDED:
                raise
            same = undo_of(self._history(error.item), stack[-1].number)
            if same is None:
                raise
            self._settle(error.item, same)
            return same

    def _undone_before(self, reviewer: Reviewer, item: Item, undo: Decision) -> Decision:
        if item.state is State.ENDED:
            raise AlreadyDecided(item)
        if item.lane is not None and item.transitions == undo.number:
            claim = self._claim_of(reviewer)
            self._claims.take([item.item_id], item.lane, claim, self._now())
        self._settle(item, undo)
        return undo

    def _history(self, item: Item) -> list[Decision]:
        """Return the item's decisions, and the last one even if it is not logged yet."""
        log = self._records.decisions(item.item_id)
        last = item.unsettled
        if last is not None and last.number not in [each.number for each in log]:
            log.append(last)
        return log

    def _settle(self, item: Item, decision: Decision | None) -> None:
        """Write what follows from a decision that was made before, if it is not written yet."""
        if decision is None or decision != item.unsettled:
            return
        if self._pipeline.settle(decision) is not Mirrored.WRITTEN:
            raise AlreadyDecided(self._items.get(item.item_id))


def _within_bounds(item_ids: Sequence[str], held: Collection[str]) -> list[str]:
    """Those of the items that a session may hold beside what it holds: nobody keeps a whole lane
    from the others."""
    others = [each for each in item_ids if each not in held]
    passed = set(others[max(0, MOST_HELD - len(held)) :])
    return [each for each in item_ids if each not in passed]


def _check_lane(reviewer: Reviewer, lane: Lane | None) -> None:
    if lane is Lane.ESCALATED and not reviewer.is_admin:
        raise NotYours("escalated images are for admins")


def _check_not_ended(item: Item) -> None:
    if item.state is State.ENDED:
        raise NoSuchItem(f"item {item.item_id} is no longer anybody's image")


def _check_ruling(reviewer: Reviewer, item: Item, ruling: Ruling) -> None:
    """Raise for what the reviewer may not decide, or what was decided meanwhile.

    An admin may send an escalated item back to the others; else what stands so already is decided.
    """
    if ruling.after not in _RULINGS:
        raise ValueError(f"nobody can decide that an image is {ruling.after}")
    _check_not_ended(item)
    _check_lane(reviewer, item.lane)
    stands_so = ruling.after is item.state and item.lane is not Lane.ESCALATED
    if stands_so or _is_late(reviewer, item, ruling):
        raise AlreadyDecided(item)


def _is_late(reviewer: Reviewer, item: Item, ruling: Ruling) -> bool:
    """Whether somebody decided since the reviewer saw the item, as far as that is known."""
    if ruling.seen is not None:
        return ruling.seen != item.transitions
    was_shown = reviewer.moderator_id in item.shown_to
    return item.state is not State.REVIEW and was_shown


def _is_escalated_by(reviewer: Reviewer, item: Item) -> bool:
    return item.lane is Lane.ESCALATED and item.decided_by == reviewer.decided_by
