"""Counts, and shares of a whole in whole percent with their intervals."""

from babel.numbers import format_decimal, format_percent

from admin.texts import locale
from cloud.moderation.policy_quality import Proportion

NONE = "—"


def count(number: float) -> str:
    """A whole number; small ones, of which a page has hundreds, without asking Babel."""
    whole = round(number)
    return str(whole) if -1000 < whole < 1000 else str(format_decimal(whole, locale=locale()))


def percent(share: Proportion) -> str:
    """`55 %`; a dash of nothing."""
    if share.value is None:
        return NONE
    return str(format_percent(share.value, "#,##0 %", locale=locale()))


def interval(share: Proportion) -> str:
    """`34–74 %`, where the true value lies in 95 of 100 cases."""  # noqa: RUF002
    low, high = (str(format_decimal(end * 100, "0", locale=locale())) for end in share.interval)
    return f"{low}–{high} %"  # noqa: RUF001
