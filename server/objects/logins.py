"""Logging in: who a name and a password, or an auth provider's id, stand for; counted tries."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from math import ceil
from typing import Any

from admin.ports.sign_ins import LockedOut
from cloud.clock import utc_now
from cloud.operations import Change, Delete, Set
from server.auth import Caller
from server.objects.account_options import AccountOptions
from server.objects.lockout import Key, Lockout, Try, account_key, address_key
from server.objects.login_triggers import LoginTriggers
from server.objects.password_policy import CHANGED_AT
from server.objects.passwords import is_password
from server.objects.sessions import Sessions
from server.objects.triggers import ContextOf
from server.objects.user_rules import check_auth_data
from server.objects.users import Users
from server.parse.errors import (
    EMAIL_NOT_FOUND,
    INVALID_VALUE,
    OBJECT_NOT_FOUND,
    OPERATION_FORBIDDEN,
    PASSWORD_MISSING,
    UNSUPPORTED_SERVICE,
    USERNAME_MISSING,
    ParseError,
)
from server.storage.port import Document, Exists


class Logins:
    """Finds out who is calling, and starts sessions; thread-safe."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        lockout: Lockout,
        options: AccountOptions,
        context_of: ContextOf,
    ) -> None:
        self._users, self._sessions = users, sessions
        self._lockout, self._options = lockout, options
        self._context_of = context_of

    def log_in(
        self, caller: Caller, params: Mapping[str, Any], context: Mapping[str, Any]
    ) -> tuple[Document, str]:
        """Return the user and a new session's token; the client's `context` reaches the triggers.

        Raises ParseError 101, 200, 201, 205, 252.
        """
        if params.get("authData"):  # of a second factor, say
            raise ParseError(UNSUPPORTED_SERVICE, "This authentication method is unsupported.")
        triggers = LoginTriggers(self._context_of, caller, context)
        user = self.with_password(caller, params)
        self._refuse_old_password(user)
        token = self._begin(caller, user, triggers, provider="password")
        if self._users.has_another_password(user):  # changed while we compared the old one
            self._sessions.end(token)
            raise _wrong_password()
        triggers.after_login(user, token)
        return user, token

    def log_out(self, caller: Caller, context: Mapping[str, Any]) -> None:
        """End the caller's session, if it has not ended already."""
        session = self._sessions.end(caller.session_token) if caller.session_token else None
        if session is not None:
            LoginTriggers(self._context_of, caller, context).after_logout(session)

    def log_in_with_auth_data(
        self, caller: Caller, changes: Mapping[str, Change], context: Mapping[str, Any]
    ) -> tuple[Document, str] | None:
        """Log in the user whom `authData` of a sign-up belongs to already, if there is one."""
        change = changes.get("authData")
        auth_data = change.value if isinstance(change, Set) else None
        if not isinstance(auth_data, dict):
            return None
        caller.require_write()
        user = self.known_by(auth_data)
        if user is None:
            return None
        triggers = LoginTriggers(self._context_of, caller, context)
        return user, self._begin(caller, user, triggers, provider="anonymous")

    def known_by(self, auth_data: Mapping[str, Any]) -> Document | None:
        """Return the user whom an auth provider's id belongs to, unless locked out.

        Raises ParseError 252 for a provider that is not `anonymous`.
        """
        check_auth_data({"authData": Set(dict(auth_data))})
        user = self._users.with_auth_data(auth_data)
        return None if user is None or user.get("ACL") == {} else user

    def _begin(
        self, caller: Caller, user: Document, triggers: LoginTriggers, *, provider: str
    ) -> str:
        """Start the session of a user who is known now: every login but `log_in_as` ends here."""
        triggers.before_login(user)
        return self._sessions.start(
            user["objectId"], caller.installation_id, action="login", provider=provider
        )

    def log_in_as(self, caller: Caller, user_id: Any) -> tuple[Document, str]:
        """Start a session for another user, as the master key may.

        Raises ParseError 119 without it, 162 without an id, 101 for an unknown one.
        """
        if not caller.master:
            raise ParseError(OPERATION_FORBIDDEN, "master key is required")
        caller.require_write()
        if not user_id:
            raise ParseError(INVALID_VALUE, "userId must not be empty, null, or undefined")
        user = self._users.get(user_id) if isinstance(user_id, str) else None
        if user is None:
            raise ParseError(OBJECT_NOT_FOUND, "user not found")
        token = self._sessions.start(
            user_id, caller.installation_id, action="login", provider="masterkey"
        )
        return user, token

    def upgrade(self, caller: Caller) -> Document:
        """Return a new session of the caller; a token of before 2015 (no `r:`) counts no more.

        Raises ParseError 101 for nobody.
        """
        if caller.user is None:
            raise ParseError(OBJECT_NOT_FOUND, "invalid session")
        user_id = caller.user["objectId"]
        token = self._sessions.start(
            user_id, caller.installation_id, action="upgrade", provider=None
        )
        self._users.change(user_id, {"sessionToken": Delete()})
        return self._sessions.find(token)

    def with_password(self, caller: Caller, params: Mapping[str, Any]) -> Document:
        """Return the user whom name and password fit; every wrong pair is answered alike.

        Alike in words and in time, and counted before the password is looked at. Raises
        ParseError 200, 201, 101 for a wrong pair or after too many, and for a right one 205 where
        the address of e-mail must be verified first.
        """
        name, email, password = (params.get(key) for key in ("username", "email", "password"))
        if not name and not email:
            raise ParseError(USERNAME_MISSING, "username/email is required.")
        if not password:
            raise ParseError(PASSWORD_MISSING, "password is required.")
        given = [value for value in (name, email, password) if value]
        if not all(isinstance(value, str) for value in given):
            raise _wrong_password()
        user, now = self._users.find_by_name(name, email), utc_now()
        account = account_key(None if user is None else user["objectId"], str(name or email))
        tried = self._count((account, address_key(caller.ip)), now)
        hashed = None if user is None else user.get("_hashed_password")
        if not is_password(str(password), hashed) or user is None or user.get("ACL") == {}:
            with suppress(LockedOut):  # the next one is told
                self._lockout.wrong(tried, now)
            raise _wrong_password()
        self._lockout.right(tried, now)
        if not (caller.master and params.get("ignoreEmailVerification")):
            self._refuse_unverified(user)
        return user

    def _refuse_unverified(self, user: Document) -> None:
        if self._options.login_needs_verified_email and user.get("emailVerified") is not True:
            raise ParseError(EMAIL_NOT_FOUND, "User email is not verified.")

    def _refuse_old_password(self, user: Document) -> None:
        """Raise ParseError 101 for a password that is too old; one of unknown age ages from now."""
        policy = self._options.passwords
        if policy.max_age is None:
            return
        changed_at = user.get(CHANGED_AT)
        if isinstance(changed_at, datetime):
            policy.check_age(changed_at)
        else:
            unknown = Exists(CHANGED_AT, exists=False)
            self._users.change(user["objectId"], {CHANGED_AT: Set(utc_now())}, unknown)

    def _count(self, keys: tuple[Key, ...], now: datetime) -> Try:
        try:
            return self._lockout.begin(keys, now)
        except LockedOut as locked:
            minutes = max(1, ceil((locked.until - utc_now()).total_seconds() / 60))
            message = (
                "Your account is locked due to multiple failed login attempts. "
                f"Please try again after {minutes} minute(s)"
            )
            raise ParseError(OBJECT_NOT_FOUND, message) from locked


def _wrong_password() -> ParseError:
    return ParseError(OBJECT_NOT_FOUND, "Invalid username/password.")
