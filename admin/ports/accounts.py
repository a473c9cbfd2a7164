"""The moderators, their sign-ins and their sessions."""

from collections.abc import Collection, Mapping
from typing import Protocol

from admin.people import PanelSession


class Accounts(Protocol):
    """Knows who may use the panel."""

    def session(self, token: str) -> PanelSession | None:
        """Return the session that a cookie's token stands for, noted as seen now; None if it has
        ended, was idle for too long, or its moderator may not use the panel any more."""

    def names(self, decided_by: Collection[str]) -> Mapping[str, str]:
        """Return names to show for what decisions call `decided_by`, users that are gone too."""
