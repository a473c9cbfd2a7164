"""Addresses of e-mail that users have shown to be theirs, by a link that was mailed there."""

from datetime import datetime
from hmac import compare_digest
from typing import Any

from cloud.clock import utc_now
from cloud.operations import Delete, Set
from server.mail.port import Mail
from server.objects.account_mails import AccountMails, new_token
from server.objects.account_options import AccountOptions
from server.objects.resets import EXPIRES as RESET_EXPIRES
from server.objects.resets import TOKEN as RESET_TOKEN
from server.objects.resets import InvalidLink, SaveUser, read_email
from server.objects.save import ClassRules, Save, Saved
from server.objects.users import Users
from server.parse.errors import EMAIL_NOT_FOUND, OBJECT_NOT_FOUND, OTHER_CAUSE, ParseError
from server.storage.port import Document, Equals

TOKEN, EXPIRES = "_email_verify_token", "_email_verify_token_expires_at"


class VerificationRules(ClassRules):
    """A new address of _User is not verified, and is sent a link."""

    def __init__(self, mails: AccountMails, options: AccountOptions) -> None:
        self._mails, self._options = mails, options

    def finish(self, save: Save) -> None:
        """See ClassRules."""
        if not save.creates and self._is_new_address(save):
            # What was mailed to the old address is good no more.
            save.changes |= dict.fromkeys((TOKEN, EXPIRES, RESET_TOKEN, RESET_EXPIRES), Delete())
        if not self._options.verifies_emails:
            return
        if self._is_new_address(save) and save.value("email") is not None:
            token = save.notes[TOKEN] = new_token()
            expires_at = utc_now() + self._options.verification_lasts
            save.changes |= {TOKEN: Set(token), EXPIRES: Set(expires_at)}
            if "emailVerified" not in save.changed_by_trigger:
                save.changes["emailVerified"] = Set(False)
        elif save.value("emailVerified") is True and not save.creates:
            save.changes |= dict.fromkeys((TOKEN, EXPIRES), Delete())

    def stored(self, save: Save, saved: Saved) -> Saved:
        """See ClassRules; the save holds also if there is no room for the mail, which is logged."""
        token, email = save.notes.get(TOKEN), save.value("email")
        if token is not None and email is not None:
            mail = self._mails.verification(email, token)
            self._mails.post_or_log(
                "email verification", lambda: mail if self._mails.may_mail(email) else None
            )
        return saved

    @staticmethod
    def _is_new_address(save: Save) -> bool:
        original = {} if save.original is None else save.original
        return "email" in save.changes and save.value("email") != original.get("email")


class EmailVerification:
    """Honours the links, and mails them again; thread-safe."""

    def __init__(
        self, users: Users, mails: AccountMails, options: AccountOptions, save: SaveUser
    ) -> None:
        self._users, self._mails, self._options, self._save = users, mails, options, save

    def request(self, email: Any) -> None:
        """Mail another link, if the address is somebody's and not verified.

        Raises ParseError 1, 204, 125, and where the options tell unknown addresses, 205 and -1.
        """
        self._mails.require()
        address = read_email(email)
        if self._options.tells_who_can_verify:
            user = self._users.find_by_name(None, address)
            if user is None:
                raise ParseError(EMAIL_NOT_FOUND, f"No user found with email {address}")
            if user.get("emailVerified"):
                raise ParseError(OTHER_CAUSE, f"Email {address} is already verified.")
        self._mails.post("email verification", lambda: self._compose(address))

    def request_by_link(self, token: str) -> None:
        """Mail another link in place of one that has expired. Raises InvalidLink, ParseError."""
        user = self._find(token)
        address = user.get("email")
        if not address:
            raise InvalidLink
        self._mails.post("email verification", lambda: self._compose(address))

    def verify(self, token: str) -> bool:
        """Take the address that a link was mailed to for verified. False: it has expired.

        Raises InvalidLink, also for a link that was good once.
        """
        user = self._find(token)
        expires_at = user.get(EXPIRES)
        if not isinstance(expires_at, datetime) or expires_at <= utc_now():
            return False
        try:
            self._save(user["objectId"], {"emailVerified": Set(True)}, Equals(TOKEN, token))
        except ParseError as error:
            if error.code == OBJECT_NOT_FOUND:  # used meanwhile
                raise InvalidLink from None
            raise
        return True

    def _find(self, token: str) -> Document:
        user = self._users.find_by_token(TOKEN, token) if self._options.verifies_emails else None
        if user is None or not compare_digest(str(user[TOKEN]).encode(), token.encode()):
            raise InvalidLink
        return user

    def _compose(self, address: str) -> Mail | None:
        user = self._users.find_by_name(None, address)
        if user is None or user.get("emailVerified") or not self._options.verifies_emails:
            return None
        if not self._mails.may_mail(address):
            return None
        token = new_token()
        expires_at = utc_now() + self._options.verification_lasts
        changes = {TOKEN: Set(token), EXPIRES: Set(expires_at)}
        changed = self._users.change(user["objectId"], changes, Equals("email", address))
        return None if changed is None else self._mails.verification(address, token)
