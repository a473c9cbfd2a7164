"""What each operator of a `where` says of one path. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cloud.values import Pointer, Value
from server.parse.decode import decode, decode_column, mappings_in, parse_date
from server.parse.encode import to_json
from server.parse.errors import INVALID_JSON, INVALID_QUERY, ParseError
from server.parse.relative_time import relative_date
from server.storage.port import (
    Compares,
    Condition,
    ContainedBy,
    ContainsAll,
    Differs,
    Equals,
    Exists,
    NoneOf,
    OneOf,
    Order,
    Regex,
)

_MAX_PATTERN = 10_000
_COMPARABLE = (bool, int, float, str, datetime, bytes, Pointer, type(None))


def shown(value: Any) -> str:
    """Write the beginning of a value, for a refusal to repeat."""
    return to_json(value)[:200]


def _bad_atom(value: Any) -> ParseError:
    return ParseError(INVALID_JSON, f"bad atom: {shown(value)}")


def improper_usage(operator: str) -> ParseError:
    """Make the error for an operator with an operand of another shape."""
    return ParseError(INVALID_QUERY, f"improper usage of {operator}")


def read_atom(path: str, value: Any) -> Value:
    """Read a value to compare with. An operator inside it never gets through."""
    if path in ("createdAt", "updatedAt") and isinstance(value, str):
        return parse_date(value)
    for mapping in mappings_in(value):
        if any("$" in key or "." in key for key in mapping):
            raise _bad_atom(value)
    return decode_column(path, value)


def _equality(path: str, operator: str, operand: Any) -> Condition:
    _refuse_relative_time(operand)
    value = read_atom(path, operand)
    return Equals(path, value) if operator == "$eq" else Differs(path, value)


def _order_of(path: str, operator: str, operand: Any) -> Condition:
    if isinstance(operand, Mapping) and operand.keys() == {"$relativeTime"}:
        return Compares(path, Order(operator), _relative_date(operator, operand["$relativeTime"]))
    value = read_atom(path, operand)
    if not isinstance(value, _COMPARABLE):
        raise _bad_atom(operand)
    return Compares(path, Order(operator), value)


def _membership(path: str, operator: str, operand: Any) -> Condition:
    """Arrays inside the array are taken apart, as in Parse."""
    values: list[Value] = []
    for member in _array(operand, f"bad {operator} value"):
        values += [read_atom(path, m) for m in (member if isinstance(member, list) else [member])]
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
        return ContainsAll(path, tuple(read_atom(path, member) for member in members))
    if len(regexes) < len(members):
        message = f"All $all values must be of regex type or none: {shown(members)}"
        raise ParseError(INVALID_JSON, message)
    if any(regex.keys() - {"$regex", "$options"} for regex in regexes):
        raise _bad_atom(operand)
    return ContainsAll(path, tuple(read_regex(r["$regex"], r.get("$options")) for r in regexes))


def _contained_by(path: str, _operator: str, operand: Any) -> Condition:
    members = _array(operand, "bad $containedBy: should be an array")
    return ContainedBy(path, tuple(read_atom(path, member) for member in members))


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


def read_regex(pattern: Any, options: Any) -> Regex:
    """Read a pattern and its options. Raises ParseError."""
    if not isinstance(pattern, str):
        raise ParseError(INVALID_QUERY, "$regex value must be a string")
    if "\0" in pattern or len(pattern) > _MAX_PATTERN:
        raise ParseError(INVALID_JSON, f"bad regex: {shown(pattern)}")
    if options is None:
        return Regex(pattern)
    if not isinstance(options, str) or not re.fullmatch("[imxs]+", options):
        raise ParseError(INVALID_QUERY, f"Bad $options value for query: {options}")
    return Regex(pattern, "".join(sorted(set(options))))


CONSTRAINTS: Mapping[str, Callable[[str, str, Any], Condition]] = {
    "$eq": _equality,
    "$ne": _equality,
    **dict.fromkeys(Order, _order_of),
    "$in": _membership,
    "$nin": _membership,
    "$exists": _existence,
    "$all": _contains_all,
    "$containedBy": _contained_by,
}
"""By operator: path, operator and operand to a condition. They raise ParseError."""
