"""The panel's own classes: accounts, sessions, the team's log."""

from collections.abc import Sequence

from cloud.clock import utc_now
from cloud.operations import Operation, Set
from cloud.values import Pointer
from server.objects.declaration import Declaration, OwnClass
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.system_classes import NOBODY, column_types
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Condition,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Index,
    OneOf,
    Query,
)

# Columns that begin with _ (_totp_nonce, _password_sha256, ...) reach no client, whatever its key.
ACCOUNT = ClassSchema(
    "ModerationPanelAccount",
    column_types(
        name="String", role="String", disabled="Boolean", needsNewPassword="Boolean",
        preferences="Object", seenAt="Date", changeNumber="Number", settledNumber="Number",
    ),
    permissions=NOBODY,
)  # fmt: skip
SESSION = ClassSchema(
    "ModerationPanelSession",
    {"user": ColumnType("Pointer", "_User")}
    | column_types(
        seenAt="Date", expiresAt="Date", address="String", userAgent="String",
        needsSecondFactor="Boolean",
    ),
    permissions=NOBODY,
)  # fmt: skip
TEAM_LOG = ClassSchema(
    "ModerationTeamLog",
    column_types(
        number="Number", by="String", action="String", user="String", name="String", role="String"
    ),
    permissions=NOBODY,
)
_MODERATOR = ClassSchema("_User", {"isModerator": ColumnType("Boolean")})
_CLASSES: Sequence[OwnClass] = (
    (ACCOUNT, []),
    (SESSION, [Index("user", ("user",)), Index("expires", ("expiresAt",))]),
    (TEAM_LOG, [Index("number", ("number",))]),
    (_MODERATOR, [Index("moderators", ("isModerator",))]),
)

_MOST_MEMBERS = 1_000


class PanelTables:
    """Reads and writes rows of users and accounts; thread-safe. Raises StoreUnavailable."""

    def __init__(self, database: Database, schemas: Schemas, parse: ParseObjects) -> None:
        self.objects, self.parse = database.objects, parse
        self.schemas = schemas
        self._declare = Declaration(database.objects, schemas, *_CLASSES)

    def declare(self) -> None:
        """Make the classes and their indexes, once; before the first row is written or sought."""
        self.parse.prepare()
        self._declare()

    # --- users ---------------------------------------------------------------------------------

    def user(self, user_id: str) -> Document | None:
        """Return a Parse user."""
        return self.objects.get(self.parse.user_schema(), user_id)

    def user_named(self, name: str) -> Document | None:
        """Return the Parse user who logs in with this name, or address of e-mail."""
        for column in ("username", "email"):
            found = self._users(Equals(column, name))
            if found:
                return found[0]
        return None

    def users(self, user_ids: list[str]) -> list[Document]:
        """Return the Parse users that there are of these."""
        return self._users(OneOf("objectId", tuple(user_ids))) if user_ids else []

    def moderators(self) -> list[Document]:
        """Return every Parse user who is a moderator."""
        self.declare()
        return self._users(Equals("isModerator", True))

    def make_moderator(self, user_id: str, *, moderates: bool) -> None:
        """Have the whole app take a user for a moderator, or no longer."""
        self.declare()
        self.objects.update(
            self.parse.user_schema(),
            Equals("objectId", user_id),
            {"isModerator": Set(moderates), "updatedAt": Set(utc_now())},
        )

    def _users(self, where: Condition) -> list[Document]:
        return self.objects.find(self.parse.user_schema(), Query(where, limit=_MOST_MEMBERS))

    # --- accounts ------------------------------------------------------------------------------

    def account(self, user_id: str) -> Document:
        """Return a user's account; an empty one for who has none yet."""
        return self.objects.get(ACCOUNT, user_id) or {}

    def accounts(self) -> list[Document]:
        """Return all accounts."""
        return self.objects.find(ACCOUNT, Query(limit=_MOST_MEMBERS))

    def change_account(
        self, user_id: str, operations: dict[str, Operation], *guards: Condition
    ) -> bool:
        """Change a user's account where the guards hold. False: they do not."""
        self.declare()
        self._make_account(user_id)
        where = All((Equals("objectId", user_id), *guards))
        operations = {**operations, "updatedAt": Set(utc_now())}
        return self.objects.update(ACCOUNT, where, operations) is not None

    def _make_account(self, user_id: str) -> None:
        """Its id is the user's, so there is one each."""
        if self.objects.get(ACCOUNT, user_id) is not None:
            return
        now = utc_now()
        account = {"objectId": user_id, "createdAt": now, "updatedAt": now, "ACL": {}}
        try:
            self.objects.insert(ACCOUNT, account)
        except DuplicateObject:  # another process was faster
            return


def may_use_panel(user: Document, account: Document) -> bool:
    """Whether a user is a moderator whom nobody has shut out; an empty ACL shuts out of Parse."""
    is_moderator = user.get("isModerator") is True and user.get("ACL") != {}
    return is_moderator and account.get("disabled") is not True


def user_pointer(user_id: str) -> Pointer:
    """How rows name a user."""
    return Pointer("_User", user_id)
