"""Parse's typed values as Python sees them, for cloud code and server alike.

A Parse value is None, bool, int, float, str, an aware datetime in whole milliseconds (Date), bytes
(Bytes), a list or dict of values, or one of the classes below. An ACL is a plain dict,
`{principal: {"read": True, "write": True}}`, in which only true entries stand.
"""

from dataclasses import dataclass
from typing import Any

Value = Any
"""One of the above; Python's type system has no word for it."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A reference to an object of another class."""

    class_name: str
    object_id: str


@dataclass(frozen=True, slots=True)
class File:
    """A stored file by its name; `url` is where a client may read it, never where we read it."""

    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """A place on earth, in degrees: latitude -90..90, longitude -180..180."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed ring of (latitude, longitude) in degrees; the last point repeats the first."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Many objects of one class; which ones is kept beside the object, not in it."""

    target_class: str


def value_at(document: Value, path: str) -> Value:
    """Return what stands at a dotted path of nested objects; None where nothing does."""
    value = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
