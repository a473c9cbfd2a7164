"""Keys that a moderator chooses for the review lane, read from a form."""

import re
from collections.abc import Mapping

from admin.lane.keys import USUAL_KEYS

# What has a meaning that nobody should lose: moving about, leaving dialogs, reasons to reject.
_RESERVED = frozenset(
    {"Tab", "Escape", "Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", *"0123456789"}
)
_NAMED = re.compile(
    "Arrow(Up|Down|Left|Right)|F([1-9]|1[0-2])|Enter|Backspace|Delete|Insert|Home|End|PageUp|PageDown"
)
_SPACE = " "
_SPACE_WORDS = ("space", "leertaste")


class BadKey(ValueError):
    """A key that cannot be used; `kind` is what the panel explains by `account.<kind>`."""

    def __init__(self, kind: str, key: str, action: str, other: str | None = None) -> None:
        self.kind, self.key, self.action, self.other = kind, key, action, other
        super().__init__(kind)


def read_keys(form: Mapping[str, str]) -> dict[str, str]:
    """Return the chosen keys by action, where they differ from the usual ones.

    Raises BadKey for what is no key, is not to be had, or is wanted for two actions.
    """
    chosen = {action: _read(action, form.get(f"key_{action}", "")) for action in USUAL_KEYS}
    owners: dict[str, str] = {}
    for action, key in chosen.items():
        if key and owners.setdefault(key, action) != action:
            raise BadKey("key_conflict", key, owners[key], action)
    return {action: key for action, key in chosen.items() if key != USUAL_KEYS[action][0]}


def chosen_key(keys: Mapping[str, str], action: str) -> str:
    """Return the key that a moderator has for an action; empty: none."""
    return keys.get(action, USUAL_KEYS[action][0])


def _read(action: str, text: str) -> str:
    key = _SPACE if text == _SPACE or text.strip().lower() in _SPACE_WORDS else text.strip()
    if key in _RESERVED:
        raise BadKey("key_reserved", key, action)
    if key and not (len(key) == 1 and key.isprintable()) and not _NAMED.fullmatch(key):
        raise BadKey("key_unknown", key[:20], action)
    return key
