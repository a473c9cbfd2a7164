"""The team: the Team port on a Database.

Every change is a line of the log first, under the next number, which only one of two changes at
once can get; the other looks at the team again. What a line says is done right after, or by
whoever comes next if that process was killed. So the log is complete, and of two admins who
demote one another one stays.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from admin.passwords import check_password
from admin.people import Role
from admin.ports.team import (
    OPERATOR,
    BadName,
    LastAdmin,
    Member,
    NameTaken,
    NoSuchUser,
    TeamAction,
    TeamEvent,
)
from cloud.clock import utc_now
from cloud.operations import Operation, Set
from server.auth import Caller
from server.objects.lockout import Lockout, account_key
from server.panel.second_factors import FORGOTTEN, has_second_factor
from server.panel.sessions import Sessions
from server.panel.tables import TEAM_LOG, PanelTables, may_use_panel
from server.parse.errors import USERNAME_TAKEN, ParseError
from server.storage.port import (
    Compares,
    Condition,
    Document,
    DuplicateObject,
    Either,
    Exists,
    Order,
    Query,
    SortKey,
)

logger = logging.getLogger(__name__)

_MAX_NAME = 100
_MASTER = Caller(master=True, ip="")
# Without those that are mistaken for one another when somebody reads them aloud.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_NEWEST_FIRST = (SortKey("number", descending=True),)

_JOINING = (TeamAction.CREATED, TeamAction.INVITED, TeamAction.PROMOTED)
_MODERATES = (*_JOINING, TeamAction.ENABLED, TeamAction.DISABLED)
_ENDS_SESSIONS = (
    TeamAction.DISABLED,
    TeamAction.SECOND_FACTOR_RESET,
    TeamAction.SESSIONS_ENDED,
    TeamAction.PASSWORD_RESET,
    TeamAction.PASSWORD_SET,
)
_UNLOCKS = (
    TeamAction.ENABLED,
    TeamAction.SECOND_FACTOR_RESET,
    TeamAction.PASSWORD_RESET,
    TeamAction.PASSWORD_SET,
)


class StoredTeam:
    """The Team port; see there for its contract."""

    def __init__(
        self,
        tables: PanelTables,
        sessions: Sessions,
        lockout: Lockout,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._tables, self._objects = tables, tables.objects
        self._sessions, self._lockout, self._now = sessions, lockout, now

    # --- looking -------------------------------------------------------------------------------

    def members(self) -> Sequence[Member]:
        accounts = {row["objectId"]: row for row in self._tables.accounts()}
        users = {row["objectId"]: row for row in self._tables.moderators()}
        users |= {u["objectId"]: u for u in self._tables.users(sorted(accounts.keys() - users))}
        members = [_member(user, accounts.get(user_id, {})) for user_id, user in users.items()]
        joined = [m for m in members if m.active or "changeNumber" in accounts.get(m.user_id, {})]
        return sorted(joined, key=lambda m: (not m.active, m.name.casefold()))

    def has_moderators(self) -> bool:
        """Say whether anybody moderates, or ever did."""
        return bool(self._tables.moderators() or self._tables.accounts())

    def log(self, limit: int) -> Sequence[TeamEvent]:
        self._tables.declare()
        rows = self._objects.find(TEAM_LOG, Query(order=_NEWEST_FIRST, limit=limit))
        for row in rows[:1]:
            self._settle(row)
        return [_event(row) for row in rows]

    # --- changing ------------------------------------------------------------------------------

    def invite(self, by: str, name: str, role: Role) -> str:
        password = _one_time_password()
        user = self._new_user(name, password)
        self._record(f"user:{by}", TeamAction.INVITED, user, role)
        return password

    def create(self, name: str, password: str, role: Role) -> None:
        """Make an account for the operator. Raises as `invite` does, and WeakPassword."""
        check_password(password, name)
        self._record(OPERATOR, TeamAction.CREATED, self._new_user(name, password), role)

    def promote(self, by: str, name: str, role: Role) -> None:
        user = self._tables.user_named(name.strip())
        if user is None:
            raise NoSuchUser
        self._record(_named(by), TeamAction.PROMOTED, user, role)

    def change_role(self, by: str, user_id: str, role: Role) -> None:
        self._record(_named(by), TeamAction.ROLE_CHANGED, self._user(user_id), role)

    def act(self, by: str, user_id: str, action: TeamAction) -> None:
        self._record(_named(by), action, self._user(user_id))

    def reset_password(self, by: str, user_id: str) -> str:
        password = _one_time_password()
        self._record(_named(by), TeamAction.PASSWORD_RESET, self._user(user_id))
        self.set_password(user_id, password)
        return password

    def set_password(self, user_id: str, password: str) -> None:
        """Give a user a password. Raises CloudError where the app's own code refuses it."""
        self._tables.parse.update(_MASTER, "_User", user_id, {"password": Set(password)}, {})

    def _new_user(self, name: str, password: str) -> Document:
        name = name.strip()
        if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
            raise BadName
        changes = {"username": Set(name), "password": Set(password)}
        try:
            return dict(self._tables.parse.create(_MASTER, "_User", changes, {}).document)
        except ParseError as error:
            if error.code == USERNAME_TAKEN:
                raise NameTaken from error
            raise

    def _user(self, user_id: str) -> Document:
        """Return a user of the team. Raises NoSuchUser."""
        user = self._tables.user(user_id)
        account = self._tables.account(user_id)
        if user is None or not ("changeNumber" in account or may_use_panel(user, account)):
            raise NoSuchUser
        return user

    # --- the log -------------------------------------------------------------------------------

    def _record(
        self, by: str, action: TeamAction, user: Document, role: Role | None = None
    ) -> None:
        """Write a line, and do what it says. Raises LastAdmin."""
        self._tables.declare()
        while True:
            last = self._last()
            if last is not None:
                self._settle(last)
            self._require_other_admin(action, user["objectId"], role)
            number = 1 if last is None else int(last["number"]) + 1
            row = _row(number, by, action, user, role, self._now())
            try:
                self._objects.insert(TEAM_LOG, row)
            except DuplicateObject:  # another change was faster; it may be about the same people
                continue
            self._settle(row)
            logger.info("team: user %s %s by %s", user["objectId"], action, by)
            return

    def _last(self) -> Document | None:
        rows = self._objects.find(TEAM_LOG, Query(order=_NEWEST_FIRST, limit=1))
        return rows[0] if rows else None

    def _require_other_admin(self, action: TeamAction, user_id: str, role: Role | None) -> None:
        ends = action is TeamAction.DISABLED or (
            action in (TeamAction.ROLE_CHANGED, TeamAction.PROMOTED) and role is not Role.ADMIN
        )
        if not ends:
            return
        admins = {m.user_id for m in self.members() if m.active and m.role is Role.ADMIN}
        if admins == {user_id}:
            raise LastAdmin

    def _settle(self, row: Document) -> None:
        """Do what a line says, unless that is done; in the order of lines, whoever does it."""
        user_id, number = row["user"], int(row["number"])
        action = TeamAction(row["action"])
        if self._tables.account(user_id).get("settledNumber", 0) >= number:
            return
        changes: dict[str, Operation] = {**_changes(row), "changeNumber": Set(number)}
        self._tables.change_account(user_id, changes, _is_before("changeNumber", number))
        if action in _MODERATES:
            self._mirror(user_id)
        if action in _ENDS_SESSIONS:
            self._sessions.end(user_id, until=row["createdAt"])
        if action in _UNLOCKS:
            self._lockout.forget(account_key(user_id, row["name"]))
        settled: dict[str, Operation] = {"settledNumber": Set(number)}
        self._tables.change_account(user_id, settled, _is_before("settledNumber", number))

    def _mirror(self, user_id: str) -> None:
        """Have the app take for a moderator whom the panel does, whatever changed meanwhile."""
        while True:
            account = self._tables.account(user_id)
            self._tables.make_moderator(user_id, moderates=account.get("disabled") is not True)
            now = self._tables.account(user_id)
            if now.get("changeNumber") == account.get("changeNumber"):
                return


def read_role(account: Document) -> Role:
    """Return an account's role; who has none that we know is no admin."""
    return Role.ADMIN if account.get("role") == Role.ADMIN else Role.MODERATOR


def _named(by: str) -> str:
    return by if by == OPERATOR else f"user:{by}"


def _changes(row: Document) -> dict[str, Operation]:
    """What a line of the log does to the account."""
    changes: dict[str, Operation] = {"name": Set(row["name"])}
    if "role" in row:
        changes["role"] = Set(row["role"])
    match TeamAction(row["action"]):
        case TeamAction.INVITED:
            changes |= {"disabled": Set(False), "needsNewPassword": Set(True)}
        case TeamAction.CREATED | TeamAction.PROMOTED | TeamAction.ENABLED:
            changes |= {"disabled": Set(False)}
        case TeamAction.DISABLED:
            changes |= {"disabled": Set(True)}
        case TeamAction.SECOND_FACTOR_RESET:
            changes |= FORGOTTEN
        case TeamAction.PASSWORD_RESET:
            changes |= {"needsNewPassword": Set(True)}
        case TeamAction.PASSWORD_SET:
            changes |= {"needsNewPassword": Set(False)}
    return changes


def _is_before(column: str, number: int) -> Condition:
    return Either((Exists(column, exists=False), Compares(column, Order.LESS, number)))


def _row(
    number: int, by: str, action: TeamAction, user: Document, role: Role | None, now: datetime
) -> Document:
    row: Document = {
        "objectId": f"{number:010d}",
        "createdAt": now,
        "updatedAt": now,
        "ACL": {},
        "number": number,
        "by": by,
        "action": action.value,
        "user": user["objectId"],
        "name": user.get("username", ""),
    }
    return row if role is None else {**row, "role": role.value}


def _event(row: Document) -> TeamEvent:
    return TeamEvent(
        at=row["createdAt"],
        by=row["by"],
        action=TeamAction(row["action"]),
        user_id=row["user"],
        name=row["name"],
        role=Role(row["role"]) if "role" in row else None,
    )


def _member(user: Document, account: Document) -> Member:
    return Member(
        user_id=user["objectId"],
        name=user.get("username", ""),
        role=read_role(account),
        active=may_use_panel(user, account),
        has_second_factor=has_second_factor(account),
        needs_new_password=account.get("needsNewPassword") is True,
        seen_at=account.get("seenAt"),
    )


def _one_time_password() -> str:
    """With a capital and a digit at its end, which an app's policy may ask for."""
    letters = [secrets.choice(_ALPHABET) for _ in range(16)]
    groups = ["".join(letters[n : n + 4]) for n in range(0, 16, 4)]
    return "-".join([*groups, secrets.choice("ABCDEFGHJKLMN") + secrets.choice("23456789")])
