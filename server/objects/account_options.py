"""What an app asks of its users' accounts."""

import re
from dataclasses import dataclass, field
from datetime import timedelta

from config import Settings
from server.objects.password_policy import REFUSAL, PasswordPolicy


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
    passwords: PasswordPolicy = field(default_factory=PasswordPolicy)


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
        passwords=_password_policy(settings),
    )


def _password_policy(settings: Settings) -> PasswordPolicy:
    pattern, days = settings.password_policy_pattern, settings.password_policy_max_age
    return PasswordPolicy(
        min_length=settings.password_policy_min_length,
        pattern=re.compile(pattern) if pattern else None,
        refusal=settings.password_policy_validation_error or REFUSAL,
        forbids_username=settings.password_policy_do_not_allow_username,
        history=settings.password_policy_max_history,
        max_age=timedelta(days=days) if days else None,
    )
