"""What a condition and a sort order mean, with MongoDB's semantics, on a document in memory.

Pure; knows no database and no wire. The embedded store finishes with it what SQL cannot say.
"""

import operator
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from cloud.operations import identity
from cloud.values import File
from server.storage.geo import Intersects, Near, WithinBox, WithinPolygon, WithinSphere, holds
from server.storage.port import (
    All,
    Compares,
    Condition,
    ContainedBy,
    ContainsAll,
    Differs,
    Either,
    Equals,
    Exists,
    FindsText,
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Permits,
    Query,
    RefusedQuery,
    Regex,
    SortKey,
)
from server.storage.regex import Budget, Search
from server.storage.typed_json import typed_json

Values = Mapping[str, Any]
Comparable = tuple[int, Any]
"""A value as Python compares it in MongoDB's order: the rank of its type, then its content."""

_MISSING = object()
_EMPTY_ARRAY: Comparable = (-1, 0)  # sorts before null
_NULL: Comparable = (0, 0)
_NUMBER, _TEXT, _OBJECT, _ARRAY, _BYTES, _BOOLEAN, _DATE = range(1, 8)

_ORDERS: Mapping[Order, Callable[[Comparable, Comparable], bool]] = {
    Order.LESS: operator.lt,
    Order.LESS_OR_EQUAL: operator.le,
    Order.GREATER: operator.gt,
    Order.GREATER_OR_EQUAL: operator.ge,
}


def matcher(
    condition: Condition, *, ignore_case: bool = False, budget: Budget | None = None
) -> Callable[[Values], bool]:
    """Prepare a condition for many documents, one after the other: one query's use.

    Raises RegexRefused, and so does the test, once the query's regular expressions together
    have taken too long: longer than `budget`, or else than a Budget of its own.
    """
    test = _Compiler(ignore_case, budget or Budget()).test(condition)
    return lambda values: test(_Document(values, ignore_case))


def sort_key(document: Values, key: SortKey, *, ignore_case: bool = False) -> Comparable:
    """Return what to compare of a document; for a descending key, compare it in reverse.

    An array counts as its least element, or its greatest where the order is descending.
    """
    leaves = _leaves(document, _names(key.path))
    keys = [one for leaf in leaves for one in _sort_keys(key.path, leaf, ignore_case)] or [_NULL]
    return max(keys) if key.descending else min(keys)


def leaves(document: Values, path: str) -> Iterator[Any]:
    """Yield what stands at a path; where arrays are on its way, in each of their objects."""
    return (leaf for leaf in _leaves(document, _names(path)) if leaf is not _MISSING)


def nearest_to(query: Query) -> Near | None:
    """Return the condition whose distance the query is ordered by, if it is."""
    parts = query.where.parts if isinstance(query.where, All) else (query.where,)
    for part in () if query.order else parts:
        found = nearest_to(Query(part)) if isinstance(part, All) else part
        if isinstance(found, Near):
            return found
    return None


def fold(text: str) -> str:
    """Write a text so that texts that differ in case alone, or in how accents are coded, agree."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


class _Document:
    """A document under test. Many conditions may ask for one array: it is made ready once."""

    __slots__ = ("_comparables", "_elements", "_identities", "_ignore_case", "values")

    def __init__(self, values: Values, ignore_case: bool) -> None:
        self.values = values
        self._ignore_case = ignore_case
        self._comparables: dict[str, list[Comparable]] = {}
        self._identities: dict[str, frozenset[str]] = {}
        self._elements: dict[str, frozenset[str]] = {}

    def comparables(self, path: str) -> list[Comparable]:
        """Return what a condition on a plain value looks at."""
        if path not in self._comparables:
            found = _candidates(self.values, _names(path))
            self._comparables[path] = [self._comparable(path, value) for value in found]
        return self._comparables[path]

    def identities(self, path: str) -> frozenset[str]:
        """Return the same, to be looked up in."""
        if path not in self._identities:
            self._identities[path] = frozenset(map(identity, self.comparables(path)))
        return self._identities[path]

    def elements(self, path: str) -> frozenset[str]:
        """Return the elements of arrays, to be looked up in."""
        if path not in self._elements:
            leaves = _leaves(self.values, _names(path))
            found = (element for leaf in leaves if isinstance(leaf, list) for element in leaf)
            self._elements[path] = frozenset(
                identity(self._comparable(path, element)) for element in found
            )
        return self._elements[path]

    def _comparable(self, path: str, value: Any) -> Comparable:
        return _comparable_at(path, value, self._ignore_case)


_Test = Callable[[_Document], bool]


class _Compiler:
    """Turns conditions into tests."""

    def __init__(self, ignore_case: bool, budget: Budget) -> None:
        self._ignore_case = ignore_case
        self._budget = budget

    def test(self, condition: Condition) -> _Test:
        match condition:
            case Equals(path, value):
                return self._one_of(path, (value,))
            case Differs(path, value):
                return _not(self._one_of(path, (value,)))
            case OneOf(path, values):
                return self._one_of(path, values)
            case NoneOf(path, values):
                return _not(self._one_of(path, values))
            case Compares():
                return self._compares(condition)
            case Exists(path, exists):
                names = _names(path)
                return lambda document: _is_there(document.values, names) is exists
            case Matches(path, regex):
                return self._finds(path, regex)
            case ContainsAll(path, values):
                return self._contains_all(path, values)
            case ContainedBy(path, values):
                allowed = self._identities(path, values)
                return lambda document: document.elements(path) <= allowed
            case All(parts):
                tests = [self.test(part) for part in parts]
                return lambda document: all(test(document) for test in tests)
            case Either(parts):
                tests = [self.test(part) for part in parts]
                return lambda document: any(test(document) for test in tests)
            case Neither(parts):
                return _not(self.test(Either(parts)))
            case Near() | WithinBox() | WithinPolygon() | WithinSphere() | Intersects():
                return lambda document: holds(condition, document.values.get(condition.path))
            case FindsText():
                raise RefusedQuery("$text needs the text index of a MongoDB")
            case Permits(right, principals):
                return lambda document: _permits(document.values.get("ACL"), right, principals)

    def _one_of(self, path: str, values: tuple[Any, ...]) -> _Test:
        wanted = self._identities(path, values)
        return lambda document: not wanted.isdisjoint(document.identities(path))

    def _compares(self, condition: Compares) -> _Test:
        path, holds = condition.path, _ORDERS[condition.order]
        bound = _comparable_at(path, condition.value, self._ignore_case)
        return lambda document: any(
            key[0] == bound[0] and holds(key, bound) for key in document.comparables(path)
        )

    def _finds(self, path: str, regex: Regex) -> _Test:
        names, search = _names(path), Search(regex.pattern, regex.options, self._budget)
        return lambda document: any(
            isinstance(value, str) and search.finds(value)
            for value in _candidates(document.values, names)
        )

    def _contains_all(self, path: str, values: tuple[Any, ...]) -> _Test:
        if not values:
            return lambda document: False
        plain = [value for value in values if not isinstance(value, Regex)]
        wanted = self._identities(path, plain)
        finders = [self._finds(path, value) for value in values if isinstance(value, Regex)]
        return lambda document: (
            wanted <= document.identities(path) and all(finds(document) for finds in finders)
        )

    def _identities(self, path: str, values: Iterable[Any]) -> frozenset[str]:
        keys = (_comparable_at(path, value, self._ignore_case) for value in values)
        return frozenset(map(identity, keys))


def _sort_keys(path: str, leaf: Any, ignore_case: bool) -> list[Comparable]:
    elements = leaf if isinstance(leaf, list) else [leaf]
    return [_comparable_at(path, element, ignore_case) for element in elements] or [_EMPTY_ARRAY]


def _not(test: _Test) -> _Test:
    return lambda document: not test(document)


def _names(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _is_there(document: Values, names: tuple[str, ...]) -> bool:
    return any(leaf is not _MISSING for leaf in _leaves(document, names))


def _permits(acl: Any, right: str, principals: tuple[str, ...]) -> bool:
    if acl is None:
        return True
    return any(acl.get(principal, {}).get(right) is True for principal in principals)


def _candidates(document: Values, names: tuple[str, ...]) -> Iterator[Any]:
    """Yield what a condition on a plain value looks at: what stands there, and its elements."""
    for leaf in _leaves(document, names):
        yield leaf
        if isinstance(leaf, list):
            yield from leaf


def _leaves(value: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """Yield what a path leads to, through every object of the arrays on its way.

    An object that lacks the name yields _MISSING, but an array without objects nothing.
    """
    if not names:
        yield value
    elif isinstance(value, list):
        for element in value:
            if _members(element) is not None:
                yield from _leaves(element, names)
        if names[0].isdecimal() and names[0] in map(str, range(len(value))):
            yield from _leaves(value[int(names[0])], names[1:])
    else:
        members = _members(value) or {}
        if names[0] in members:
            yield from _leaves(members[names[0]], names[1:])
        else:
            yield _MISSING


def _members(value: Any) -> Mapping[str, Any] | None:
    """An object's members; Parse's own types are objects to a path. None for a plain value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, File):  # its url is where we are reached at the moment, and no part of it
        return typed_json(File(value.name))
    return typed_json(value)


def _comparable_at(path: str, value: Any, ignore_case: bool) -> Comparable:
    return comparable(value, ignore_case and path != "objectId")


def comparable(value: Any, ignore_case: bool = False) -> Comparable:
    """Return what to compare of a value: equal for equal values, less for lesser ones."""
    match value:
        case bool():
            return _BOOLEAN, value
        case int() | float():
            return _NUMBER, value
        case str():
            return _TEXT, fold(value) if ignore_case else value
        case datetime():
            return _DATE, value
        case bytes():
            return _BYTES, (len(value), value)
        case list():
            return _ARRAY, tuple(comparable(element, ignore_case) for element in value)
    members = _members(value)
    return _NULL if members is None else (_OBJECT, _member_keys(members, ignore_case))


def _member_keys(members: Mapping[str, Any], ignore_case: bool) -> tuple[Any, ...]:
    """Objects compare member by member in their order: type, then name, then value."""
    keys = ((name, comparable(value, ignore_case)) for name, value in members.items())
    return tuple((rank, name, content) for name, (rank, content) in keys)
