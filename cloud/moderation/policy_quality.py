"""How often thresholds agree with people: precision and recall, with intervals. Pure.

The truth is what moderators said of images. They see only what is sent to them, so it is a choice
out of all images, and these figures are true of that choice alone.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from cloud.moderation.rules import judge
from cloud.moderation.types import Outcome, Policy
from ml_models.types import Label, Prediction

_Z_95 = 1.959964
"""Of a normal distribution 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true value lies in 95 of 100 cases, after Wilson (1927); 0 to 1 of nothing."""
        if not self.of:
            return 0.0, 1.0
        share, spread = self.hits / self.of, _Z_95**2 / self.of
        middle = share + spread / 2
        half = _Z_95 * sqrt((share * (1 - share) + spread / 4) / self.of)
        low, high = ((middle + sign * half) / (1 + spread) for sign in (-1, 1))
        # The formula's bounds are exactly 0 and 1 there, but for rounding.
        return (0.0 if self.hits == 0 else low), (1.0 if self.hits == self.of else high)


@dataclass(frozen=True, slots=True)
class Judged:
    """An image of which a person said the last word."""

    predictions: tuple[Prediction, ...]
    rejected: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """How a choice of images agrees with what people rejected."""

    precision: Proportion
    """Of those chosen, how many people rejected."""
    recall: Proportion
    """Of those that people rejected, how many were chosen."""


@dataclass(frozen=True, slots=True)
class Points:
    """One class's two thresholds as choices."""

    from_min: Quality
    above_max: Quality


@dataclass(frozen=True, slots=True)
class PolicyQuality:
    """What a policy's thresholds choose, whether automation is on or off."""

    rejecting: Quality
    """What it would reject."""
    stopping: Quality
    """What it would not approve."""
    points: Mapping[Label, Points]


def quality_of_policy(judged: Sequence[Judged], policy: Policy) -> PolicyQuality:
    """Compare what the thresholds say with what people said of the same images."""
    said = Counter((judge(image.predictions, policy).outcome, image.rejected) for image in judged)
    rejected = sum(image.rejected for image in judged)
    passed = Counter({was: said[Outcome.APPROVED, was] for was in (True, False)})
    found = {was: _probabilities(judged, policy, rejected=was) for was in (True, False)}

    def chosen(label: Label, is_chosen: Callable[[float], bool]) -> Quality:
        right, wrong = (sum(map(is_chosen, found[was][label])) for was in (True, False))
        return _quality(right, wrong, rejected)

    return PolicyQuality(
        rejecting=_quality(said[Outcome.REJECTED, True], said[Outcome.REJECTED, False], rejected),
        stopping=_quality(
            rejected - passed[True], len(judged) - rejected - passed[False], rejected
        ),
        points={
            label: Points(
                from_min=chosen(label, limits.min.__le__),
                above_max=chosen(label, limits.max.__lt__),
            )
            for label, limits in policy.thresholds.items()
        },
    )


def _probabilities(
    judged: Sequence[Judged], policy: Policy, *, rejected: bool
) -> Mapping[Label, Sequence[float]]:
    """Gather each limited class's probabilities in the images that people rejected, or did not."""
    found: dict[Label, list[float]] = {label: [] for label in policy.thresholds}
    for image in judged:
        if image.rejected is rejected:
            for prediction in image.predictions:
                if prediction.label in found:
                    found[prediction.label].append(prediction.probability)
    return found


def _quality(right: int, wrong: int, rejected: int) -> Quality:
    """`right` of the chosen images were rejected by people, `wrong` were not."""
    return Quality(Proportion(right, right + wrong), Proportion(right, rejected))
