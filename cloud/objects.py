"""Parse objects in the hands of cloud code, and what it may ask of the database.

Knows values and changes; who may see or change what, and where it is kept, is the server's.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Protocol

from cloud.operations import (
    Add,
    AddUnique,
    Change,
    Delete,
    Increment,
    Operation,
    Relate,
    Remove,
    Set,
    apply,
    same,
)
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation, Value

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_READ_ONLY = {"objectId", "createdAt", "updatedAt"}
_RESERVED = {"className", "length"}
_EXACT_INTEGERS = 2**53


class ParseObject:
    """One object: what is in its columns, and what of that is yet to be written.

    `obj["name"]` reads and sets a column, `del obj["name"]` removes it; a list or dict that was
    changed in place counts as set. Columns that start with `_` are not there. Not thread-safe.
    """

    __slots__ = ("_changes", "_lent", "_values", "class_name")

    def __init__(
        self,
        class_name: str,
        values: Mapping[str, Value] | None = None,
        changes: Mapping[str, Change] | None = None,
    ) -> None:
        """Make an object of `values`, in which `changes` are applied already.

        Without `changes`, all values of an object that has no objectId are yet to be written.
        """
        self.class_name = class_name
        self._values = _public(values or {})
        self._changes = _public(changes or {})
        self._lent: dict[str, Any] = {}
        if changes is None and self.is_new:
            for name, value in list(self._values.items()):
                self[name] = value

    def __repr__(self) -> str:
        return f"<ParseObject {self.class_name} {self.id}>"

    # --- reading

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if isinstance(value, list | dict) and name not in self._lent:
            self._lent[name] = value  # and a copy is handed out, so that changes to it show
            value = self._values[name] = _copy(value)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a column's value, or `default` where there is none."""
        return self[name] if name in self._values else default

    @property
    def values(self) -> dict[str, Value]:
        """All columns, objectId, createdAt, updatedAt and ACL included."""
        return {name: self[name] for name in self}

    @property
    def id(self) -> str | None:
        """The objectId, None until the object is saved."""
        return self._values.get("objectId")

    @property
    def is_new(self) -> bool:
        """Whether the object was never saved."""
        return self.id is None

    @property
    def created_at(self) -> datetime | None:
        """When the object was saved first."""
        return self._values.get("createdAt")

    @property
    def updated_at(self) -> datetime | None:
        """When the object was saved last."""
        return self._values.get("updatedAt")

    @property
    def pointer(self) -> Pointer:
        """A reference to this object. Raises ValueError until it is saved."""
        if self.id is None:
            raise ValueError(f"a {self.class_name} must be saved before others can point to it")
        return Pointer(self.class_name, self.id)

    @property
    def acl(self) -> dict[str, dict[str, bool]] | None:
        """Who may read and write: `{"*": {"read": True}, user_id: {"read": True, "write": True}}`.

        Principals are userIds, `role:Name`, and `*` for everybody. `{}` leaves the object to the
        master key; None is no ACL, and everybody may.
        """
        acl: dict[str, dict[str, bool]] | None = self.get("ACL")
        return acl

    @acl.setter
    def acl(self, acl: Mapping[str, Mapping[str, bool]] | None) -> None:
        if acl is None:
            del self["ACL"]
        else:
            self["ACL"] = acl

    # --- changing

    def __setitem__(self, name: str, value: Any) -> None:
        self._record(name, Set(_to_acl(value) if name == "ACL" else to_value(value)))

    def __delitem__(self, name: str) -> None:
        self._record(name, Delete())

    def increment(self, name: str, amount: float = 1) -> None:
        """Add to a number; a missing one counts as 0."""
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not isfinite(amount):
            raise ValueError("incrementing must provide a number")
        self._record(name, Increment(amount))

    def add(self, name: str, *values: Any) -> None:
        """Append values to an array; a missing one counts as empty."""
        self._record(name, Add(tuple(map(to_value, values))))

    def add_unique(self, name: str, *values: Any) -> None:
        """Append those of the values that are not in the array yet."""
        self._record(name, AddUnique(tuple(map(to_value, values))))

    def remove(self, name: str, *values: Any) -> None:
        """Remove every element equal to one of the values from an array."""
        self._record(name, Remove(tuple(map(to_value, values))))

    def relate(self, name: str, *objects: "ParseObject | Pointer") -> None:
        """Add objects of one class to a relation."""
        self._relate(name, added=tuple(map(_to_pointer, objects)))

    def unrelate(self, name: str, *objects: "ParseObject | Pointer") -> None:
        """Take objects out of a relation."""
        self._relate(name, removed=tuple(map(_to_pointer, objects)))

    def revert(self, name: str, original: "ParseObject") -> None:
        """Take back what was to be written to a column: it is again as in `original`."""
        _check_name(name)
        self._changes = _without(self.changes, name)
        self._lent.pop(name, None)
        self._values.pop(name, None)
        if name in original:
            self._values[name] = _copy(original[name])

    # --- what is to be written

    @property
    def changes(self) -> dict[str, Change]:
        """What is to be written, by column or, where a client sent it so, by dotted path."""
        changes = dict(self._changes)
        for name, before in self._lent.items():
            if not same(before, self._values[name]):
                changes = {**_without(changes, name), name: Set(to_value(self._values[name]))}
        return changes

    @property
    def dirty_names(self) -> frozenset[str]:
        """The columns that are to be written."""
        return frozenset(map(_column_of, self.changes))

    def dirty(self, name: str | None = None) -> bool:
        """Whether this column, or any, is to be written."""
        return bool(self.changes) if name is None else name in self.dirty_names

    def saved_as(self, values: Mapping[str, Value]) -> None:
        """Note that everything is written, and these are the object's values now."""
        self._values, self._changes, self._lent = _public(values), {}, {}

    # --- inside

    def _record(self, name: str, operation: Operation) -> None:
        _check_name(name)
        if isinstance(self._values.get(name), Relation):
            raise ValueError(f"{name} is a relation: use relate and unrelate")
        changes = self.changes
        values = apply(dict(self._values), {name: operation})
        if name in changes:
            operation = _joined(changes[name], operation, values, name)
        self._values = values
        self._changes = {**_without(changes, name), name: operation}
        self._lent.pop(name, None)

    def _relate(
        self, name: str, added: tuple[Pointer, ...] = (), removed: tuple[Pointer, ...] = ()
    ) -> None:
        _check_name(name)
        classes = {pointer.class_name for pointer in (*added, *removed)}
        if not classes:
            return
        relation = self._values.get(name, Relation(min(classes)))
        if not isinstance(relation, Relation) or classes != {relation.target_class}:
            raise ValueError(f"{name} is no relation to {' and '.join(sorted(classes))}")
        earlier = self._changes.get(name)
        if isinstance(earlier, Relate):
            added = (*(p for p in earlier.added if p not in removed + added), *added)
            removed = (*(p for p in earlier.removed if p not in removed + added), *removed)
        self._values[name] = relation
        self._changes[name] = Relate(added, removed)


class ObjectAccess(Protocol):
    """The objects of the app, with the rights of one caller. Thread-safe.

    `where` is Parse's JSON form, `{"score": {"$gte": 10}, "owner": user.pointer}`, in which typed
    values may stand; `order` names columns, with a leading `-` for descending; `include` names
    pointers, such as `owner` or `post.owner`, to be replaced by the objects that they lead to.
    Triggers run as for any client. Every method raises CloudError as a client would see it, such
    as 119 where a class's permissions say no.
    """

    def get(
        self, class_name: str, object_id: str, include: Sequence[str] = ()
    ) -> ParseObject | None:
        """Return the object, or None where there is none that the caller may read."""

    def find(
        self,
        class_name: str,
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        limit: int = 100,
        skip: int = 0,
        include: Sequence[str] = (),
    ) -> list[ParseObject]:
        """Return the objects that fulfil `where`."""

    def first(
        self,
        class_name: str,
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        include: Sequence[str] = (),
    ) -> ParseObject | None:
        """Return the first object that fulfils `where`, or None."""

    def count(self, class_name: str, where: Mapping[str, Any] | None = None) -> int:
        """Count the objects that fulfil `where`."""

    def save(self, obj: ParseObject) -> ParseObject:
        """Write the object's changes; it then is as saved, and is returned."""

    def delete(self, obj: ParseObject) -> None:
        """Delete the object."""


def to_value(value: Any) -> Value:
    """Bring what cloud code sets into the form of `cloud.values`; lists and dicts are copied.

    Times become UTC in whole milliseconds, objects pointers, tuples lists, and whole numbers
    beyond 2**53 floats, as in JavaScript. Raises ValueError for what Parse cannot keep.
    """
    match value:
        case None | bool() | str() | bytes() | Pointer() | File() | GeoPoint() | Polygon():
            return value
        case int():
            return value if abs(value) < _EXACT_INTEGERS else float(value)
        case float() if isfinite(value):
            return value
        case datetime():
            return _to_milliseconds(value)
        case list() | tuple():
            return [to_value(member) for member in value]
        case Mapping():
            return {_checked_key(key): to_value(member) for key, member in value.items()}
        case ParseObject():
            return value.pointer
    raise ValueError(f"Parse has no form for {value!r:.100}")


def _to_milliseconds(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; use datetime.now(UTC)")
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or set(key) & set("$.\0"):
        raise ValueError("Nested keys are texts without '$', '.' and NUL")
    if key == "__type":
        raise ValueError("typed values are the classes of cloud.values, such as Pointer")
    return key


def _to_acl(acl: Any) -> dict[str, dict[str, bool]]:
    if not isinstance(acl, Mapping):
        raise ValueError('an ACL is a dict such as {"*": {"read": True}}')
    granted: dict[str, dict[str, bool]] = {}
    for principal, rights in acl.items():
        if not isinstance(principal, str) or not isinstance(rights, Mapping):
            raise ValueError(f"{principal!r} has no rights such as {{'read': True}}")
        if set(rights) - {"read", "write"} or not all(isinstance(v, bool) for v in rights.values()):
            raise ValueError(f"the rights of {principal} are read and write, True or False")
        granted[principal] = {right: True for right, given in rights.items() if given}
    return {principal: rights for principal, rights in granted.items() if rights}


def _to_pointer(value: ParseObject | Pointer) -> Pointer:
    return value.pointer if isinstance(value, ParseObject) else value


def _joined(earlier: Change, later: Operation, values: Mapping[str, Value], name: str) -> Operation:
    """The one operation that does what two do; where none does, the value that they lead to."""
    match earlier, later:
        case _, Set() | Delete():
            return later
        case Increment(one), Increment(other):
            return Increment(one + other)
        case Add(one), Add(other):
            return Add(one + other)
        case AddUnique(one), AddUnique(other):
            return AddUnique(one + other)
        case Remove(one), Remove(other):
            return Remove(one + other)
    return Set(values[name]) if name in values else Delete()


def _check_name(name: str) -> None:
    if not _COLUMN.fullmatch(name) or name in _RESERVED:
        raise ValueError(f"Invalid field name: {name}.")
    if name in _READ_ONLY:
        raise ValueError(f"{name} is the server's to write")


def _column_of(path: str) -> str:
    return path.partition(".")[0]


def _without(changes: Mapping[str, Change], name: str) -> dict[str, Change]:
    """Leave out what concerns the column or anything inside it."""
    return {path: change for path, change in changes.items() if _column_of(path) != name}


def _public(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if not name.startswith("_")}


def _copy(value: Any) -> Any:
    """Copy lists and dicts all the way down; other values cannot change."""
    if isinstance(value, list):
        return [_copy(member) for member in value]
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    return value
