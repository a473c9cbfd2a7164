"""What moderators decided, compared with one another and with the rules. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cloud.moderation.items import State
from cloud.moderation.policy_quality import Proportion
from cloud.moderation.rules import judge
from cloud.moderation.types import Outcome, Policy
from ml_models.types import Prediction

_VERDICTS = (State.APPROVED, State.REJECTED)
# Who decides nothing for longer was away.
_LONGEST_LOOK = timedelta(minutes=5)
# What is decided faster was decided with one key, in a sweep.
_AT_ONCE = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class PersonsDecision:
    """A moderator's decision, as far as figures need it."""

    item_id: str
    number: int
    after: State
    decided_by: str
    decided_at: datetime
    predictions: tuple[Prediction, ...] = ()
    policy_version: int | None = None
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class ModeratorFigures:
    """One moderator's work."""

    decided_by: str
    decided: int
    time_per_image: timedelta | None
    """The median, from one decision to the next; a sweep's time is shared by its images."""
    reversed: Proportion
    """Approvals and rejections after which somebody else decided otherwise."""


def standing(decisions: Iterable[PersonsDecision]) -> list[PersonsDecision]:
    """Leave out what was undone, and the undoing."""
    decisions = list(decisions)
    undone = {(d.item_id, d.undoes) for d in decisions if d.undoes is not None}
    return [d for d in decisions if d.undoes is None and (d.item_id, d.number) not in undone]


def last_words(decisions: Iterable[PersonsDecision]) -> list[PersonsDecision]:
    """Return the last word that was said of each image, where that is a verdict."""
    newest: dict[str, PersonsDecision] = {}
    for decision in standing(decisions):
        known = newest.get(decision.item_id)
        if known is None or known.number < decision.number:
            newest[decision.item_id] = decision
    return [decision for decision in newest.values() if decision.after in _VERDICTS]


Agreement = Mapping[tuple[Outcome | None, State], int]


def agreement(
    words: Iterable[PersonsDecision], rules_say: Callable[[PersonsDecision], Outcome | None]
) -> Agreement:
    """Count verdicts by what the rules said of the image and what the person said."""
    return Counter((rules_say(word), word.after) for word in words)


def rules_said(word: PersonsDecision, policy_of: Callable[[int], Policy | None]) -> Outcome | None:
    """Return what the thresholds in force said when the image was judged, automation or not.

    None: they had no say, since the image was not classified.
    """
    policy = None if word.policy_version is None else policy_of(word.policy_version)
    if policy is None or not word.predictions:
        return None
    return judge(word.predictions, policy).outcome


def agreed(counts: Agreement) -> Proportion:
    """How often a person said the same as the rules, where those said approved or rejected."""
    clear = {key: n for key, n in counts.items() if key[0] in (Outcome.APPROVED, Outcome.REJECTED)}
    same = sum(n for (rules, person), n in clear.items() if rules and rules.value == person.value)
    return Proportion(same, sum(clear.values()))


def moderator_figures(decisions: Iterable[PersonsDecision]) -> list[ModeratorFigures]:
    """Return each moderator's figures, the busiest first."""
    made: dict[str, list[PersonsDecision]] = defaultdict(list)
    kept = standing(decisions)
    for decision in kept:
        made[decision.decided_by].append(decision)
    reversals = Counter(decision.decided_by for decision in _reversed(kept))
    figures = [
        ModeratorFigures(
            name,
            len(theirs),
            _time_per_image(sorted(d.decided_at for d in theirs)),
            Proportion(reversals[name], sum(d.after in _VERDICTS for d in theirs)),
        )
        for name, theirs in made.items()
    ]
    return sorted(figures, key=lambda one: (-one.decided, one.decided_by))


def _reversed(decisions: Iterable[PersonsDecision]) -> list[PersonsDecision]:
    """Those verdicts after which the next one of another person differs."""
    verdicts: dict[str, list[PersonsDecision]] = defaultdict(list)
    for decision in decisions:
        if decision.after in _VERDICTS:
            verdicts[decision.item_id].append(decision)
    found = []
    for those in verdicts.values():
        those.sort(key=lambda decision: decision.number)
        for earlier, later in pairwise(those):
            if later.after is not earlier.after and later.decided_by != earlier.decided_by:
                found.append(earlier)
    return found


def _time_per_image(times: Sequence[datetime]) -> timedelta | None:
    """The median time between bursts of decisions, each image of a burst with its share."""
    shares: list[timedelta] = []
    for looked_for, count in _bursts(times):
        if looked_for is not None and looked_for <= _LONGEST_LOOK:
            shares += [looked_for / count] * count
    return sorted(shares)[len(shares) // 2] if shares else None


def _bursts(times: Sequence[datetime]) -> list[tuple[timedelta | None, int]]:
    """For each burst, how long after the one before it came, and of how many decisions it is."""
    bursts: list[tuple[timedelta | None, int]] = []
    before: datetime | None = None
    for time in times:
        gap = None if before is None else time - before
        if gap is not None and gap < _AT_ONCE:
            looked_for, count = bursts[-1]
            bursts[-1] = looked_for, count + 1
        else:
            bursts.append((gap, 1))
        before = time
    return bursts
