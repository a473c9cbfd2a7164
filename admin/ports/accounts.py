"""The moderators and their sessions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from admin.people import PanelSession, Preferences


class Accounts(Protocol):
    """Knows who may use the panel, and who is using it."""

    def session(self, token: str) -> PanelSession | None:
        """Return the session that a cookie's token stands for, noted as seen now; None if it has
        ended, was idle for too long, or its moderator may not use the panel any more."""

    def sessions_of(self, user_id: str) -> Sequence[PanelSession]:
        """Return a moderator's sessions that have not ended, the one seen last first."""

    def end_sessions(
        self, user_id: str, *, only: str | None = None, but: str | None = None
    ) -> Sequence[str]:
        """End a moderator's sessions: all, one, or all but one; return the ids of those ended."""

    def save_preferences(self, user_id: str, preferences: Preferences) -> None:
        """Keep how a moderator likes to work."""

    def names(self, decided_by: Collection[str]) -> Mapping[str, str]:
        """Return names to show for what decisions call `decided_by`, users that are gone too, in
        the language of the request."""
