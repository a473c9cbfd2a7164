"""A `where`, to the conditions that databases know.

Pure but for the subqueries, which somebody else runs. Knows no schema: that a column is a
Relation, or protected, is for others to see in the condition that comes out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cloud.values import Pointer, Value
from server.parse.constraints import CONSTRAINTS, improper_usage, read_atom, read_regex, shown
from server.parse.decode import decode, mappings_in
from server.parse.errors import INVALID_JSON, INVALID_KEY_NAME, INVALID_QUERY, ParseError
from server.parse.geo import GEO_OPERATORS, check_near, read_geo
from server.parse.operations import check_column_name
from server.parse.request import read_json_text
from server.parse.text_search import check_text, read_text
from server.storage.port import (
    All,
    Condition,
    Either,
    Equals,
    Matches,
    Neither,
    NoneOf,
    OneOf,
)

# A database refuses far more than this, or suffers from it; no SDK comes near.
MAX_STEPS = 20
"""How many names a path may have."""
_MAX_DEPTH = 20
_MAX_CONDITIONS = 500
_MAX_SUBQUERIES = 20

PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
"""A column's name, or a way into an object in it."""
_INTERNAL_PATH = re.compile(r"_[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_SUBQUERIES = frozenset(["$inQuery", "$notInQuery", "$select", "$dontSelect", "$relatedTo"])


def read_where_json(where: Any) -> Mapping[str, Any]:
    """Read a `where` that may be text, as JSON still. Raises ParseError 107."""
    if isinstance(where, str):
        try:
            where = read_json_text(where)
        except ParseError:
            where = ""
    if where is None or where == []:  # PHP has one word for no list and no object
        return {}
    if not isinstance(where, Mapping):
        raise ParseError(INVALID_JSON, "where parameter is not valid JSON")
    return where


class Subqueries(Protocol):
    """Answers the questions inside a `where`, with the rights of the caller."""

    def in_query(self, class_name: str, where: Mapping[str, Any]) -> tuple[Pointer, ...]:
        """Return pointers to all objects of the class that fulfil `where`."""

    def select(self, class_name: str, where: Mapping[str, Any], key: str) -> tuple[Value, ...]:
        """Return what these objects hold at `key`, which may lead into objects with dots."""

    def related_to(self, owner: Pointer, key: str) -> tuple[str, ...]:
        """Return the objectIds of what the owner relates to through its relation `key`."""


def read_where(where: Mapping[str, Any], subqueries: Subqueries, *, master: bool) -> Condition:
    """Read a `where`; only the master key may name columns that start with `_`.

    Values that cloud code wrote as such, a datetime or Pointer, are taken as well as their JSON.
    Raises ParseError with Parse's codes and sentences.
    """
    _refuse_many_subqueries(where)
    condition = _WhereReader(subqueries, master).read(where, depth=0)
    check_near(condition)
    check_text(condition)
    return condition


class _WhereReader:
    """Reads one `where`, bounded in depth and number."""

    def __init__(self, subqueries: Subqueries, master: bool) -> None:
        self._subqueries = subqueries
        self._master = master
        self._conditions = 0

    def read(self, where: Mapping[str, Any], depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            raise ParseError(INVALID_QUERY, "The query is nested too deeply.")
        parts: list[Condition] = []
        for key, value in where.items():
            found = self._entry(key, value, depth)
            parts += found
            self._conditions += len(found)
            if self._conditions > _MAX_CONDITIONS:
                message = f"The query has more than {_MAX_CONDITIONS} conditions."
                raise ParseError(INVALID_QUERY, message)
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _entry(self, key: str, value: Any, depth: int) -> list[Condition]:
        if key in _COMBINATIONS:
            return [_COMBINATIONS[key](self._parts(key, value, depth))]
        if key == "$relatedTo":
            return [self._related_to(value)]
        self._check_key(key)
        if isinstance(value, list | tuple):
            message = f"You cannot use {shown(value)} as a query parameter."
            raise ParseError(INVALID_JSON, message)
        if isinstance(value, Mapping):
            return self._constraints(key, value)
        return [Equals(key, read_atom(key, value))]

    def _parts(self, key: str, value: Any, depth: int) -> tuple[Condition, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(p, Mapping) for p in value):
            raise ParseError(INVALID_QUERY, f"Bad {key} format - use an array value.")
        if not value and key != "$and":
            message = f"Bad {key} format - use an array of at least 1 value."
            raise ParseError(INVALID_QUERY, message)
        return tuple(self.read(part, depth + 1) for part in value)

    def _check_key(self, key: str) -> None:
        if key.partition(".")[0] == "ACL":
            raise ParseError(INVALID_QUERY, "Cannot query on ACL.")
        is_internal = self._master and _INTERNAL_PATH.fullmatch(key)
        if not (PATH.fullmatch(key) or is_internal) or key.count(".") >= MAX_STEPS:
            raise ParseError(INVALID_KEY_NAME, f"Invalid key name: {key}")

    def _constraints(self, path: str, value: Mapping[str, Any]) -> list[Condition]:
        """Read operators, and what stands beside them as a value to be equal to."""
        operators = {key: operand for key, operand in value.items() if key.startswith("$")}
        direct = {key: member for key, member in value.items() if key not in operators}
        conditions: list[Condition] = []
        if direct or not operators:
            conditions.append(Equals(path, read_atom(path, direct)))
        if "$regex" in operators:
            options = operators.pop("$options", None)
            conditions.append(Matches(path, read_regex(operators.pop("$regex"), options)))
        conditions += read_geo(
            path, {n: operators.pop(n) for n in GEO_OPERATORS & operators.keys()}
        )
        for operator, operand in operators.items():
            conditions.append(self._constraint(path, operator, operand))
        return conditions

    def _constraint(self, path: str, operator: str, operand: Any) -> Condition:
        if operator in CONSTRAINTS:
            return CONSTRAINTS[operator](path, operator, operand)
        if operator in ("$inQuery", "$notInQuery"):
            values = self._in_query(operator, operand)
            return OneOf(path, values) if operator == "$inQuery" else NoneOf(path, values)
        if operator in ("$select", "$dontSelect"):
            values = self._select(operator, operand)
            return OneOf(path, values) if operator == "$select" else NoneOf(path, values)
        if operator == "$text":
            return read_text(path, operand)
        raise ParseError(INVALID_JSON, f"bad constraint: {operator}")

    def _in_query(self, operator: str, operand: Any) -> tuple[Value, ...]:
        if not isinstance(operand, Mapping) or operand.get("where") is None:
            raise improper_usage(operator)
        return self._subqueries.in_query(*_subquery(operator, operand))

    def _select(self, operator: str, operand: Any) -> tuple[Value, ...]:
        if not isinstance(operand, Mapping) or operand.keys() != {"query", "key"}:
            raise improper_usage(operator)
        key = operand["key"]
        if not isinstance(key, str) or not PATH.fullmatch(key):
            raise improper_usage(operator)
        return self._subqueries.select(*_subquery(operator, operand["query"]), key)

    def _related_to(self, operand: Any) -> Condition:
        if not isinstance(operand, Mapping) or not isinstance(operand.get("key"), str):
            raise improper_usage("$relatedTo")
        owner = decode(operand.get("object"))
        if not isinstance(owner, Pointer):
            raise improper_usage("$relatedTo")
        check_column_name(operand["key"])
        return OneOf("objectId", self._subqueries.related_to(owner, operand["key"]))


_COMBINATIONS: Mapping[str, Callable[[tuple[Condition, ...]], Condition]] = {
    "$and": All,
    "$or": Either,
    "$nor": Neither,
}


def _refuse_many_subqueries(where: Mapping[str, Any]) -> None:
    """Count them all, those in subqueries included, before the first one runs."""
    count = sum(len(_SUBQUERIES.intersection(mapping)) for mapping in mappings_in(where))
    if count > _MAX_SUBQUERIES:
        message = f"The query has more than {_MAX_SUBQUERIES} subqueries."
        raise ParseError(INVALID_QUERY, message)


def _subquery(operator: str, query: Any) -> tuple[str, Mapping[str, Any]]:
    """Read class and `where`; SDKs send limit, skip and order along, which have no say."""
    class_name = query.get("className") if isinstance(query, Mapping) else None
    if not class_name or not isinstance(class_name, str):
        raise improper_usage(operator)
    if query.get("redirectClassNameForKey"):
        message = f"redirectClassNameForKey inside {operator} is not supported yet."
        raise ParseError(INVALID_QUERY, message)
    return class_name, read_where_json(query.get("where"))
