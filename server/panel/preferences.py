"""How a moderator likes to work, as an Object column; what somebody else wrote there is mended."""

from collections.abc import Mapping
from typing import Any

from admin.people import Preferences

_USUAL = Preferences()
_MOST_KEYS = 50


def to_column(preferences: Preferences) -> dict[str, Any]:
    """Return what is stored."""
    stored: dict[str, Any] = {
        "blur": preferences.blur,
        "grey": preferences.grey,
        "muted": preferences.muted,
        "breakAfter": preferences.break_after,
        "keys": dict(preferences.keys),
    }
    return stored if preferences.language is None else {**stored, "language": preferences.language}


def from_column(stored: Any) -> Preferences:
    """Return the preferences; the usual ones for whatever is not there or not understood."""
    values = stored if isinstance(stored, dict) else {}
    language = values.get("language")
    return Preferences(
        blur=_switch(values, "blur", _USUAL.blur),
        grey=_switch(values, "grey", _USUAL.grey),
        muted=_switch(values, "muted", _USUAL.muted),
        break_after=_count(values.get("breakAfter")),
        language=language if isinstance(language, str) else None,
        keys=_keys(values.get("keys")),
    )


def _switch(values: Mapping[str, Any], name: str, usual: bool) -> bool:
    value = values.get(name)
    return value if isinstance(value, bool) else usual


def _count(value: Any) -> int:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return int(value) if is_count else _USUAL.break_after


def _keys(value: Any) -> dict[str, str]:
    pairs = list(value.items())[:_MOST_KEYS] if isinstance(value, dict) else []
    return {action: key for action, key in pairs if isinstance(key, str)}
