"""What an app asks of its users' passwords, as Parse Server's passwordPolicy has it."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.clock import utc_now
from cloud.errors import VALIDATION_ERROR
from cloud.operations import Set
from server.objects.passwords import is_password
from server.objects.save import Save
from server.parse.errors import OBJECT_NOT_FOUND, ParseError

HISTORY, CHANGED_AT = "_password_history", "_password_changed_at"

# bcrypt counts 72 bytes of it, so nobody's password is longer; a pattern takes longer with each.
_LOOKED_AT = 1_000

REFUSAL = "Password does not meet the Password Policy requirements."


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What is asked of every new password, whoever sets it; by default nothing."""

    min_length: int = 0
    pattern: re.Pattern[str] | None = None
    refusal: str = REFUSAL
    forbids_username: bool = False
    history: int = 0
    """How many of the last passwords, the present one among them, are not to be used again."""
    max_age: timedelta | None = None
    """After which a password no longer lets its user log in."""

    def apply(self, save: Save, password: str) -> None:
        """Check the password that a save of _User sets, and note what later checks need.

        Raises ParseError 142.
        """
        self._check(save, password[:_LOOKED_AT])
        if self.history and save.original is not None:
            self._check_history(save, password)
        if self.max_age is not None:
            save.changes[CHANGED_AT] = Set(utc_now())

    def check_age(self, changed_at: datetime) -> None:
        """Raise ParseError 101 for a password that is too old."""
        if self.max_age is not None and changed_at + self.max_age < utc_now():
            message = "Your password has expired. Please reset your password."
            raise ParseError(OBJECT_NOT_FOUND, message)

    def _check(self, save: Save, password: str) -> None:
        fits = self.pattern is None or self.pattern.search(password) is not None
        if len(password) < self.min_length or not fits:
            raise ParseError(VALIDATION_ERROR, self.refusal)
        original = save.original or {}
        name = str(save.value("username") or original.get("username") or "")
        if self.forbids_username and name and name.casefold() in password.casefold():
            raise ParseError(VALIDATION_ERROR, "Password cannot contain your username.")

    def _check_history(self, save: Save, password: str) -> None:
        original = save.original or {}
        before, present = original.get(HISTORY), original.get("_hashed_password")
        older: list[str] = list(before) if isinstance(before, list) else []
        known = older[len(older) - min(len(older), self.history - 1) :]
        known += [present] if present else []
        if any(is_password(password, hashed) for hashed in known):
            message = f"New password should not be the same as last {self.history} passwords."
            raise ParseError(VALIDATION_ERROR, message)
        # Beside the new one, which is in its own column, so many make the number full.
        save.changes[HISTORY] = Set(known[-max(1, self.history - 1) :])
