"""A find's parameters and its `where`, to the parts of a query that databases know.

Pure but for the subqueries, which somebody else runs. Knows no schema: that a column is a
Relation, or protected, is for others to see in the condition that comes out.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from cloud.values import Pointer, Value
from server.parse.decode import decode, decode_column, mappings_in, parse_date
from server.parse.encode import to_json
from server.parse.errors import INVALID_JSON, INVALID_KEY_NAME, INVALID_QUERY, ParseError
from server.parse.geo import GEO_OPERATORS, check_near, read_geo
from server.parse.operations import check_column_name
from server.parse.relative_time import relative_date
from server.parse.request import read_json_text
from server.parse.text_search import check_text, read_text
from server.storage.port import (
    READ_PREFERENCES,
    SCORE,
    All,
    Compares,
    Condition,
    ContainedBy,
    ContainsAll,
    Differs,
    Either,
    Equals,
    Exists,
    Hint,
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Regex,
    SortKey,
)

DEFAULT_LIMIT = 100
_MAX_NUMBER = 2**31 - 1

_READ_PREFERENCES = {
    "readPreference": "read_preference",
    "includeReadPreference": "include_read_preference",
    "subqueryReadPreference": "subquery_read_preference",
}
_GET_PARAMETERS = frozenset(["keys", "excludeKeys", "include", *_READ_PREFERENCES])
_FIND_PARAMETERS = _GET_PARAMETERS | {
    "where", "limit", "skip", "order", "count", "includeAll", "redirectClassNameForKey", "hint",
    "explain", "comment",
}  # fmt: skip

# A database refuses far more than this, or suffers from it; no SDK comes near.
_MAX_PATHS = 100
_MAX_SORT_KEYS = 32
_MAX_STEPS = 20
_MAX_DEPTH = 20
_MAX_CONDITIONS = 500
_MAX_SUBQUERIES = 20
_MAX_PATTERN = 10_000

_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_INTERNAL_PATH = re.compile(r"_[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_INDEX_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_INDEX_WAYS = (1, -1, "2d", "2dsphere", "text", "hashed")
_VERBOSITIES = ("queryPlanner", "queryPlannerExtended", "executionStats", "allPlansExecution")
_OLD_SORT_NAMES = {"_created_at": "createdAt", "_updated_at": "updatedAt"}


# --- parameters -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindRequest:
    """What a find or get asks for; `where` is JSON still, which `read_where` reads.

    `include` holds every path to include, shorter ones before those they lead to; `keys` with
    dots include as well. `keys` and `exclude_keys` are None when not given.
    """

    where: Mapping[str, Any] = field(default_factory=dict)
    limit: int = DEFAULT_LIMIT
    skip: int = 0
    order: tuple[SortKey, ...] = ()
    count: bool = False
    keys: tuple[str, ...] | None = None
    exclude_keys: tuple[str, ...] | None = None
    include: tuple[str, ...] = ()
    include_all: bool = False
    redirect_class_name_for_key: str | None = None
    hint: Hint | None = None
    explain: str | None = None
    comment: str | None = None
    read_preference: str | None = None
    include_read_preference: str | None = None
    subquery_read_preference: str | None = None


def read_find(params: Mapping[str, Any]) -> FindRequest:
    """Read the parameters of a find; they may be text, as query strings and Android send them.

    Raises ParseError 102 for unknown and unusable ones, 105 for bad names, 107 for a bad `where`.
    """
    for name in params:
        if name not in _FIND_PARAMETERS:
            raise ParseError(INVALID_QUERY, f"Invalid parameter for query: {name}")
    include = _texts(params, "include") or ()
    keys = _paths(params, "keys")
    return FindRequest(
        where=read_where_json(params.get("where")),
        limit=_whole_number(params, "limit", DEFAULT_LIMIT),
        skip=_whole_number(params, "skip", 0),
        order=_order(_texts(params, "order") or ()),
        count=_is_true(params.get("count")),
        keys=keys,
        exclude_keys=_paths(params, "excludeKeys"),
        include=_included(include, keys or ()),
        include_all=_is_true(params.get("includeAll")) or "*" in include,
        redirect_class_name_for_key=_column(params, "redirectClassNameForKey"),
        hint=read_hint(params.get("hint")),
        explain=read_explain(params.get("explain")),
        comment=read_comment(params.get("comment")),
        **{field: read_preference(params.get(name)) for name, field in _READ_PREFERENCES.items()},
    )


def read_get(params: Mapping[str, Any]) -> FindRequest:
    """Read the parameters of a get: which columns, and what to include. Raises ParseError."""
    if not _GET_PARAMETERS.issuperset(params):
        raise ParseError(INVALID_QUERY, "Improper encode of parameter")
    return read_find(params)


def _not_supported(name: str) -> ParseError:
    return ParseError(INVALID_QUERY, f"{name} is not supported yet.")


def _bad_parameter(name: str, expected: str) -> ParseError:
    return ParseError(INVALID_QUERY, f"{name} must be {expected}.")


def _is_true(value: Any) -> bool:
    return value not in (None, False, 0, "", "0", "false", "null")


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


def _whole_number(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    if value is None or value == "":
        return default
    try:
        number = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= _MAX_NUMBER or number != int(number):
        raise _bad_parameter(name, f"a whole number from 0 to {_MAX_NUMBER}")
    return int(number)


def read_hint(value: Any) -> Hint | None:
    """Read the index to go by, a name or keys; None if there is none. Raises ParseError 102."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        value = read_json_text(value)
    if not _is_true(value) or value == {}:
        return None
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, Mapping) and len(value) <= _MAX_SORT_KEYS:
        keys = tuple(value.items())
        if all(_INDEX_KEY.fullmatch(key) and way in _INDEX_WAYS for key, way in keys):
            return keys
    raise _bad_parameter("hint", "an index's name or its keys")


def read_explain(value: Any) -> str | None:
    """Read how much is to be said of how a query runs; None for nothing. Raises ParseError 102."""
    if not _is_true(value):
        return None
    if value in (True, "true", "1"):
        return "allPlansExecution"
    if value not in _VERBOSITIES:
        raise ParseError(INVALID_QUERY, "Invalid value for explain")
    return str(value)


def read_comment(value: Any) -> str | None:
    """Read what the database is to write beside the query in its log; no text is no comment."""
    return value if isinstance(value, str) and value and "\0" not in value else None


def read_preference(value: Any) -> str | None:
    """Read which members of a replica set may answer. Raises ParseError 102."""
    if not isinstance(value, str) or not value:
        return None
    if value.upper() not in READ_PREFERENCES:
        raise ParseError(INVALID_QUERY, "Not supported read preference.")
    return value.upper()


def _texts(params: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Return the parts of a list with commas, or of a list; None if there is neither."""
    value = params.get(name)
    if isinstance(value, str) and value[:1] in ('"', "["):  # JSON inside a query string
        value = read_json_text(value)
    if isinstance(value, str):
        value = value.split(",")
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise _bad_parameter(name, "a list of names with commas")
    parts = [part.strip() for part in value]
    return tuple(dict.fromkeys(part for part in parts if part))


def _paths(params: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    paths = _texts(params, name)
    if paths is not None:
        _check_paths(paths, _MAX_PATHS)
    return paths


def _check_paths(paths: Iterable[str], most: int) -> None:
    for number, path in enumerate(paths, start=1):
        if not (_PATH.fullmatch(path) or path == SCORE):
            raise ParseError(INVALID_KEY_NAME, f"Invalid field name: {path}.")
        if number > most or path.count(".") >= _MAX_STEPS:
            raise ParseError(INVALID_QUERY, "The query names too many fields.")


def _order(names: tuple[str, ...]) -> tuple[SortKey, ...]:
    directions: dict[str, bool] = {}
    for name in names:
        path = name.removeprefix("-")
        directions.setdefault(_OLD_SORT_NAMES.get(path, path), name.startswith("-"))
    _check_paths(directions, _MAX_SORT_KEYS)
    return tuple(SortKey(path, descending) for path, descending in directions.items())


def _included(include: tuple[str, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    wanted = [path for path in include if path != "*"]
    wanted += [key.rpartition(".")[0] for key in keys if "." in key]
    _check_paths(wanted, _MAX_PATHS)
    prefixes = {
        ".".join(steps[:length])
        for steps in (path.split(".") for path in wanted)
        for length in range(1, len(steps) + 1)
    }
    return tuple(sorted(prefixes, key=lambda path: (path.count("."), path)))


def _column(params: Mapping[str, Any], name: str) -> str | None:
    value = params.get(name)
    if not value:
        return None
    if not isinstance(value, str):
        raise _bad_parameter(name, "a field's name")
    check_column_name(value)
    return value


# --- where ----------------------------------------------------------------------------------------


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
            message = f"You cannot use {_shown(value)} as a query parameter."
            raise ParseError(INVALID_JSON, message)
        if isinstance(value, Mapping):
            return self._constraints(key, value)
        return [Equals(key, _atom(key, value))]

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
        if not (_PATH.fullmatch(key) or is_internal) or key.count(".") >= _MAX_STEPS:
            raise ParseError(INVALID_KEY_NAME, f"Invalid key name: {key}")

    def _constraints(self, path: str, value: Mapping[str, Any]) -> list[Condition]:
        """Read operators, and what stands beside them as a value to be equal to."""
        operators = {key: operand for key, operand in value.items() if key.startswith("$")}
        direct = {key: member for key, member in value.items() if key not in operators}
        conditions: list[Condition] = []
        if direct or not operators:
            conditions.append(Equals(path, _atom(path, direct)))
        if "$regex" in operators:
            options = operators.pop("$options", None)
            conditions.append(Matches(path, _regex(operators.pop("$regex"), options)))
        conditions += read_geo(
            path, {n: operators.pop(n) for n in GEO_OPERATORS & operators.keys()}
        )
        for operator, operand in operators.items():
            conditions.append(self._constraint(path, operator, operand))
        return conditions

    def _constraint(self, path: str, operator: str, operand: Any) -> Condition:
        if operator in _CONSTRAINTS:
            return _CONSTRAINTS[operator](path, operator, operand)
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
            raise _improper(operator)
        return self._subqueries.in_query(*_subquery(operator, operand))

    def _select(self, operator: str, operand: Any) -> tuple[Value, ...]:
        if not isinstance(operand, Mapping) or operand.keys() != {"query", "key"}:
            raise _improper(operator)
        key = operand["key"]
        if not isinstance(key, str) or not _PATH.fullmatch(key):
            raise _improper(operator)
        return self._subqueries.select(*_subquery(operator, operand["query"]), key)

    def _related_to(self, operand: Any) -> Condition:
        if not isinstance(operand, Mapping) or not isinstance(operand.get("key"), str):
            raise _improper("$relatedTo")
        owner = decode(operand.get("object"))
        if not isinstance(owner, Pointer):
            raise _improper("$relatedTo")
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
        raise _improper(operator)
    if query.get("redirectClassNameForKey"):
        raise _not_supported(f"redirectClassNameForKey inside {operator}")
    return class_name, read_where_json(query.get("where"))


def _improper(operator: str) -> ParseError:
    return ParseError(INVALID_QUERY, f"improper usage of {operator}")


# --- operators ------------------------------------------------------------------------------------


def _shown(value: Any) -> str:
    return to_json(value)[:200]


def _bad_atom(value: Any) -> ParseError:
    return ParseError(INVALID_JSON, f"bad atom: {_shown(value)}")


def _atom(path: str, value: Any) -> Value:
    """Read a value to compare with. An operator inside it never gets through."""
    if path in ("createdAt", "updatedAt") and isinstance(value, str):
        return parse_date(value)
    for mapping in mappings_in(value):
        if any("$" in key or "." in key for key in mapping):
            raise _bad_atom(value)
    return decode_column(path, value)


def _equality(path: str, operator: str, operand: Any) -> Condition:
    _refuse_relative_time(operand)
    value = _atom(path, operand)
    return Equals(path, value) if operator == "$eq" else Differs(path, value)


def _order_of(path: str, operator: str, operand: Any) -> Condition:
    if isinstance(operand, Mapping) and operand.keys() == {"$relativeTime"}:
        return Compares(path, Order(operator), _relative_date(operator, operand["$relativeTime"]))
    value = _atom(path, operand)
    if not isinstance(value, _COMPARABLE):
        raise _bad_atom(operand)
    return Compares(path, Order(operator), value)


def _membership(path: str, operator: str, operand: Any) -> Condition:
    """Arrays inside the array are taken apart, as in Parse."""
    values: list[Value] = []
    for member in _array(operand, f"bad {operator} value"):
        values += [_atom(path, m) for m in (member if isinstance(member, list) else [member])]
    return OneOf(path, tuple(values)) if operator == "$in" else NoneOf(path, tuple(values))


def _existence(path: str, _operator: str, operand: Any) -> Condition:
    _refuse_relative_time(operand)
    if not isinstance(operand, bool):
        raise ParseError(INVALID_JSON, "bad $exists value")
    return Exists(path, operand)


def _contains_all(path: str, _operator: str, operand: Any) -> Condition:
    members = _array(operand, "bad $all value")
    regexes = [m for m in members if isinstance(m, Mapping) and "$regex" in m]
    if not regexes:
        return ContainsAll(path, tuple(_atom(path, member) for member in members))
    if len(regexes) < len(members):
        message = f"All $all values must be of regex type or none: {_shown(members)}"
        raise ParseError(INVALID_JSON, message)
    if any(regex.keys() - {"$regex", "$options"} for regex in regexes):
        raise _bad_atom(operand)
    return ContainsAll(path, tuple(_regex(r["$regex"], r.get("$options")) for r in regexes))


def _contained_by(path: str, _operator: str, operand: Any) -> Condition:
    members = _array(operand, "bad $containedBy: should be an array")
    return ContainedBy(path, tuple(_atom(path, member) for member in members))


def _array(operand: Any, refusal: str) -> list[Any]:
    if not isinstance(operand, list | tuple):
        raise ParseError(INVALID_JSON, refusal)
    return list(operand)


def _refuse_relative_time(operand: Any) -> None:
    if isinstance(operand, Mapping) and "$relativeTime" in operand:
        message = "$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators"
        raise ParseError(INVALID_JSON, message)


def _relative_date(operator: str, text: Any) -> datetime:
    try:
        return relative_date(text, decode(datetime.now(UTC)))
    except (ValueError, OverflowError) as error:
        message = f"bad $relativeTime ({operator}) value. {error}"
        raise ParseError(INVALID_JSON, message) from None


def _regex(pattern: Any, options: Any) -> Regex:
    if not isinstance(pattern, str) or "\0" in pattern or len(pattern) > _MAX_PATTERN:
        raise ParseError(INVALID_JSON, f"bad regex: {_shown(pattern)}")
    if options is None:
        return Regex(pattern)
    if not isinstance(options, str) or not re.fullmatch("[imxs]+", options):
        raise ParseError(INVALID_QUERY, f"Bad $options value for query: {options}")
    return Regex(pattern, "".join(sorted(set(options))))


_COMPARABLE = (bool, int, float, str, datetime, bytes, Pointer, type(None))

_SUBQUERIES = frozenset(["$inQuery", "$notInQuery", "$select", "$dontSelect", "$relatedTo"])

_CONSTRAINTS: Mapping[str, Callable[[str, str, Any], Condition]] = {
    "$eq": _equality,
    "$ne": _equality,
    **dict.fromkeys(Order, _order_of),
    "$in": _membership,
    "$nin": _membership,
    "$exists": _existence,
    "$all": _contains_all,
    "$containedBy": _contained_by,
}
