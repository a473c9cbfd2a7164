"""Users as the server finds them: by what they log in with, or by what was mailed to them."""

from collections.abc import Mapping
from typing import Any

from cloud.operations import Operation
from server.auth import Caller
from server.objects.access import both
from server.objects.schemas import Schemas
from server.objects.system_classes import SYSTEM_CLASSES, with_tokens
from server.parse.errors import SESSION_MISSING, ParseError
from server.storage.port import (
    EVERYTHING,
    Condition,
    Database,
    Differs,
    Document,
    Either,
    Equals,
    Index,
    Query,
)

INDEXES = [
    Index("username_1", ("username",), unique=True),
    Index("email_1", ("email",), unique=True),
    Index("case_insensitive_username", ("username",), ignore_case=True),
    Index("case_insensitive_email", ("email",), ignore_case=True),
    Index("_email_verify_token", ("_email_verify_token",)),
    Index("_perishable_token", ("_perishable_token",)),
    Index("legacy_session_token", ("sessionToken",)),
]


def refuse_foreign(caller: Caller, user_id: str, message: str) -> None:
    """Raise ParseError 206 unless the caller is this user or has the master key."""
    if not caller.master and caller.user_id != user_id:
        raise ParseError(SESSION_MISSING, message)


class Users:
    """Finds users, and changes what the server alone keeps of them; thread-safe."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._database, self._schemas = database, schemas

    def get(self, user_id: str) -> Document | None:
        """Return the user with this id."""
        return self._find_one(Equals("objectId", user_id))

    def find_by_name(self, name: str | None, email: str | None) -> Document | None:
        """Return whom a login names: by username, by e-mail, or an e-mail in the username's place.

        As slow for nobody as for somebody.
        """
        if name and email:
            return self._find_one(both(Equals("username", name), Equals("email", email)))
        if not name:
            return self._find_one(Equals("email", email))
        by_username, by_email = (self._find_one(Equals(c, name)) for c in ("username", "email"))
        return by_username or by_email

    def find_by_mail(self, address: str) -> Document | None:
        """Return whom a mail to this address goes to: with a username for an address if need be."""
        has_no_email = both(Equals("username", address), Equals("email", None))
        return self.find_by_name(None, address) or self._find_one(has_no_email)

    def find_by_token(self, column: str, token: str) -> Document | None:
        """Return whom a token was mailed to."""
        return self._find_one(Equals(column, token)) if token else None

    def has_another_password(self, user: Document) -> bool:
        """Whether the user's password has changed since the user was read."""
        now = self.get(user["objectId"])
        return now is None or now.get("_hashed_password") != user.get("_hashed_password")

    def with_auth_data(
        self, auth_data: Mapping[str, Any], *, other_than: str | None = None
    ) -> Document | None:
        """Return the user whom one of the providers' ids belongs to."""
        identities: list[Condition] = [
            Equals(f"authData.{provider}.id", data["id"])
            for provider, data in auth_data.items()
            if data
        ]
        if not identities:
            return None
        other = EVERYTHING if other_than is None else Differs("objectId", other_than)
        return self._find_one(both(Either(tuple(identities)), other))

    def is_taken(self, column: str, value: str, *, by_other_than: str) -> bool:
        """Whether another user has this username or email, in whatever case."""
        where = both(Equals(column, value), Differs("objectId", by_other_than))
        return self._find_one(where, ignore_case=True) is not None

    def change(
        self, user_id: str, operations: Mapping[str, Operation], *guards: Condition
    ) -> Document | None:
        """Change what the server alone keeps of a user; None where the guards do not hold."""
        schema = self._schemas.ensure("_User")
        where = both(Equals("objectId", user_id), *guards)
        return self._database.objects.update(schema, where, operations)

    def _find_one(self, where: Condition, *, ignore_case: bool = False) -> Document | None:
        query = Query(where, limit=1, ignore_case=ignore_case)
        schema = with_tokens(self._schemas.find("_User") or SYSTEM_CLASSES["_User"])
        found = self._database.objects.find(schema, query)
        return found[0] if found else None
