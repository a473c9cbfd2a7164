"""Who may use the panel, and who is using it: the Accounts port on a Database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from admin.people import Device, Moderator, PanelSession, Preferences
from admin.texts import t
from cloud.clock import utc_now
from cloud.operations import Set
from server.panel.preferences import from_column, to_column
from server.panel.second_factors import has_second_factor
from server.panel.sessions import Sessions
from server.panel.tables import PanelTables, may_use_panel
from server.panel.team import read_role
from server.storage.port import Document

_USER, _OWNER = "user:", "owner:"


class StoredAccounts:
    """The Accounts port; see there for its contract."""

    def __init__(
        self,
        tables: PanelTables,
        sessions: Sessions,
        *,
        second_factor_required: bool,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._tables, self._sessions, self._now = tables, sessions, now
        self._second_factor_required = second_factor_required

    def session(self, token: str) -> PanelSession | None:
        now, row = self._now(), self._sessions.find(token)
        if row is None:
            return None
        user_id = row["user"].object_id
        user, account = self._tables.user(user_id), self._tables.account(user_id)
        if user is None or not may_use_panel(user, account):
            return None
        if not self._sessions.lasts(row, user, now):
            return None
        return self._session(self._sessions.see(row, now), user, account)

    def sessions_of(self, user_id: str) -> Sequence[PanelSession]:
        user, account = self._tables.user(user_id), self._tables.account(user_id)
        if user is None or not may_use_panel(user, account):
            return []
        rows = self._sessions.of_user(user, self._now())
        return [self._session(row, user, account) for row in rows]

    def end_sessions(
        self, user_id: str, *, only: str | None = None, but: str | None = None
    ) -> Sequence[str]:
        return self._sessions.end(user_id, only=only, but=but)

    def save_preferences(self, user_id: str, preferences: Preferences) -> None:
        self._tables.change_account(user_id, {"preferences": Set(to_column(preferences))})

    def names(self, decided_by: Collection[str]) -> Mapping[str, str]:
        ids = sorted({by.removeprefix(_USER) for by in decided_by if by.startswith(_USER)})
        people = {user["objectId"]: user.get("username", "") for user in self._tables.users(ids)}
        return {by: self._name(by, people) for by in decided_by}

    def _name(self, by: str, people: Mapping[str, str]) -> str:
        if by.startswith(_OWNER):
            return t("base.by_owner")
        if not by.startswith(_USER):
            return t(_TEXTS[by]) if by in _TEXTS else by
        user_id = by.removeprefix(_USER)
        name = people.get(user_id) or self._tables.account(user_id).get("name")
        return name or t("base.by_former", id=user_id)

    def _session(self, row: Document, user: Document, account: Document) -> PanelSession:
        needs_first_one = self._second_factor_required and not has_second_factor(account)
        return PanelSession(
            session_id=row["objectId"],
            moderator=_moderator(user, account),
            started_at=row["createdAt"],
            seen_at=row["seenAt"],
            expires_at=row["expiresAt"],
            device=Device(row["address"], row["userAgent"]),
            needs_second_factor=row["needsSecondFactor"] is not False or needs_first_one,
            needs_new_password=account.get("needsNewPassword") is True,
        )


_TEXTS = {
    "rules": "base.by_rules",
    "memory": "base.by_memory",
    "system": "base.by_system",
    "master key": "base.by_master_key",
    "operator": "base.by_operator",
}


def _moderator(user: Document, account: Document) -> Moderator:
    return Moderator(
        user_id=user["objectId"],
        name=user.get("username", ""),
        role=read_role(account),
        has_second_factor=has_second_factor(account),
        preferences=from_column(account.get("preferences")),
    )
