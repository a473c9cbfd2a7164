"""What can be done to a column: Parse's atomic operations.

A database applies them in one step with `apply`'s meaning; a trigger sees their result before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloud.values import GeoPoint, Pointer, Polygon, Value


@dataclass(frozen=True, slots=True)
class Set:
    """Set a column, or with a dotted path a member of an object column."""

    value: Value


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a column or member."""


@dataclass(frozen=True, slots=True)
class Increment:
    """Add to a number; a missing one counts as 0."""

    amount: float


@dataclass(frozen=True, slots=True)
class Add:
    """Append all values to an array; a missing one counts as empty."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AddUnique:
    """Append those of the values that are not in the array yet, each once."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove every element equal to one of the values; a missing array stays missing."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Relate:
    """Change a relation: these objects are added to it, and those removed."""

    added: tuple[Pointer, ...] = ()
    removed: tuple[Pointer, ...] = ()


Operation = Set | Delete | Increment | Add | AddUnique | Remove
"""What a database applies to a document."""

Change = Operation | Relate
"""What a save may ask for."""


def apply(values: dict[str, Any], operations: Mapping[str, Operation]) -> dict[str, Any]:
    """Apply operations to a document in place, dotted paths into objects included; return it.

    Raises ValueError when an operation does not fit what is there, such as Add to a text.
    """
    for path, operation in operations.items():
        *parents, name = path.split(".")
        holder: Any = values
        for parent in parents:
            if parent not in holder and not isinstance(operation, Delete):
                holder[parent] = {}
            holder = holder.get(parent, {})
            if not isinstance(holder, dict):
                raise ValueError(f"{path} leads into something that is no object")
        _apply_one(holder, name, operation)
    return values


def _apply_one(holder: dict[str, Any], name: str, operation: Operation) -> None:
    match operation:
        case Set(value):
            holder[name] = value
        case Delete():
            holder.pop(name, None)
        case Increment(amount):
            holder[name] = _number(holder.get(name, 0), name) + amount
        case Add(added):
            holder[name] = [*_array(holder.get(name, []), name), *added]
        case AddUnique(added):
            array = _array(holder.get(name, []), name)
            present = set(map(identity, array))
            missing = {identity(value): value for value in reversed(added)}
            new = [value for key, value in reversed(missing.items()) if key not in present]
            holder[name] = [*array, *new]
        case Remove(removed):
            if name in holder:
                unwanted = set(map(identity, removed))
                array = _array(holder[name], name)
                holder[name] = [value for value in array if identity(value) not in unwanted]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is no array")
    return value


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal as Parse sees it: unlike in Python, True is not 1."""
    return identity(one) == identity(other)


def identity(value: Value) -> str:
    """Return a text that all values equal to this one have, and no others.

    It is what to hash: Python's hashes of texts are keyed, while anybody can make up numbers,
    and lists of them, that collide.
    """
    match value:
        case bool():
            return repr(value)
        case float() if not value.is_integer():
            return repr(value)
        case int() | float():
            return repr(int(value))
        case str():
            return str.__repr__(value)  # an enum's member is its text
        case list() | tuple():
            return f"[{','.join(map(identity, value))}]"
        case dict():
            members = sorted(f"{name!r}:{identity(member)}" for name, member in value.items())
            return f"{{{','.join(members)}}}"
        case datetime():
            return f"Date({value.astimezone(UTC).isoformat()})"
        case GeoPoint(latitude, longitude):
            return f"GeoPoint{identity([latitude, longitude])}"
        case Polygon(points):
            return f"Polygon{identity(points)}"
    return repr(value)
