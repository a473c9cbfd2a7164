"""The second small port of a database: it counts objects, for figures, without reading them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.storage.port import ClassSchema, Condition


@dataclass(frozen=True, slots=True)
class DayOf:
    """The day of a Date column in UTC, as `2026-02-03`."""

    path: str


@dataclass(frozen=True, slots=True)
class StepOf:
    """How many of `bounds`, which ascend, a Number column reaches: from 0 to all of them."""

    path: str
    bounds: tuple[float, ...]


TallyKey = str | DayOf | StepOf
"""What objects are counted by; a `str` is a column of String or Boolean."""
TallyValue = str | bool | int | None


class TallyStore(Protocol):
    """Counts objects without reading them; thread-safe.

    For figures that may be a little old: it may take seconds where there are very many objects.
    """

    def tally(
        self, schema: ClassSchema, where: Condition, by: Sequence[TallyKey]
    ) -> Mapping[tuple[TallyValue, ...], int]:
        """Count the objects that fulfil the condition, for each combination of these keys.

        A key that is missing in an object, or of another type, is None. Conditions are on columns
        of String, Number, Boolean, Date, Pointer and File. Raises ValueError for other columns.
        """
