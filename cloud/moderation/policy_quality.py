"""How often thresholds agree with people: precision and recall, with intervals. Pure.

The truth is what moderators said of images. They see only what is sent to them, so it is a choice
out of all images, and these figures are true of that choice alone.
"""

from collections.abc import Mapping, Sequence
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
    said = [(judge(image.predictions, policy).outcome, image.rejected) for image in judged]
    rejected = sum(image.rejected for image in judged)
    found = _probabilities(judged, policy)
    return PolicyQuality(
        rejecting=_quality([r for outcome, r in said if outcome is Outcome.REJECTED], rejected),
        stopping=_quality([r for outcome, r in said if outcome is not Outcome.APPROVED], rejected),
        points={
            label: Points(
                from_min=_quality([r for p, r in found[label] if p >= limits.min], rejected),
                above_max=_quality([r for p, r in found[label] if p > limits.max], rejected),
            )
            for label, limits in policy.thresholds.items()
        },
    )


def _probabilities(
    judged: Sequence[Judged], policy: Policy
) -> Mapping[Label, Sequence[tuple[float, bool]]]:
    """For each limited class, its probability in each image and whether people rejected that."""
    found: dict[Label, list[tuple[float, bool]]] = {label: [] for label in policy.thresholds}
    for image in judged:
        for prediction in image.predictions:
            if prediction.label in found:
                found[prediction.label].append((prediction.probability, image.rejected))
    return found


def _quality(chosen: Sequence[bool], rejected: int) -> Quality:
    """`chosen` says of each image that is chosen whether people rejected it."""
    both = sum(chosen)
    return Quality(Proportion(both, len(chosen)), Proportion(both, rejected))
