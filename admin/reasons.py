"""The owner's rules in words: reasons to reject, and what of the rules cannot be read."""

from collections.abc import Iterable

from admin.ports.house_rules import HouseRules, RejectionReason
from admin.texts import t


def reason_labels(reasons: Iterable[RejectionReason]) -> dict[str, str]:
    """Return what to show for each reason, by its code, in this request's language."""
    return {
        reason.code: t(f"house.reason_{reason.code}") if reason.label is None else reason.label
        for reason in reasons
    }


def rule_problems(rules: HouseRules) -> list[str]:
    """Explain what of the owner's rules cannot be read, and what holds meanwhile."""
    return [
        " ".join(
            (
                t("house.invalid", field=each.field, problem=t(f"house.{each.kind}")),
                t(f"house.{each.meanwhile}"),
            )
        )
        for each in rules.problems
    ]
