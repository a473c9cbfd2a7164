"""Which mailer the settings ask for."""

from config import Settings
from server.mail.folder import FolderMailer
from server.mail.port import Mailer
from server.mail.queue import MailQueue
from server.mail.smtp import SmtpMailer, SmtpServer

_SENDER_WHILE_DEVELOPING = "Parsewarden <parsewarden@localhost>"


def make_mail_queue(settings: Settings) -> MailQueue | None:
    """Through SMTP_HOST; else, on this machine alone, into a folder; else there are no mails."""
    mailer = _mailer(settings)
    return None if mailer is None else MailQueue(mailer)


def _mailer(settings: Settings) -> Mailer | None:
    if settings.smtp_host:
        server = SmtpServer(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_security,
            settings.smtp_username,
            settings.smtp_password,
            settings.smtp_timeout,
        )
        return SmtpMailer(server, settings.mail_from)
    if settings.is_for_this_machine:
        sender = settings.mail_from or _SENDER_WHILE_DEVELOPING
        return FolderMailer(settings.data_dir / "mails", sender)
    return None
