"""Mails through an SMTP server."""

import smtplib
import ssl
from dataclasses import dataclass, field
from typing import Literal

from server.mail.message import to_message
from server.mail.port import Mail, MailNotSent

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where it is, and who we are to it; without a username nobody logs in."""

    host: str
    port: int
    security: Security
    username: str
    password: str = field(repr=False)
    timeout_s: float
    """For each step of the exchange."""


class SmtpMailer:
    """The Mailer through an SMTP server, whose certificate must be good unless security is none."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server, self._sender = server, sender
        self._tls = ssl.create_default_context()

    def send(self, mail: Mail) -> str:
        """See Mailer."""
        message = to_message(mail, self._sender)
        try:
            with self._connect() as connection:
                connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
            raise _not_sent(f"the recipient was refused with {code}", code) from None
        except smtplib.SMTPResponseException as error:
            problem = f"{type(error).__name__}: the server answered {error.smtp_code}"
            raise _not_sent(problem, error.smtp_code) from None
        except smtplib.SMTPNotSupportedError as error:
            raise MailNotSent(str(error), is_final=True) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent(f"{type(error).__name__}: {error}", is_final=False) from None
        return f"{self._server.host}:{self._server.port}"

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        place = (server.host, server.port)
        if server.security == "tls":
            return self._logged_in(
                smtplib.SMTP_SSL(*place, timeout=server.timeout_s, context=self._tls)
            )
        return self._logged_in(smtplib.SMTP(*place, timeout=server.timeout_s))

    def _logged_in(self, connection: smtplib.SMTP) -> smtplib.SMTP:
        try:
            if self._server.security == "starttls":
                connection.starttls(context=self._tls)
            if self._server.username:
                connection.login(self._server.username, self._server.password)
        except BaseException:
            connection.close()
            raise
        return connection


def _not_sent(problem: str, code: int) -> MailNotSent:
    """A reply of 5xx is final, one of 4xx is not (RFC 5321, 4.2.1)."""
    return MailNotSent(problem, is_final=code >= 500)
