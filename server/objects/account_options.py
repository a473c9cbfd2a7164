"""What an app asks of its users' accounts."""

from dataclasses import dataclass
from datetime import timedelta

from config import Settings


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """As Parse Server's options of these names have it, off unless said."""

    verifies_emails: bool = False
    login_needs_verified_email: bool = False
    verification_lasts: timedelta = timedelta(days=1)
    tells_who_can_verify: bool = False
    reset_lasts: timedelta = timedelta(hours=1)
    tells_who_can_reset: bool = False
    reset_unlocks: bool = False


def account_options(settings: Settings) -> AccountOptions:
    """Read them from the settings."""
    return AccountOptions(
        verifies_emails=settings.verify_user_emails,
        login_needs_verified_email=settings.prevent_login_with_unverified_email,
        verification_lasts=timedelta(seconds=settings.email_verify_token_validity),
        tells_who_can_verify=not settings.email_verify_success_on_invalid_email,
        reset_lasts=timedelta(seconds=settings.password_reset_token_validity),
        tells_who_can_reset=not settings.password_reset_success_on_invalid_email,
        reset_unlocks=settings.account_lockout_unlock_on_password_reset,
    )
