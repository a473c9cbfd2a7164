"""What the server asks of whoever carries its mails."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person; its text may hold a secret."""

    to: str
    subject: str
    text: str = field(repr=False)


class MailNotSent(Exception):
    """A mail did not go out; `str(error)` says why and tells neither its address nor its text.

    `is_final`: it would not at another try either.
    """

    def __init__(self, problem: str, *, is_final: bool) -> None:
        self.is_final = is_final
        super().__init__(problem)


class Mailer(Protocol):
    """Carries mails; thread-safe."""

    def send(self, mail: Mail) -> str:
        """Send the mail, within the mailer's own time; return where it went, for the log.

        Raises MailNotSent, also for an address that is none.
        """
