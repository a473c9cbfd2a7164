"""How many large bodies one process takes in at once.

Each needs memory until it is answered; the others' connections are not read from meanwhile.
"""

from collections import OrderedDict
from typing import Protocol


class Waiting(Protocol):
    """What waits for a place."""

    def take_place(self) -> None:
        """Have the place from now on, until it is given back."""


class Places:
    """Those of one process. Belongs to its event loop; every method takes constant time."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: OrderedDict[Waiting, None] = OrderedDict()

    def take(self, who: Waiting) -> bool:
        """Give a place, or say that `who` will be told when there is one."""
        if self._free:
            self._free -= 1
            return True
        self._waiting[who] = None
        return False

    def leave(self, who: Waiting) -> None:
        """Wait no more. Who has gone, with what it had sent, must not stay in memory till then."""
        self._waiting.pop(who, None)

    def give_back(self) -> None:
        """Hand the place to who has waited longest, if anybody does."""
        if self._waiting:
            longest, _ = self._waiting.popitem(last=False)
            longest.take_place()
        else:
            self._free += 1
