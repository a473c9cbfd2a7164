"""What users are mailed about their accounts, in Parse Server's words, and the links in it."""

import logging
import re
import secrets
import string
from collections.abc import Callable
from urllib.parse import quote, urlencode

from admin.ports.sign_ins import LockedOut
from cloud.clock import utc_now
from server.mail.port import Mail
from server.mail.queue import MailQueue, MailQueueFull
from server.objects.lockout import Key, Lockout
from server.parse.errors import INTERNAL_SERVER_ERROR, REQUEST_LIMIT_EXCEEDED, ParseError
from server.storage.port import Document

logger = logging.getLogger(__name__)

# About 149 bits: nobody guesses one.
_TOKEN_LENGTH = 25
_ALPHABET = string.ascii_letters + string.digits
# Other names are left out: they could be somebody's advertisement, mailed by us to a stranger.
_PLAIN_NAME = re.compile(r"[\w-]{1,40}")


def new_token() -> str:
    """A token as Parse Server makes them for mails."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


class AccountMails:
    """Composes the mails and hands them to the queue, if there is one; thread-safe."""

    def __init__(
        self, queue: MailQueue | None, lockout: Lockout, *, app_name: str, app_id: str, url: str
    ) -> None:
        """`url` is that of the Parse API, for links."""
        self._queue, self._lockout, self._app_name = queue, lockout, app_name
        self._pages = f"{url}/apps/{quote(app_id, safe='')}" if url else ""

    def require(self) -> None:
        """Raise ParseError 1 if no mail can be sent; with status 400, for SDKs repeat a 500."""
        if self._queue is None or not self._pages:
            raise ParseError(
                INTERNAL_SERVER_ERROR,
                "An appName, publicServerURL, and emailAdapter are required for password reset "
                "and email verification functionality.",
                400,
            )

    def post(self, what: str, compose: Callable[[], Mail | None]) -> None:
        """Have a mail composed and sent in the background; whether there is one to
        send is found out there as well, so that nobody learns it from how long this takes.

        Raises ParseError 1, and 155 while too many wait.
        """
        self.require()
        assert self._queue is not None  # noqa: S101 - as `require` says
        try:
            self._queue.post(what, compose)
        except MailQueueFull:
            message = "Too many mails wait to be sent. Try again later."
            raise ParseError(REQUEST_LIMIT_EXCEEDED, message) from None

    def post_or_log(self, what: str, compose: Callable[[], Mail | None]) -> None:
        """Do as `post` for a mail without which things go on: that it cannot be sent is logged."""
        try:
            self.post(what, compose)
        except ParseError as error:
            logger.error("a mail (%s) is not sent: %s", what, error)

    def may_mail(self, email: str) -> bool:
        """Count a mail to somebody's address; False once as many went there as may be."""
        try:
            self._lockout.spend(Key(f"mail {email.strip().casefold()}"), utc_now())
        except LockedOut:
            logger.warning("a mail is not sent: too many went to the same address")
            return False
        return True

    def reset(self, user: Document, token: str) -> Mail:
        """The mail whose link leads to a form for a new password."""
        name = user.get("username")
        is_plain = isinstance(name, str) and _PLAIN_NAME.fullmatch(name)
        hint = f" (your username is '{name}')" if is_plain else ""
        return Mail(
            user.get("email") or name or "",
            f"Password Reset for {self._app_name}",
            f"Hi,\n\nYou requested to reset your password for {self._app_name}{hint}.\n\n"
            f"Click here to reset it:\n{self._link('request_password_reset', token)}\n",
        )

    def verification(self, email: str, token: str) -> Mail:
        """The mail whose link verifies the address that it went to."""
        return Mail(
            email,
            f"Please verify your e-mail for {self._app_name}",
            f"Hi,\n\nYou are being asked to confirm the e-mail address {email} with "
            f"{self._app_name}\n\n"
            f"Click here to confirm it:\n{self._link('verify_email', token)}\n",
        )

    def _link(self, page: str, token: str) -> str:
        return f"{self._pages}/{page}?{urlencode({'token': token})}"
