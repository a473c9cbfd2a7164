"""The team: who moderates, who is an admin, and what was changed about that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from admin.people import Role

OPERATOR = "operator"
"""Whom the log names for what was done on the command line."""


class TeamError(Exception):
    """Why the team stays as it is."""


class NameTaken(TeamError):
    """There is a Parse user of this name already: promote it, or take another name."""


class BadName(TeamError):
    """This can be nobody's name."""


class NoSuchUser(TeamError):
    """There is no such Parse user, or nobody of the team."""


class LastAdmin(TeamError):
    """Without this one nobody could look after the team."""


class TeamAction(StrEnum):
    """What can happen to somebody of the team."""

    CREATED = "created"
    """A new Parse user, with a password that was chosen."""
    INVITED = "invited"
    """A new Parse user, with a password to be changed at the first sign-in."""
    PROMOTED = "promoted"
    """A Parse user that was there before."""
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    ENABLED = "enabled"
    SECOND_FACTOR_RESET = "second_factor_reset"
    SESSIONS_ENDED = "sessions_ended"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - no password
    """A new one, to be changed at the next sign-in."""
    PASSWORD_SET = "password_set"  # noqa: S105
    """One that the operator chose."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the team."""

    user_id: str
    name: str
    role: Role
    active: bool
    """Not disabled, and still a moderator to the app."""
    has_second_factor: bool
    needs_new_password: bool
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class TeamEvent:
    """A line of the log: who did what to whom."""

    at: datetime
    by: str
    """`user:<id>`, or OPERATOR."""
    action: TeamAction
    user_id: str
    name: str
    """As it was then."""
    role: Role | None


class Team(Protocol):
    """Reads and changes the team. `by` is the admin's user id; every change is logged first."""

    def members(self) -> Sequence[Member]:
        """Return everybody, active ones first, by name."""

    def invite(self, by: str, name: str, role: Role) -> str:
        """Make an account; return its password, which has to be changed at the first sign-in.

        Raises NameTaken, BadName; CloudError where the app's own code refuses the user.
        """

    def promote(self, by: str, name: str, role: Role) -> None:
        """Make a Parse user a moderator. Raises NoSuchUser."""

    def change_role(self, by: str, user_id: str, role: Role) -> None:
        """Raises NoSuchUser, LastAdmin."""

    def act(self, by: str, user_id: str, action: TeamAction) -> None:
        """Disable, enable, reset a second factor, or end sessions. Raises NoSuchUser, LastAdmin."""

    def reset_password(self, by: str, user_id: str) -> str:
        """Return a new password, to be changed at the next sign-in. Raises NoSuchUser."""

    def log(self, limit: int) -> Sequence[TeamEvent]:
        """Return what was changed, newest first."""
