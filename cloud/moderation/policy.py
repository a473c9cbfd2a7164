"""`moderationScores` of Parse.Config, checked once and made a Policy."""

from typing import Any

from cloud.moderation.errors import ModerationError
from cloud.moderation.types import Policy, Threshold
from ml_models.types import Label


class InvalidPolicy(ModerationError):
    """`moderationScores` cannot be used; the message names the field and what it must be."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        sentence = f"moderationScores{field}: {problem}."
        super().__init__(sentence, sentence)


def policy_from_scores(scores: Any) -> Policy:
    """Read `{"Porn": {"min": 0.4, "max": 0.8}, ...}`; None or {} is the policy without thresholds.

    Raises InvalidPolicy.
    """
    if scores is None:
        return Policy({})
    if not isinstance(scores, dict):
        raise InvalidPolicy("", 'must be an object such as {"Porn": {"min": 0.4, "max": 0.8}}')
    return Policy({_label(name): _threshold(name, value) for name, value in scores.items()})


def _label(name: str) -> Label:
    try:
        return Label(name)
    except ValueError:
        raise InvalidPolicy(
            f".{name}", f"is no class; the classes are {', '.join(Label)}"
        ) from None


def _threshold(name: str, value: Any) -> Threshold:
    if not isinstance(value, dict) or set(value) != {"min", "max"}:
        raise InvalidPolicy(f".{name}", 'must be an object with "min" and "max" and nothing else')
    bounds = {bound: _probability(f".{name}.{bound}", value[bound]) for bound in ("min", "max")}
    if bounds["min"] > bounds["max"]:
        raise InvalidPolicy(f".{name}", "min must not be greater than max")
    return Threshold(**bounds)


def _probability(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidPolicy(field, "must be a number from 0 to 1")
    return float(value)
