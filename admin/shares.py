"""Counts, and shares of a whole in whole percent with their intervals."""

from babel.numbers import format_decimal

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
    return f"{round(share.value * 100)}\N{NO-BREAK SPACE}%"


def interval(share: Proportion) -> str:
    """`34–74 %`, where the true value lies in 95 of 100 cases."""  # noqa: RUF002
    low, high = (round(end * 100) for end in share.interval)
    return f"{low}\N{EN DASH}{high}\N{NO-BREAK SPACE}%"
