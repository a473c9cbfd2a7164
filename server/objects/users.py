"""Users: sign-up, what a user may change, and which names are taken."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.operations import Change, Delete, Operation, Set
from server.auth import Caller
from server.objects.access import both
from server.objects.account_options import AccountOptions
from server.objects.identity import new_object_id
from server.objects.password_policy import PasswordPolicy
from server.objects.passwords import hash_password
from server.objects.save import ClassRules, Save, Saved
from server.objects.schemas import Schemas
from server.objects.sessions import Sessions
from server.objects.system_classes import SYSTEM_CLASSES, with_tokens
from server.parse.errors import (
    ACCOUNT_ALREADY_LINKED,
    EMAIL_TAKEN,
    INVALID_EMAIL_ADDRESS,
    OPERATION_FORBIDDEN,
    PASSWORD_MISSING,
    SESSION_MISSING,
    UNSUPPORTED_SERVICE,
    USERNAME_MISSING,
    USERNAME_TAKEN,
    ParseError,
    duplicate_value,
)
from server.storage.port import (
    EVERYTHING,
    Condition,
    Database,
    Differs,
    Document,
    DuplicateObject,
    Either,
    Equals,
    Index,
    Query,
)

_EMAIL = re.compile(r".+@.+", re.DOTALL)
_USERNAME_LENGTH = 25

_NOT_TEXT = {
    "username": (USERNAME_MISSING, "bad or missing username"),
    "password": (PASSWORD_MISSING, "password is required"),
    "email": (INVALID_EMAIL_ADDRESS, "Email address format is invalid."),
}
_TAKEN = {
    "username": (USERNAME_TAKEN, "Account already exists for this username."),
    "email": (EMAIL_TAKEN, "Account already exists for this email address."),
}

INDEXES = [
    Index("username_1", ("username",), unique=True),
    Index("email_1", ("email",), unique=True),
    Index("case_insensitive_username", ("username",), ignore_case=True),
    Index("case_insensitive_email", ("email",), ignore_case=True),
    Index("_email_verify_token", ("_email_verify_token",)),
    Index("_perishable_token", ("_perishable_token",)),
    Index("legacy_session_token", ("sessionToken",)),
]


def _taken(column: str) -> ParseError:
    code, message = _TAKEN[column]
    return ParseError(code, message)


def refuse_foreign(caller: Caller, user_id: str, message: str) -> None:
    """Raise ParseError 206 unless the caller is this user or has the master key."""
    if not caller.master and caller.user_id != user_id:
        raise ParseError(SESSION_MISSING, message)


class Users(ClassRules):
    """Finds users by what they log in with; the ClassRules of _User."""

    def __init__(
        self, database: Database, schemas: Schemas, sessions: Sessions, options: AccountOptions
    ) -> None:
        self._database, self._schemas = database, schemas
        self._sessions, self._options = sessions, options

    # --- finding --------------------------------------------------------------------------

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

    # --- the rules of _User: see ClassRules ------------------------------------------------

    def check(self, save: Save) -> None:
        """Refuse what a client may not ask for; complete a sign-up."""
        save.changes.pop("sessionToken", None)  # some SDKs send along what they were answered
        if not save.caller.master:
            _refuse_columns_of_the_master(save)
        _check_types(save)
        check_auth_data(save.changes)
        if save.creates:
            _complete_sign_up(save)
        _own_acl(save)

    def finish(self, save: Save) -> None:
        """Hash the password, refuse taken names, spread authData by provider."""
        _check_types(save)  # once more: the trigger was in between
        _remove_nulls(save)
        for column in ("username", "email"):
            if save.value(column) is not None:
                self._refuse_taken(save, column)
        if "password" in save.changes:
            _guard_by_password(save)
            _hash(save, self._options.passwords)
        if "authData" in save.changes:
            self._refuse_linked(save)
            _spread_auth_data(save)

    def duplicate(self, error: DuplicateObject) -> ParseError:
        """Two sign-ups at the same moment: the database let one through."""
        return _taken(error.column) if error.column in _TAKEN else duplicate_value()

    def stored(self, save: Save, saved: Saved) -> Saved:
        """Begin a session after a sign-up, end all others after a change of password."""
        if save.creates:
            self._withdraw_if_taken(save)
            is_login = not (save.from_cloud_code or save.caller.master)
            is_login = is_login and not self._waits_for_verification(save, saved)
            return self._signed_up(save, saved) if is_login else saved
        if "_hashed_password" in save.changes:
            return self._password_changed(save, saved)
        return saved

    def deleted(self, class_name: str, document: Document) -> None:
        """See ClassRules."""
        self._sessions.end_all_of(document["objectId"])

    def _refuse_taken(self, save: Save, column: str) -> None:
        where = both(Equals(column, save.value(column)), Differs("objectId", save.object_id))
        if self._find_one(where, ignore_case=True) is not None:
            raise _taken(column)

    def _refuse_linked(self, save: Save) -> None:
        auth_data = save.value("authData") or {}
        if self.with_auth_data(auth_data, other_than=save.object_id) is not None:
            raise ParseError(ACCOUNT_ALREADY_LINKED, "this auth is already used")

    def _withdraw_if_taken(self, save: Save) -> None:
        """Of two sign-ups at the same moment each may look before the other is there.

        Looking once more afterwards, at least one of them sees the other, and goes.
        """
        try:
            for column in ("username", "email"):
                if save.value(column) is not None:
                    self._refuse_taken(save, column)
            self._refuse_linked(save)
        except ParseError:
            self._database.objects.delete(save.schema, Equals("objectId", save.object_id))
            raise

    def _waits_for_verification(self, save: Save, saved: Saved) -> bool:
        """Whether a sign-up does not log in: by name and password it could not either."""
        needs_email = self._options.login_needs_verified_email and not save.value("authData")
        return needs_email and saved.document.get("emailVerified") is not True

    def _signed_up(self, save: Save, saved: Saved) -> Saved:
        auth_data = save.value("authData")
        provider = next(iter(auth_data), "password") if auth_data else "password"
        token = self._sessions.start(
            save.object_id, save.caller.installation_id, action="signup", provider=provider
        )
        news = {**saved.news, "sessionToken": token}
        if auth_data:
            news |= {"username": saved.document["username"], "authDataResponse": {}}
        return replace(saved, news=news)

    def _password_changed(self, save: Save, saved: Saved) -> Saved:
        self._sessions.end_all_of(save.object_id)
        if save.from_cloud_code or save.caller.user_id != save.object_id:
            return saved
        token = self._sessions.start(
            save.object_id, save.caller.installation_id, action="login", provider="password"
        )
        return replace(saved, news={**saved.news, "sessionToken": token})


def _refuse_columns_of_the_master(save: Save) -> None:
    columns = {path.partition(".")[0] for path in save.changes}
    if "emailVerified" in columns:
        message = "Clients aren't allowed to manually update email verification."
        raise ParseError(OPERATION_FORBIDDEN, message)
    if "isModerator" in columns:
        message = "isModerator can only be changed with the master key."
        raise ParseError(OPERATION_FORBIDDEN, message)


def _check_types(save: Save) -> None:
    """Names and password are texts, never anything else; the e-mail may be removed, and an empty
    one is none."""
    if save.changes.get("email") == Set(""):
        save.changes["email"] = Set(None)
    for path, change in save.changes.items():
        column = path.partition(".")[0]
        if column not in _NOT_TEXT or (isinstance(change, Delete) and path == "email"):
            continue
        is_text = isinstance(change, Set) and isinstance(change.value, str | None)
        if path != column or not is_text:
            raise ParseError(*_NOT_TEXT[column])
    email = save.value("email")
    if email is not None and not _EMAIL.fullmatch(email):
        raise ParseError(INVALID_EMAIL_ADDRESS, "Email address format is invalid.")


def _remove_nulls(save: Save) -> None:
    """A null would be a value that only one user can have."""
    for column in ("username", "email"):
        if save.changes.get(column) == Set(None):
            save.changes[column] = Delete()


def check_auth_data(changes: Mapping[str, Change]) -> None:
    """Raise ParseError 252 unless authData, if there is any, is what we understand."""
    change = changes.get("authData")
    if any(path.startswith("authData.") for path in changes):
        raise ParseError(UNSUPPORTED_SERVICE, "authData can only be set as a whole.")
    if change is None:
        return
    if not isinstance(change, Set) or not isinstance(change.value, dict | None):
        raise ParseError(UNSUPPORTED_SERVICE, "This authentication method is unsupported.")
    for provider, data in (change.value or {}).items():
        linked = isinstance(data, dict) and isinstance(data.get("id"), str) and bool(data["id"])
        if provider != "anonymous" or not (linked or data is None):
            raise ParseError(UNSUPPORTED_SERVICE, "This authentication method is unsupported.")


def _spread_auth_data(save: Save) -> None:
    """Set each provider's data on its own: others that are linked already stay."""
    if save.creates:
        return
    auth_data: Mapping[str, Any] = save.value("authData") or {}
    del save.changes["authData"]
    for provider, data in auth_data.items():
        change: Change = Delete() if data is None else Set(data)
        save.changes[f"authData.{provider}"] = change


def _complete_sign_up(save: Save) -> None:
    auth_data = {name: data for name, data in (save.value("authData") or {}).items() if data}
    if auth_data:
        save.changes["authData"] = Set(auth_data)
    else:
        save.changes.pop("authData", None)
        if not save.value("username"):
            raise ParseError(USERNAME_MISSING, "bad or missing username")
        if not save.value("password"):
            raise ParseError(PASSWORD_MISSING, "password is required")
    if not save.value("username"):
        save.changes["username"] = Set(new_object_id(_USERNAME_LENGTH))


def _own_acl(save: Save) -> None:
    """A user can always read and write the own row; nobody else can unless told."""
    own = {save.object_id: {"read": True, "write": True}}
    acl = save.value("ACL")
    if acl is None and (save.creates or "ACL" in save.changes):
        save.changes["ACL"] = Set(own)
    elif acl is not None and not save.caller.master:
        save.changes["ACL"] = Set({**acl, **own})


def _guard_by_password(save: Save) -> None:
    """Of two changes of a password at once one succeeds: a session that the other one ended must
    not have the last word."""
    if save.original is not None and not save.caller.master:
        same = Equals("_hashed_password", save.original.get("_hashed_password"))
        save.guard = both(save.guard, same)


def _hash(save: Save, policy: PasswordPolicy) -> None:
    password = save.value("password")
    del save.changes["password"]
    if password is None:
        save.changes["_hashed_password"] = Delete()
        return
    if not password:
        raise ParseError(PASSWORD_MISSING, "password is required.")
    policy.apply(save, password)
    save.changes["_hashed_password"] = Set(hash_password(password))
    if not save.creates:
        for column in ("_perishable_token", "_perishable_token_expires_at"):
            save.changes[column] = Delete()
