"""What the server asks of a database, in Parse's words.

A document is a dict with `objectId`, `createdAt` and `updatedAt` (aware datetimes, whole
milliseconds) beside its columns. Values are what JSON can hold, datetimes, and bytes. `ACL` is
`{principal: {"read": True, "write": True}}`; `{}` leaves the object to the master key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Document = dict[str, Any]
ObjectId = str | int
"""Parse's objectIds are strings; the one row of _GlobalConfig has the number 1."""


class DuplicateObject(Exception):
    """There is an object with this objectId already; nothing was written."""


@dataclass(frozen=True, slots=True)
class Set:
    """Set a column, or with a dotted path a member of an object column."""

    value: Any


@dataclass(frozen=True, slots=True)
class Increment:
    """Add to a number; a missing one counts as 0."""

    amount: float


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a column or member."""


Operation = Set | Increment | Delete


@dataclass(frozen=True, slots=True)
class ClassSchema:
    """A class's columns by their Parse type (`String`, `Number`, `Date`, `Array`, ...)."""

    class_name: str
    fields: Mapping[str, str]


class ObjectStore(Protocol):
    """Keeps Parse objects; thread-safe.

    A write that returned survives `kill -9` of this process and of the database. Every method
    raises StoreUnavailable when the database cannot be reached or refuses.
    """

    def get(self, class_name: str, object_id: ObjectId) -> Document | None:
        """Return the object, or None."""

    def insert(self, class_name: str, document: Document) -> None:
        """Write a new object. Raises DuplicateObject."""

    def update(
        self,
        class_name: str,
        object_id: ObjectId,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        """Apply all operations at once and return the object as it is then.

        A missing object is None, or with `upsert` made from the operations alone.
        """

    def declare_class(self, schema: ClassSchema) -> None:
        """Record a class of the server's own, open to the master key alone, if it is not yet."""

    def ping(self) -> None:
        """Do the least that shows that the database answers, within about a second."""

    def close(self) -> None:
        """Let go of connections and files; the store is not used again."""
