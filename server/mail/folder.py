"""Mails into a folder, while developing."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from server.mail.message import to_message
from server.mail.port import Mail, MailNotSent


class FolderMailer:
    """The Mailer that writes each mail into a file of its own, for its owner's eyes alone."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder, self._sender = folder, sender

    def send(self, mail: Mail) -> str:
        """See Mailer; the path of the file, whose end is `.eml`."""
        message = to_message(mail, self._sender)
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.eml"
        path = self._folder / name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.touch(mode=0o600)
            part.write_bytes(message.as_bytes())
            part.rename(path)
        except OSError as error:
            problem = f"{self._folder} cannot be written to: {error.strerror}"
            raise MailNotSent(problem, is_final=False) from None
        return str(path)
