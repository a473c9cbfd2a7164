"""Passwords that are forgotten: a link by mail, good once and for a while, sets another."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Any

from cloud.clock import utc_now
from cloud.operations import Change, Set
from server.mail.port import Mail
from server.objects.account_mails import new_token
from server.objects.accounts import Accounts
from server.objects.lockout import account_key
from server.objects.users import Users
from server.parse.errors import (
    EMAIL_MISSING,
    INVALID_EMAIL_ADDRESS,
    OBJECT_NOT_FOUND,
    ParseError,
)
from server.storage.port import Condition, Document, Equals

logger = logging.getLogger(__name__)

TOKEN, EXPIRES = "_perishable_token", "_perishable_token_expires_at"

SaveUser = Callable[[str, Mapping[str, Change], Condition], None]
"""Saves a user with all rights, where the condition holds. Raises ParseError 101 elsewhere."""


class InvalidLink(Exception):
    """A link that is not, or no longer, good for anything."""


def read_email(email: Any) -> str:
    """Return the address that a request names. Raises ParseError 204, 125."""
    if not email:
        raise ParseError(EMAIL_MISSING, "you must provide an email")
    if not isinstance(email, str):
        raise ParseError(INVALID_EMAIL_ADDRESS, "you must provide a valid email string")
    return email


class PasswordResets:
    """Mails the links and honours them; thread-safe."""

    def __init__(self, users: Users, accounts: Accounts, save: SaveUser) -> None:
        self._users, self._save = users, save
        self._mails, self._lockout = accounts.mails, accounts.lockout
        self._options = accounts.options

    def request(self, email: Any, before: Callable[[Document], None]) -> None:
        """Mail a link to whom the address belongs, if to anybody; `before` may refuse by raising.

        Raises ParseError 1, 204, 125, and where the options tell unknown addresses, 101.
        """
        self._mails.require()
        address = read_email(email)
        user = self._users.find_by_mail(address)
        if user is None and self._options.tells_who_can_reset:
            raise ParseError(OBJECT_NOT_FOUND, "A user with that email does not exist.")
        if user is not None:
            before(user)
        self._mails.post("password reset", lambda: self._compose(address))

    def check(self, token: str) -> Document:
        """Return the user whom a link is for. Raises InvalidLink."""
        user = self._users.find_by_token(TOKEN, token)
        if user is None or not compare_digest(str(user[TOKEN]).encode(), token.encode()):
            raise InvalidLink
        expires_at = user.get(EXPIRES)
        if not isinstance(expires_at, datetime) or expires_at <= utc_now():
            raise InvalidLink
        return user

    def set_password(self, token: str, password: str) -> None:
        """Give the link's user another password; all sessions end, and the link with them.

        Raises InvalidLink, and ParseError where the password is refused; then the link stays good.
        """
        user = self.check(token)
        unused = Equals(TOKEN, token)
        try:
            self._save(user["objectId"], {"password": Set(password)}, unused)
        except ParseError as error:
            if error.code == OBJECT_NOT_FOUND:  # used meanwhile
                raise InvalidLink from None
            raise
        logger.info("user %s has a new password, by mail", user["objectId"])
        if self._options.reset_unlocks:
            self._lockout.forget(account_key(user["objectId"], ""))

    def _compose(self, address: str) -> Mail | None:
        user = self._users.find_by_mail(address)
        if user is None or not self._mails.may_mail(address):
            return None
        token = new_token()
        expires_at = utc_now() + self._options.reset_lasts
        self._users.change(user["objectId"], {TOKEN: Set(token), EXPIRES: Set(expires_at)})
        return self._mails.reset(user, token)
