"""`$relativeTime`, as in "in 2 hours": Parse Server's small language for moments. Pure."""

import re
from datetime import datetime, timedelta
from typing import Any

_UNITS = {
    name: seconds
    for names, seconds in {
        "yr yrs year years": 365 * 86400,
        "wk wks week weeks": 7 * 86400,
        "d day days": 86400,
        "hr hrs hour hours": 3600,
        "min mins minute minutes": 60,
        "sec secs second seconds": 1,
    }.items()
    for name in names.split()
}


def relative_date(text: Any, now: datetime) -> datetime:
    """Read "in 2 hours", "3 days 4 minutes ago" or "now".

    Raises ValueError with Parse's sentence; OverflowError for what leads out of the calendar.
    """
    words = text.lower().split() if isinstance(text, str) else []
    return now if words == ["now"] else now + _offset(words)


def _offset(words: list[str]) -> timedelta:
    is_future, is_past = words[:1] == ["in"], words[-1:] == ["ago"]
    if is_future and is_past:
        raise ValueError("Time cannot have both 'in' and 'ago'")
    if not is_future and not is_past:
        raise ValueError("Time should either start with 'in' or end with 'ago'")
    terms = words[1:] if is_future else words[:-1]
    if len(terms) % 2:
        raise ValueError("Invalid time string. Dangling unit or number.")
    seconds = sum(map(_seconds, terms[::2], terms[1::2]))
    return timedelta(seconds=seconds if is_future else -seconds)


def _seconds(number: str, unit: str) -> int:
    if not re.fullmatch("[+-]?[0-9]{1,15}", number):
        raise ValueError(f"'{number}' is not an integer.")
    if unit not in _UNITS:
        raise ValueError(f"Invalid interval: '{unit}'")
    return int(number) * _UNITS[unit]
