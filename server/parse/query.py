"""A find's parameters, and those of other queries that are the same. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.parse.errors import INVALID_KEY_NAME, INVALID_QUERY, ParseError
from server.parse.operations import check_column_name
from server.parse.request import read_json_text
from server.parse.where import MAX_STEPS, PATH, read_where_json
from server.storage.port import READ_PREFERENCES, SCORE, Hint, SortKey

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

_INDEX_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_INDEX_WAYS = (1, -1, "2d", "2dsphere", "text", "hashed")
_VERBOSITIES = ("queryPlanner", "queryPlannerExtended", "executionStats", "allPlansExecution")
_OLD_SORT_NAMES = {"_created_at": "createdAt", "_updated_at": "updatedAt"}


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


_PLAIN_GET = FindRequest()


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
    return read_find(params) if params else _PLAIN_GET


def _bad_parameter(name: str, expected: str) -> ParseError:
    return ParseError(INVALID_QUERY, f"{name} must be {expected}.")


def _is_true(value: Any) -> bool:
    return value not in (None, False, 0, "", "0", "false", "null")


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
        if not (PATH.fullmatch(path) or path == SCORE):
            raise ParseError(INVALID_KEY_NAME, f"Invalid field name: {path}.")
        if number > most or path.count(".") >= MAX_STEPS:
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
