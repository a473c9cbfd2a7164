"""The rules: predictions and a policy in, a verdict out. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from cloud.moderation.types import Outcome, Policy, Threshold, Verdict
from ml_models.types import Prediction

ON_BLACK = "on black: "
_SEVERITY = (Outcome.APPROVED, Outcome.REVIEW, Outcome.REJECTED)


def judge(
    predictions: Sequence[Prediction],
    policy: Policy,
    on_black: Sequence[Prediction] | None = None,
) -> Verdict:
    """Apply the thresholds of the Node original.

    Any listed class with probability > max rejects; else any with min <= probability <= max goes to
    review; else the image is approved. A policy that lists no class approves nothing. Of a picture
    that one can see through, which may look otherwise `on_black`, the more severe verdict counts.
    """
    verdict = _judge(predictions, policy)
    if on_black is None:
        return verdict
    dark = _judge(on_black, policy)
    if _SEVERITY.index(dark.outcome) <= _SEVERITY.index(verdict.outcome):
        return verdict
    return replace(dark, reasons=tuple(f"{ON_BLACK}{reason}" for reason in dark.reasons))


def judge_upload(
    predictions: Sequence[Prediction],
    policy: Policy,
    on_black: Sequence[Prediction] | None = None,
) -> Verdict:
    """Judge an image that was saved: without automation a moderator looks at each."""
    verdict = judge(predictions, policy, on_black)
    if policy.automation_enabled:
        return verdict
    reasons = ("moderationAutomation is not switched on", *verdict.reasons)
    return replace(verdict, outcome=Outcome.REVIEW, reasons=reasons)


def of_first_frame(verdict: Verdict) -> Verdict:
    """Say what counts for an animation, of which the rules saw no more: they approve none."""
    if verdict.outcome is not Outcome.APPROVED:
        return verdict
    reasons = ("only the first frame of an animation was judged",)
    return replace(verdict, outcome=Outcome.REVIEW, reasons=reasons)


def _judge(predictions: Sequence[Prediction], policy: Policy) -> Verdict:
    if not policy.thresholds:
        reason = "no policy: moderationScores is not set"
        return Verdict(Outcome.REVIEW, (reason,), policy.version)
    limited = [(p, policy.thresholds[p.label]) for p in predictions if p.label in policy.thresholds]
    above = tuple(_above(p, t) for p, t in limited if p.probability > t.max)
    if above:
        return Verdict(Outcome.REJECTED, above, policy.version)
    between = tuple(_between(p, t) for p, t in limited if p.probability >= t.min)
    if between:
        return Verdict(Outcome.REVIEW, between, policy.version)
    return Verdict(Outcome.APPROVED, (), policy.version)


def _above(prediction: Prediction, threshold: Threshold) -> str:
    return f"{prediction.label} {prediction.probability:.4f} is above {threshold.max:g}"


def _between(prediction: Prediction, threshold: Threshold) -> str:
    return (
        f"{prediction.label} {prediction.probability:.4f} "
        f"is from {threshold.min:g} to {threshold.max:g}"
    )
