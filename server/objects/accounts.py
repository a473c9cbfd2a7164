"""Joins what the users' accounts need, out of the settings."""

from dataclasses import dataclass

from config import Settings
from server.mail.queue import MailQueue
from server.objects.account_mails import AccountMails
from server.objects.account_options import AccountOptions, account_options
from server.objects.lockout import Lockout, make_lockout
from server.objects.schemas import Schemas
from server.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class Accounts:
    """What is asked of accounts, who counts guesses, and who mails users."""

    options: AccountOptions
    lockout: Lockout
    mails: AccountMails


def make_accounts(
    settings: Settings,
    objects: ObjectStore,
    schemas: Schemas,
    secret: bytes,
    queue: MailQueue | None = None,
) -> Accounts:
    """Join them; `secret` is the server's key, and without a queue no mails are sent."""
    lockout = make_lockout(settings, objects, schemas, secret)
    mails = AccountMails(
        queue,
        lockout,
        app_name=settings.app_name,
        app_id=settings.app_id,
        url=settings.mailed_url,
    )
    return Accounts(account_options(settings), lockout, mails)
