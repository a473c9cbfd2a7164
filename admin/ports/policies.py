"""The policy in force, its history, and what another one can be tried on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloud.moderation.policy_changes import PolicyChange
from cloud.moderation.policy_check import Recorded
from cloud.moderation.policy_quality import Judged
from cloud.moderation.types import Policy
from ml_models.types import Label

MOST_IMAGES = 10_000
"""No trial is on more images."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds now."""

    policy: Policy
    """In force, with its version."""
    problem: str | None
    """Why what is stored cannot be in force, if it cannot."""
    change: PolicyChange | None
    """The newest; None before the first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a policy can be tried on: the newest images and what people said of some."""

    images: Sequence[Recorded]
    """Newest first, named by their items; or by nothing where `are_items` is false."""
    are_items: bool
    """False: nobody has uploaded anything, these were classified by calls."""
    histograms: Mapping[Label, Sequence[int]]
    """Of these images' predictions."""
    judged: Sequence[Judged]
    """Images of which a person said the last word, newest first."""
    per_day: float | None
    """How many images were uploaded a day, of late; None: there are none."""
    as_of: datetime


class Policies(Protocol):
    """Reads and changes the policy."""

    def current(self) -> Policy:
        """Return the policy in force, as it was a few seconds ago at the most."""

    def standing(self) -> Standing:
        """Return what holds now."""

    def version(self, version: int) -> Policy | None:
        """Return a policy that was in force once."""

    def changes(self, limit: int) -> Sequence[PolicyChange]:
        """Return who put which policy in force, newest first."""

    def save(self, policy: Policy, *, by: str, note: str | None, since: int) -> PolicyChange:
        """Put a policy in force. `since` is the number of the newest change that its author knew
        of, 0 before the first. Raises PolicyChangedMeanwhile, InvalidPolicy."""

    def trial(self) -> Trial | None:
        """Return what to try policies on, as it was a few seconds ago; None while it is being
        read for the first time."""
