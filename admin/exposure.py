"""What pages tell of images that were looked at: read, taken over, and told back."""

import hashlib
import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from flask import session

from admin.access import current_moderator, current_session
from admin.people import Preferences
from admin.ports.exposure import Seen, Views
from admin.services import PanelServices

_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,31}")
_MOST_PAGES, _MOST_COUNTED = 50, 100_000
# What a browser without scripts has been shown, in its cookie: a day, and how many images on it.
_SHOWN = "shown_without_script"


def note_views(services: PanelServices, told: Any) -> dict[str, Any]:
    """Take over what a page's script counted, and return what is known by then.

    What is malformed counts for nothing: no decision shall wait for a figure.
    """
    who = current_moderator().user_id
    views = list(_read(told))
    if views:
        services.exposure.note(who, views)
    return _as_json(services, services.exposure.today(who))


def note_shown(services: PanelServices, count: int) -> None:
    """Count images that a page without its script showed unveiled. The same form sent twice comes
    with the same cookie, and counts once."""
    today = services.now().date()
    day, shown = session.get(_SHOWN, ["", 0])
    shown = (shown if day == today.isoformat() else 0) + count
    session[_SHOWN] = [today.isoformat(), shown]
    services.exposure.note(current_moderator().user_id, [Views(_cookie_source(), today, shown)])


def note_rest(services: PanelServices) -> None:
    """A page without its script suggested a break, and was read."""
    who = current_moderator().user_id
    seen = services.exposure.today(who)
    rested = Views(_cookie_source(), seen.day, 0, rested=seen.count)
    services.exposure.note(who, [rested])


def exposure_data(services: PanelServices, seen: Seen, preferences: Preferences) -> dict[str, Any]:
    """What a page's script counts on from."""
    return {
        "moderator": current_moderator().user_id,
        "breakAfter": preferences.break_after,
        "seen": _as_json(services, seen),
    }


def at_ms(services: PanelServices) -> int:
    """The server's time, in milliseconds; rounded up, so that it is after all that was done."""
    return math.ceil(services.now().timestamp() * 1000)


def _as_json(services: PanelServices, seen: Seen) -> dict[str, Any]:
    now = at_ms(services)
    return {"day": seen.day.isoformat(), "count": seen.count, "rested": seen.rested, "now": now}


def _cookie_source() -> str:
    digest = hashlib.sha256(current_session().session_id.encode()).hexdigest()
    return f"f{digest[:16]}"


def _read(told: Any) -> Iterator[Views]:
    for each in told[:_MOST_PAGES] if isinstance(told, list) else ():
        views = _views(each) if isinstance(each, dict) else None
        if views is not None:
            yield views


def _views(told: dict[str, Any]) -> Views | None:
    source, day = told.get("source"), told.get("day")
    count, rested = told.get("count"), told.get("rested", 0)
    if not isinstance(source, str) or not _SOURCE.fullmatch(source) or not isinstance(day, str):
        return None
    if not all(type(n) is int and 0 <= n <= _MOST_COUNTED for n in (count, rested)):
        return None
    try:
        return Views(source, date.fromisoformat(day), count or 0, rested)
    except ValueError:
        return None
