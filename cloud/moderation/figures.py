"""The figures of moderation by day, and what they say of a span of days. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt

from cloud.moderation.items import BY_MEMORY, BY_RULES, State, is_moderator
from cloud.moderation.policy_quality import Proportion

# From a tenth of a second to 77 days, each 10 % longer than the one before: a quantile that is read
# off the counts is wrong by 5 % at most.
WAIT_STEPS_MS: tuple[float, ...] = tuple(100 * 1.1**step for step in range(191))

_VERDICTS = (State.APPROVED, State.REJECTED)


@dataclass(frozen=True, slots=True)
class Transition:
    """A kind of decision."""

    before: State
    after: State
    decided_by: str
    top_class: str | None = None
    """The image's most probable class; None: it was not classified."""

    @property
    def is_automatic(self) -> bool:
        """Whether the rules, or what is remembered, said approved or rejected."""
        return self.after in _VERDICTS and self.decided_by in (BY_RULES, BY_MEMORY)

    @property
    def is_persons(self) -> bool:
        """Whether a moderator said approved or rejected."""
        return self.after in _VERDICTS and is_moderator(self.decided_by)

    @property
    def is_first(self) -> bool:
        """Whether it is what became of a new image."""
        return self.before is State.PENDING and self.after in (*_VERDICTS, State.REVIEW)


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day's images and decisions; waits are counts by the number of WAIT_STEPS_MS reached."""

    day: date
    arrived: int = 0
    transitions: Mapping[Transition, int] = field(default_factory=dict)
    waits_for_rules: Mapping[int, int] = field(default_factory=dict)
    waits_for_people: Mapping[int, int] = field(default_factory=dict)

    def count(self, after: State, *, by_people: bool) -> int:
        """Count approvals or rejections, by moderators or by rules and memory."""
        return sum(
            n
            for transition, n in self.transitions.items()
            if transition.after is after
            and (transition.is_persons if by_people else transition.is_automatic)
        )

    @property
    def sent_to_review(self) -> int:
        """Count new images that a moderator had to look at."""
        return sum(n for t, n in self.transitions.items() if t.is_first and t.after is State.REVIEW)


def automation(days: Iterable[DayFigures]) -> Proportion:
    """Of the images that were judged first in these days, how many no moderator had to see."""
    return _automation(_all_transitions(days))


def automation_by_class(days: Iterable[DayFigures]) -> Mapping[str | None, Proportion]:
    """The same for each most probable class."""
    by_class: dict[str | None, Counter[Transition]] = {}
    for transition, count in _all_transitions(days).items():
        by_class.setdefault(transition.top_class, Counter())[transition] += count
    rates = {top: _automation(transitions) for top, transitions in by_class.items()}
    return {top: rate for top, rate in rates.items() if rate.of}


def _all_transitions(days: Iterable[DayFigures]) -> Counter[Transition]:
    total: Counter[Transition] = Counter()
    for day in days:
        total.update(day.transitions)
    return total


def _automation(transitions: Mapping[Transition, int]) -> Proportion:
    first = {t: n for t, n in transitions.items() if t.is_first}
    return Proportion(sum(n for t, n in first.items() if t.is_automatic), sum(first.values()))


@dataclass(frozen=True, slots=True)
class Waits:
    """How long images waited for a decision."""

    count: int
    median: timedelta | None
    p95: timedelta | None


def waits(counts: Iterable[Mapping[int, int]]) -> Waits:
    """Sum up the counts of several days."""
    total: Counter[int] = Counter()
    for each in counts:
        total.update(each)
    return Waits(sum(total.values()), _quantile(total, 0.5), _quantile(total, 0.95))


def wait_step(wait: timedelta) -> int:
    """Return how many of WAIT_STEPS_MS a wait reaches."""
    return bisect_right(WAIT_STEPS_MS, wait / timedelta(milliseconds=1))


def _quantile(counts: Mapping[int, int], share: float) -> timedelta | None:
    """The middle of the step in which this share of all is reached."""
    wanted, reached = share * sum(counts.values()), 0
    for step, count in sorted(counts.items()):
        reached += count
        if reached >= wanted:
            return timedelta(milliseconds=_middle_ms(step))
    return None


def _middle_ms(step: int) -> float:
    if step == 0:
        return WAIT_STEPS_MS[0] / 2
    if step == len(WAIT_STEPS_MS):
        return WAIT_STEPS_MS[-1]
    return sqrt(WAIT_STEPS_MS[step - 1] * WAIT_STEPS_MS[step])
