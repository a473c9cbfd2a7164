"""How much of a database one request may hold, told from what is stored before it is unpacked.

A stored byte is several in memory: as Python's values, as the copy of them that is answered, as
JSON, as UTF-8. Here is what each kind of value comes to, measured on CPython (a number in a list 50
bytes, a member of an object 200), and rather too much than too little. Knows neither database.
"""

from dataclasses import dataclass
from sys import getsizeof
from typing import Any

from cloud.errors import CloudError
from cloud.values import File, Polygon
from server.storage.port import RefusedQuery

ELEMENT_BYTES, MEMBER_BYTES, CONTAINER_BYTES = 72, 160, 240
"""Of each value, of each name of one in an object, and of each list and object, in memory."""
_OTHER_BYTES, _OTHER_LENGTH = 500, 120  # dates, pointers, files with their URLs, ...
_LONGEST_NUMBER = 22

_INVALID_QUERY = 102  # Parse's code

# No byte of a document comes to more; the worst are lists of empty lists.
_WORST = 150
# So much of a budget is taken at that rate, which costs nothing to tell: ordinary answers end here.
_UNSEEN_PART = 1 / 16

# Texts of so many characters tell their width by their size, at no cost.
_LONG_TEXT = 100
_EMPTY_WIDE_TEXT = getsizeof("\U0001f600") - 4


class TooMuchData(RefusedQuery, CloudError):
    """One request would hold more of the database than it may. Cloud code can catch it as well."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        CloudError.__init__(
            self,
            f"The answer would take more than {max_bytes // 1_000_000} MB of memory. Ask for fewer "
            "objects at a time with limit and skip, or for fewer columns with keys.",
            _INVALID_QUERY,
        )


@dataclass(slots=True)
class Weight:
    """What values come to: `held` bytes as Python has them, `length` characters as JSON, which are
    `encoded` bytes of UTF-8, and `width` bytes for each in a text that holds them all: 1 to 4."""

    held: int = 0
    length: int = 0
    encoded: int = 0
    width: int = 1

    def add_text(self, text: str) -> None:
        """Add a text, without what stands around it."""
        length = len(text)
        self.length += length
        if text.isascii():
            self.held += length
            self.encoded += length
            return
        width = _width_of(text)
        self.held += length * width
        self.encoded += len(text.encode("utf-8", "surrogatepass"))
        self.width = max(self.width, width)

    def add_plain(self, length: int) -> None:
        """Add so many characters that only the answer has, such as a number's."""
        self.length += length
        self.encoded += length


class Budget:
    """What is left of a request's memory; for one thread at a time."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self.renew()

    def renew(self) -> None:
        """Begin anew: nothing of what was taken is held any more."""
        self._unseen = int(self._max * _UNSEEN_PART)
        self._held = self._length = 0
        self._width = 1

    def another(self) -> "Budget":
        """Return one of the same size, from which nothing is taken."""
        return Budget(self._max)

    @property
    def taken(self) -> int:
        """What is held by now, in bytes."""
        return self._held + 4 * self._length * self._width  # pieces, joined pieces, and the whole

    @property
    def is_spent(self) -> bool:
        """Whether something has been too much."""
        return self.taken > self._max

    def takes_unseen(self, size: int) -> bool:
        """Take so many stored bytes, or characters, of whatever kind, if there is ample room."""
        if self._unseen < size * _WORST:
            return False
        self._unseen -= size * _WORST
        self._held += size * _WORST
        return True

    def take(self, weight: Weight, times: int = 1) -> None:
        """Take what is going to be held, so many times in the answer. Raises TooMuchData."""
        self.note(weight, times)
        self.check()

    def note(self, weight: Weight, times: int = 1) -> None:
        """Take, without a word if it is too much; `check` has it."""
        self._held += (weight.held + weight.encoded) * times
        self._length += weight.length * times
        self._width = max(self._width, weight.width)

    def check(self) -> None:
        """Raise TooMuchData if more was taken than there is."""
        if self.is_spent:
            raise TooMuchData(self._max)

    def give_back(self, weight: Weight) -> None:
        """Take back what is held no more."""
        self._held -= weight.held + weight.encoded
        self._length -= weight.length

    def refuse_alone(self, weight: Weight) -> None:
        """Raise TooMuchData for what must not even be unpacked, to be thrown away afterwards."""
        self.another().take(weight)


def _width_of(text: str) -> int:
    """The bytes of each character of a text that is not all ASCII (PEP 393)."""
    if len(text) >= _LONG_TEXT:
        return max(1, min(4, round((getsizeof(text) - _EMPTY_WIDE_TEXT) / len(text))))
    highest = ord(max(text))
    return 1 if highest < 0x100 else 2 if highest < 0x10000 else 4


def weight_of_json(text: str) -> Weight:
    """Weigh a stored document as it stands in JSON, without reading it.

    Punctuation within texts counts as well, which is of no matter where there is as much of it as
    in a language.
    """
    weight = Weight()
    weight.add_text(text)
    weight.held += (
        ELEMENT_BYTES * text.count(",")
        + MEMBER_BYTES * text.count(":")
        + CONTAINER_BYTES * (text.count("[") + text.count("{"))
    )
    weight.add_plain(_LONGEST_NUMBER * text.count("e+"))  # 1e+20 is answered with all its digits
    weight.add_plain(_OTHER_LENGTH * text.count('"File"'))
    return weight


def weight_of(value: Any) -> Weight:
    """Weigh a value or document that is in memory already."""
    weight = Weight()
    _add(value, weight)
    return weight


def _add(value: Any, weight: Weight) -> None:
    weight.held += ELEMENT_BYTES
    match value:
        case str():
            weight.add_text(value)
        case dict():
            weight.held += CONTAINER_BYTES + MEMBER_BYTES * len(value)
            for name, member in value.items():
                weight.add_text(name)
                weight.add_plain(4)
                _add(member, weight)
        case list() | tuple():
            weight.held += CONTAINER_BYTES
            weight.add_plain(2 + len(value))
            for element in value:
                _add(element, weight)
        case bool() | int() | float() | None:
            weight.add_plain(_LONGEST_NUMBER)
        case bytes():
            weight.held += len(value)
            weight.add_plain(2 * len(value))
        case Polygon(points):
            _add(points, weight)
        case File(name, url):
            _add([name, url], weight)
            weight.add_plain(_OTHER_LENGTH)
        case _:
            weight.held += _OTHER_BYTES
            weight.add_plain(_OTHER_LENGTH)
