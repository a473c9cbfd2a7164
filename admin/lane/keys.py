"""Which keys do what in the review lane and in the sweep, the moderator's own choices included.

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


# What the sweep's grid itself does with keys: moving about, and marking.
_OF_THE_GRID = frozenset(
    {"ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", " ", "Enter", "Shift"}
)
_SHARED = {
    "approve": "approve", "reject": "reject", "undo": "undo", "reveal": "keep_revealed",
    "colours": "colour", "help": "help",
}  # fmt: skip
_SWEEPS_OWN = {"next": "n", "hold": "h", "open": "o"}


def sweep_keys(keys: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the sweep's keys by action: those of the lane, as far as its grid leaves them, and
    three of its own, which give way to a moderator's choices."""
    found = {
        action: tuple(key for key in keys[of_the_lane] if key not in _OF_THE_GRID)
        for action, of_the_lane in _SHARED.items()
    }
    taken = {key for each in found.values() for key in each}
    for action, of_the_lane in _SHARED.items():
        usual = USUAL_KEYS[of_the_lane][0]
        if not found[action] and keys[of_the_lane] and usual not in taken:
            found[action] = (usual,)
            taken.add(usual)
    own = {action: (key,) if key not in taken else () for action, key in _SWEEPS_OWN.items()}
    return found | own
