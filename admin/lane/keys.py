"""Which keys do what in the review lane, the moderator's own choices included.

Keys are named as browsers name them (`KeyboardEvent.key`); the digits reject with a reason each.
"""

from collections.abc import Mapping

# The first key of an action is the one that a moderator may choose; d and l are the Node
# original's.
USUAL_KEYS: Mapping[str, tuple[str, ...]] = {
    "approve": ("l", "ArrowRight"),
    "reject": ("d", "ArrowLeft"),
    "skip": ("s",),
    "escalate": ("e",),
    "undo": ("u", "Backspace", "Ctrl+z"),
    "reveal": (" ",),
    "keep_revealed": ("r",),
    "colour": ("c",),
    "zoom": ("z",),
    "play": ("p",),
    "note": ("n",),
    "help": ("?",),
}


def lane_keys(chosen: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return all keys by action. A chosen key is no longer any other action's; an empty choice
    leaves an action without its first key."""
    own = {
        action: key.lower() if len(key) == 1 else key
        for action, key in chosen.items()
        if action in USUAL_KEYS
    }
    owners = {key: action for action, key in own.items()}
    keys = {}
    for action, (usual, *others) in USUAL_KEYS.items():
        wanted = (own.get(action, usual), *others)
        keys[action] = tuple(key for key in wanted if key and owners.get(key, action) == action)
    return keys
