"""The rules of _User: sign-up, what a user may change, and which names are taken."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.operations import Change, Delete, Set
from server.objects.access import both
from server.objects.account_options import AccountOptions
from server.objects.identity import new_object_id
from server.objects.password_policy import PasswordPolicy
from server.objects.passwords import hash_password
from server.objects.save import ClassRules, Save, Saved
from server.objects.sessions import Sessions
from server.objects.users import Users
from server.parse.errors import (
    ACCOUNT_ALREADY_LINKED,
    EMAIL_TAKEN,
    INVALID_EMAIL_ADDRESS,
    OPERATION_FORBIDDEN,
    PASSWORD_MISSING,
    UNSUPPORTED_SERVICE,
    USERNAME_MISSING,
    USERNAME_TAKEN,
    ParseError,
    duplicate_value,
)
from server.storage.port import Database, Document, DuplicateObject, Equals

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


class UserRules(ClassRules):
    """The ClassRules of _User."""

    def __init__(
        self, database: Database, users: Users, sessions: Sessions, options: AccountOptions
    ) -> None:
        self._database, self._users = database, users
        self._sessions, self._options = sessions, options

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
        """End the sessions of who is gone."""
        self._sessions.end_all_of(document["objectId"])

    def _refuse_taken(self, save: Save, column: str) -> None:
        if self._users.is_taken(column, save.value(column), by_other_than=save.object_id):
            raise _taken(column)

    def _refuse_linked(self, save: Save) -> None:
        auth_data = save.value("authData") or {}
        if self._users.with_auth_data(auth_data, other_than=save.object_id) is not None:
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


def _taken(column: str) -> ParseError:
    code, message = _TAKEN[column]
    return ParseError(code, message)


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
