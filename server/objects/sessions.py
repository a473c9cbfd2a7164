"""Logins that last: session tokens, made, found and ended."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from cloud.clock import utc_now
from cloud.operations import Set
from cloud.values import Pointer
from server.objects.identity import new_object_id
from server.objects.save import ClassRules, Save, Saved
from server.objects.schemas import Schemas
from server.objects.system_classes import SYSTEM_CLASSES, with_tokens
from server.parse.errors import INVALID_KEY_NAME, INVALID_SESSION_TOKEN, ParseError
from server.storage.port import All, Database, Differs, Document, Equals, Index, OneOf, Query

INDEXES = [Index("session_token_1", ("sessionToken",)), Index("user_1", ("user",))]

_SESSION = SYSTEM_CLASSES["_Session"]


class Sessions:
    """The rows of _Session, as Parse Server writes them."""

    def __init__(self, database: Database, schemas: Schemas, *, length_s: int) -> None:
        self._database, self._schemas, self._length_s = database, schemas, length_s

    def start(
        self, user_id: str, installation_id: str | None, *, action: str, provider: str | None
    ) -> str:
        """Log a user in; returns the token. An older session of the same installation ends."""
        created_with = {"action": action}
        if provider is not None:
            created_with["authProvider"] = provider
        session = new_session(
            user_id, installation_id, length_s=self._length_s, created_with=created_with
        )
        now = utc_now()
        document = {"objectId": new_object_id(), "createdAt": now, "updatedAt": now, **session}
        schema = self._schemas.ensure("_Session")
        self._database.objects.insert(schema, document)
        token: str = session["sessionToken"]
        if installation_id is not None:
            same = [
                Equals("user", session["user"]),
                Equals("installationId", installation_id),
            ]
            older = All((*same, Differs("sessionToken", token)))
            self._database.objects.delete(schema, older)
        return token

    def find(self, token: str) -> Document:
        """Return the session of a token. Raises ParseError 209 for an unknown or expired one."""
        rows = self._database.objects.find(_SESSION, Query(Equals("sessionToken", token), limit=1))
        if not rows:
            raise _invalid("Invalid session token")
        if _has_expired(rows[0]):
            raise _invalid("Session token is expired.")
        return rows[0]

    def lasting(self, tokens: Sequence[str]) -> set[str]:
        """Return which of the tokens stand for a session that has not expired."""
        rows = self._database.objects.find(_SESSION, Query(OneOf("sessionToken", tuple(tokens))))
        return {row["sessionToken"] for row in rows if not _has_expired(row)}

    def user_of(self, token: str) -> Document:
        """Return the user that a token stands for. Raises ParseError 209."""
        user = self.find(token).get("user")
        schema = self._schemas.find("_User")
        found = None
        if isinstance(user, Pointer) and schema is not None:
            found = self._database.objects.get(schema, user.object_id)
        if found is None:
            raise _invalid("Invalid session token")
        return found

    def user_of_legacy(self, token: str) -> Document:
        """Return the user of a token of before 2015, which stands in the user's row, not in one of
        a session. Raises ParseError 209."""
        schema = self._schemas.find("_User")
        query = Query(Equals("sessionToken", token), limit=1)
        found = self._database.objects.find(with_tokens(schema), query) if schema else []
        if not found:
            raise _invalid("Invalid session token")
        return found[0]

    def end(self, token: str) -> Document | None:
        """Log a session out; returns it, None where it had ended already."""
        where = Equals("sessionToken", token)
        found = self._database.objects.find(_SESSION, Query(where, limit=1))
        ended = self._database.objects.delete(_SESSION, where)
        return found[0] if found and ended else None

    def end_all_of(self, user_id: str) -> None:
        """Log a user out everywhere."""
        self._database.objects.delete(_SESSION, Equals("user", Pointer("_User", user_id)))


def new_session(
    user_id: str,
    installation_id: str | None,
    *,
    length_s: int,
    created_with: Mapping[str, str],
) -> dict[str, Any]:
    """The columns of a new session, with a token that nobody can guess."""
    session: dict[str, Any] = {
        "sessionToken": f"r:{secrets.token_hex(16)}",
        "user": Pointer("_User", user_id),
        "createdWith": dict(created_with),
        "expiresAt": utc_now() + timedelta(seconds=length_s),
    }
    if installation_id is not None:
        session["installationId"] = installation_id
    return session


def _has_expired(session: Document) -> bool:
    expires_at: Any = session.get("expiresAt")
    return isinstance(expires_at, datetime) and expires_at <= utc_now()


def _invalid(message: str) -> ParseError:
    return ParseError(INVALID_SESSION_TOKEN, message)


_OF_THE_SERVER = ("user", "sessionToken", "expiresAt", "createdWith", "installationId")
# What not even the master key changes.
_FIXED = ("installationId", "sessionToken")


class SessionRules(ClassRules):
    """A client may do little to a row that is a login."""

    def __init__(self, length_s: int) -> None:
        self._length_s = length_s

    def check(self, save: Save) -> None:
        """See ClassRules."""
        if "ACL" in save.changes:
            raise ParseError(INVALID_KEY_NAME, "Cannot set ACL on a Session.")
        if not save.creates:
            _refuse_changes(save)
        elif not save.caller.master:
            self._complete(save)

    def stored(self, save: Save, saved: Saved) -> Saved:
        """See ClassRules."""
        if not save.creates:
            return saved
        session = {name: value for name, value in saved.document.items() if name in _OF_THE_SERVER}
        return replace(saved, news=session)

    def _complete(self, save: Save) -> None:
        """Make the login that a user asks for; whose, and for how long, is not for him to say."""
        if save.caller.user_id is None:
            raise _invalid("Session token required.")
        session = new_session(
            save.caller.user_id,
            save.caller.installation_id,
            length_s=self._length_s,
            created_with={"action": "create"},
        )
        installation = save.value("installationId")
        if isinstance(installation, str):
            session["installationId"] = installation
        for path in list(save.changes):
            if path.partition(".")[0] in _OF_THE_SERVER:
                del save.changes[path]
        save.changes |= {name: Set(value) for name, value in session.items()}


def _refuse_changes(save: Save) -> None:
    if save.original is not None and save.value("user") == save.original.get("user"):
        save.changes.pop("user", None)  # which some SDKs send along
    changed = {path.partition(".")[0] for path in save.changes}
    for column in _FIXED if save.caller.master else _OF_THE_SERVER:
        if column in changed:
            raise ParseError(INVALID_KEY_NAME, f"Invalid key name: {column}")
