"""The moderation policy in Parse.Config, checked once and made a Policy."""

from typing import Any

from cloud.moderation.errors import ModerationError
from cloud.moderation.types import Policy, Threshold
from ml_models.types import Label


class InvalidPolicy(ModerationError):
    """The policy cannot be used; the message names the field and what it must be."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        sentence = f"{field}: {problem}."
        super().__init__(sentence, sentence)


def read_policy(scores: Any, automation: Any = None) -> Policy:
    """Read `moderationScores`, `{"Porn": {"min": 0.4, "max": 0.8}, ...}`, and the switch.

    Without scores there are no thresholds; automation is on where the switch is true, as in the
    Node original. Raises InvalidPolicy.
    """
    if automation is not None and not isinstance(automation, bool):
        raise InvalidPolicy("moderationAutomation", "must be true or false")
    if scores is None:
        return Policy({}, automation_enabled=automation is True)
    if not isinstance(scores, dict):
        problem = 'must be an object such as {"Porn": {"min": 0.4, "max": 0.8}}'
        raise InvalidPolicy("moderationScores", problem)
    thresholds = {_label(name): _threshold(name, value) for name, value in scores.items()}
    return Policy(thresholds, automation_enabled=automation is True)


def _label(name: str) -> Label:
    try:
        return Label(name)
    except ValueError:
        problem = f"is no class; the classes are {', '.join(Label)}"
        raise InvalidPolicy(f"moderationScores.{name}", problem) from None


def _threshold(name: str, value: Any) -> Threshold:
    field = f"moderationScores.{name}"
    if not isinstance(value, dict) or set(value) != {"min", "max"}:
        raise InvalidPolicy(field, 'must be an object with "min" and "max" and nothing else')
    bounds = {bound: _probability(f"{field}.{bound}", value[bound]) for bound in ("min", "max")}
    if bounds["min"] > bounds["max"]:
        raise InvalidPolicy(field, "min must not be greater than max")
    return Threshold(**bounds)


def _probability(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidPolicy(field, "must be a number from 0 to 1")
    return float(value)
