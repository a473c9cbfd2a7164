"""The owner's rules for those who review: reasons for rejecting, and bounds on how images look.

They stand in Parse.Config, as `moderationReasons` and `moderationWellbeing`.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from admin.people import Preferences


@dataclass(frozen=True, slots=True)
class RejectionReason:
    """Why a moderator rejects an image; `code` is what decisions keep as their category."""

    code: str
    label: str | None = None
    """The owner's words; None: one of the usual reasons, which the panel has words for."""


USUAL_REASONS = tuple(
    RejectionReason(code) for code in ("sexual", "nudity", "minor", "violence", "spam", "other")
)


@dataclass(frozen=True, slots=True)
class Wellbeing:
    """What the owner leaves moderators to choose."""

    blur_required: bool = False
    """Images arrive blurred, whoever looks."""
    grey_required: bool = False
    break_after_at_most: int | None = None
    """A break is suggested after no more images than these; None: as the moderator likes."""
    exposure_for_admins: bool = False
    """Admins see how many images each moderator looked at today; else that is her own business."""

    def bounded(self, preferences: Preferences) -> Preferences:
        """Return a moderator's preferences as they hold within these bounds."""
        wanted, most = preferences.break_after, self.break_after_at_most
        if most is not None:
            wanted = min(wanted, most) if wanted > 0 else most  # 0 would be: never
        return replace(
            preferences,
            blur=preferences.blur or self.blur_required,
            grey=preferences.grey or self.grey_required,
            break_after=wanted,
        )


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """A value in Parse.Config that cannot be used.

    The panel says by `t("house.<kind>")` what is wrong, by `t("house.<meanwhile>")` what holds.
    """

    field: str
    kind: str
    meanwhile: str


@dataclass(frozen=True, slots=True)
class HouseRules:
    """The rules in force, and what of the stored ones could not be read."""

    reasons: tuple[RejectionReason, ...] = USUAL_REASONS
    wellbeing: Wellbeing = Wellbeing()
    problems: tuple[RuleProblem, ...] = ()


class HouseRulesSource(Protocol):
    """Knows the owner's rules."""

    def current(self) -> HouseRules:
        """Return the rules as they are stored now."""
