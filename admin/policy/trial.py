"""What a proposed policy would have done, as the page shows it. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from admin.ports.policies import Trial
from cloud.moderation.policy_check import Change, PolicyCheck
from cloud.moderation.policy_quality import PolicyQuality, quality_of_policy
from cloud.moderation.types import Outcome, Policy

# What is let through that was not before is looked at first, then what is taken away.
_BY_RISK = (Outcome.APPROVED, Outcome.REJECTED, Outcome.REVIEW)
_MOST_SHOWN, _MOST_LISTED = 12, 100


@dataclass(frozen=True, slots=True)
class Move:
    """The images that go from one outcome to another."""

    before: Outcome
    after: Outcome
    count: int
    shown: Sequence[Change]
    """The newest of them, to be seen at once."""
    more: Sequence[Change]
    """The next ones, to be seen when asked for."""

    @property
    def unlisted(self) -> int:
        """How many more there are than can be seen."""
        return self.count - len(self.shown) - len(self.more)


@dataclass(frozen=True, slots=True)
class Effect:
    """A proposed policy beside the one in force."""

    images: int
    are_items: bool
    before: Mapping[Outcome, int]
    after: Mapping[Outcome, int]
    moves: Sequence[Move]
    queue_before: float | None
    """Expected in the moderators' queue each day; None: nobody knows."""
    queue_after: float | None
    judged: int
    """How many images people said the last word of."""
    rejected: int
    quality: PolicyQuality
    as_of: datetime

    @property
    def moved(self) -> int:
        """How many go elsewhere."""
        return sum(move.count for move in self.moves)


def effect_of(proposed: Policy, in_force: Policy, trial: Trial, count: int) -> Effect:
    """Try a policy on the newest images."""
    images = trial.images[:count]
    check = PolicyCheck(in_force, proposed)
    changes = list(check.changes(images))
    return Effect(
        images=len(images),
        are_items=trial.are_items,
        before=check.before,
        after=check.after,
        moves=_moves(changes),
        queue_before=_queue(trial.per_day, check.before[Outcome.REVIEW], len(images)),
        queue_after=_queue(trial.per_day, check.after[Outcome.REVIEW], len(images)),
        judged=len(trial.judged),
        rejected=sum(image.rejected for image in trial.judged),
        quality=quality_of_policy(trial.judged, proposed),
        as_of=trial.as_of,
    )


def _queue(per_day: float | None, to_review: int, images: int) -> float | None:
    return None if per_day is None or not images else per_day * to_review / images


def _moves(changes: Sequence[Change]) -> list[Move]:
    by_way: dict[tuple[Outcome, Outcome], list[Change]] = defaultdict(list)
    for change in changes:
        by_way[change.before, change.after].append(change)
    ways = sorted(by_way, key=lambda way: (_BY_RISK.index(way[1]), _BY_RISK.index(way[0])))
    return [
        Move(
            *way,
            count=len(by_way[way]),
            shown=by_way[way][:_MOST_SHOWN],
            more=by_way[way][_MOST_SHOWN:_MOST_LISTED],
        )
        for way in ways
    ]
