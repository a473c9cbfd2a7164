"""What a condition and a sort order mean, with MongoDB's semantics, on a document in memory.

Pure; knows no database and no wire. The embedded store finishes with it what SQL cannot say.
"""

import operator
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from cloud.values import File
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
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Permits,
    Regex,
    SortKey,
)
from server.storage.regex import Budget, Search
from server.storage.typed_json import typed_json

Values = Mapping[str, Any]
Test = Callable[[Values], bool]
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


def matcher(condition: Condition, *, ignore_case: bool = False) -> Test:
    """Prepare a condition for many documents, one after the other: one query's use.

    Raises RegexRefused, and so does the test, once the query's regular expressions together
    have taken too long.
    """
    return _Compiler(ignore_case).test(condition)


def sort_key(document: Values, key: SortKey, *, ignore_case: bool = False) -> Comparable:
    """Return what to compare of a document; for a descending key, compare it in reverse.

    An array counts as its least element, or its greatest where the order is descending.
    """
    leaves = _leaves(document, _names(key.path))
    keys = [one for leaf in leaves for one in _sort_keys(key.path, leaf, ignore_case)] or [_NULL]
    return max(keys) if key.descending else min(keys)


def fold(text: str) -> str:
    """Write a text so that texts that differ in case alone, or in how accents are coded, agree."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


class _Compiler:
    """Turns conditions into tests."""

    def __init__(self, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._budget = Budget()

    def test(self, condition: Condition) -> Test:
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
                return lambda document: _is_there(document, names) is exists
            case Matches(path, regex):
                return self._finds(path, regex)
            case ContainsAll(path, values):
                return self._contains_all(path, values)
            case ContainedBy(path, values):
                return self._contained_by(path, values)
            case All(parts):
                tests = [self.test(part) for part in parts]
                return lambda document: all(test(document) for test in tests)
            case Either(parts):
                tests = [self.test(part) for part in parts]
                return lambda document: any(test(document) for test in tests)
            case Neither(parts):
                return _not(self.test(Either(parts)))
            case Permits(right, principals):
                return lambda document: _permits(document.get("ACL"), right, principals)

    def _one_of(self, path: str, values: tuple[Any, ...]) -> Test:
        names, wanted = _names(path), {self._comparable(value, path) for value in values}
        return lambda document: any(
            self._comparable(value, path) in wanted for value in _candidates(document, names)
        )

    def _compares(self, condition: Compares) -> Test:
        names, holds = _names(condition.path), _ORDERS[condition.order]
        bound = self._comparable(condition.value, condition.path)

        def test(document: Values) -> bool:
            keys = (self._comparable(v, condition.path) for v in _candidates(document, names))
            return any(key[0] == bound[0] and holds(key, bound) for key in keys)

        return test

    def _finds(self, path: str, regex: Regex) -> Test:
        names, search = _names(path), Search(regex.pattern, regex.options, self._budget)
        return lambda document: any(
            isinstance(value, str) and search.finds(value) for value in _candidates(document, names)
        )

    def _contains_all(self, path: str, values: tuple[Any, ...]) -> Test:
        if not values:
            return lambda document: False
        parts: list[Condition] = [
            Matches(path, value) if isinstance(value, Regex) else Equals(path, value)
            for value in values
        ]
        return self.test(All(tuple(parts)))

    def _contained_by(self, path: str, values: tuple[Any, ...]) -> Test:
        names, allowed = _names(path), {self._comparable(value, path) for value in values}
        return lambda document: all(
            self._comparable(element, path) in allowed
            for leaf in _leaves(document, names)
            if isinstance(leaf, list)
            for element in leaf
        )

    def _comparable(self, value: Any, path: str) -> Comparable:
        return _comparable_at(path, value, self._ignore_case)


def _sort_keys(path: str, leaf: Any, ignore_case: bool) -> list[Comparable]:
    elements = leaf if isinstance(leaf, list) else [leaf]
    return [_comparable_at(path, element, ignore_case) for element in elements] or [_EMPTY_ARRAY]


def _not(test: Test) -> Test:
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
    return _comparable(value, ignore_case and path != "objectId")


def _comparable(value: Any, ignore_case: bool) -> Comparable:
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
            return _ARRAY, tuple(_comparable(element, ignore_case) for element in value)
    members = _members(value)
    return _NULL if members is None else (_OBJECT, _member_keys(members, ignore_case))


def _member_keys(members: Mapping[str, Any], ignore_case: bool) -> tuple[Any, ...]:
    """Objects compare member by member in their order: type, then name, then value."""
    keys = ((name, _comparable(value, ignore_case)) for name, value in members.items())
    return tuple((rank, name, content) for name, (rank, content) in keys)
