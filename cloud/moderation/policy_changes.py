"""Who put which policy in force, when, and with what note."""

from dataclasses import dataclass
from datetime import datetime

BY_MASTER_KEY = "master key"
BY_DATABASE = "database"
"""Whom a change is put down to that was found in the database, and that nobody announced."""


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A policy came into force. `number` counts the changes from 1, `version` names the policy:
    the same thresholds and switch have the same version for ever."""

    number: int
    version: int
    by: str
    """`user:<objectId>`, BY_MASTER_KEY or BY_DATABASE."""
    note: str | None
    at: datetime

    @property
    def is_beginning(self) -> bool:
        """Whether the policy was there when the history began, and nobody had put it in force."""
        return self.number == 1 and self.by == BY_DATABASE


class PolicyChangedMeanwhile(Exception):
    """Somebody was faster; `change` is the newest one by now."""

    def __init__(self, change: PolicyChange) -> None:
        self.change = change
        super().__init__(f"policy {change.version} was put in force meanwhile by {change.by}")
