"""The rules: predictions and a policy in, a verdict out. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from cloud.moderation.types import Outcome, Policy, Threshold, Verdict
from ml_models.types import Prediction


def judge(predictions: Sequence[Prediction], policy: Policy) -> Verdict:
    """Apply the thresholds of the Node original.

    Any listed class with probability > max rejects; else any with min <= probability <= max goes to
    review; else the image is approved. A policy that lists no class approves nothing.
    """
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


def judge_upload(predictions: Sequence[Prediction], policy: Policy) -> Verdict:
    """Judge an image that was saved: without automation a moderator looks at each."""
    verdict = judge(predictions, policy)
    if policy.automation_enabled:
        return verdict
    reasons = ("moderationAutomation is not switched on", *verdict.reasons)
    return replace(verdict, outcome=Outcome.REVIEW, reasons=reasons)


def _above(prediction: Prediction, threshold: Threshold) -> str:
    return f"{prediction.label} {prediction.probability:.4f} is above {threshold.max:g}"


def _between(prediction: Prediction, threshold: Threshold) -> str:
    return (
        f"{prediction.label} {prediction.probability:.4f} "
        f"is from {threshold.min:g} to {threshold.max:g}"
    )
