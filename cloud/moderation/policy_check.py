"""What another policy would have done: recorded predictions judged by two policies. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.rules import judge_upload
from cloud.moderation.types import Outcome, Policy
from ml_models.types import Prediction

_FIELDS = ("moderationScores", "moderationAutomation")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The predictions of one image, and what they are recorded as."""

    name: str
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """An image that the proposed policy sends elsewhere; the reasons are the proposed policy's."""

    name: str
    before: Outcome
    after: Outcome
    reasons: tuple[str, ...]


@dataclass(slots=True)
class PolicyCheck:
    """Compares the policy of today with a proposed one; counts as the changes are read."""

    today: Policy
    proposed: Policy
    before: Counter[Outcome] = field(default_factory=Counter)
    after: Counter[Outcome] = field(default_factory=Counter)

    def changes(self, images: Iterable[Recorded]) -> Iterator[Change]:
        """Yield what would change, holding one image at a time."""
        for image in images:
            before = judge_upload(image.predictions, self.today).outcome
            verdict = judge_upload(image.predictions, self.proposed)
            self.before[before] += 1
            self.after[verdict.outcome] += 1
            if verdict.outcome is not before:
                yield Change(image.name, before, verdict.outcome, verdict.reasons)


def proposed_policy(given: Any, params: Mapping[str, Any]) -> Policy:
    """Read the policy that saving `given` to a Parse.Config of these params would leave.

    A field that is not given stays as it is. Raises InvalidPolicy, for unknown fields as well.
    """
    if not isinstance(given, dict):
        problem = f"must be an object with {' and '.join(_FIELDS)}"
        raise InvalidPolicy("the policy", problem)
    for name in given:
        if name not in _FIELDS:
            raise InvalidPolicy(name, f"is no field of a policy; they are {' and '.join(_FIELDS)}")
    scores, automation = (given.get(name, params.get(name)) for name in _FIELDS)
    return read_policy(scores, automation)
