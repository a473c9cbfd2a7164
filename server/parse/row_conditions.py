"""A pipeline's `$match`, to conditions on rows. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from server.parse.expressions import read_expression
from server.parse.row_names import RowNames, bad_pipeline, is_row_path
from server.storage.pipeline import Expression
from server.storage.port import (
    All,
    Compares,
    Condition,
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
    Regex,
)

_MAX_DEPTH = 20
_MAX_PATTERN = 10_000


def read_match(where: Any, names: RowNames) -> tuple[Condition, list[Expression]]:
    """Read the condition, and what `$expr` says beside it. Raises ParseError 102."""
    if not isinstance(where, Mapping):
        raise bad_pipeline("the match filter must be an object")
    tests = [read_expression(where["$expr"], names)] if "$expr" in where else []
    rest = {key: value for key, value in where.items() if key != "$expr"}
    return _condition(rest, names, 0), tests


def _condition(where: Any, names: RowNames, depth: int) -> Condition:
    if not isinstance(where, Mapping) or depth > _MAX_DEPTH:
        raise bad_pipeline("$match: bad, or too deeply nested, condition")
    parts: list[Condition] = []
    for key, value in where.items():
        if key in _COMBINATIONS:
            if not isinstance(value, list | tuple) or not value:
                raise bad_pipeline(f"{key} must be a nonempty array")
            inner = tuple(_condition(part, names, depth + 1) for part in value)
            parts.append(_COMBINATIONS[key](inner))
        elif key.startswith("$"):
            raise bad_pipeline(f"{key} is not supported in $match.")
        elif not is_row_path(key):
            raise bad_pipeline(f"$match: {key[:200]!r} is no path to a field")
        else:
            parts += _constraints(key, value, names)
    return parts[0] if len(parts) == 1 else All(tuple(parts))


_COMBINATIONS = {"$and": All, "$or": Either, "$nor": Neither}


def _constraints(path: str, value: Any, names: RowNames) -> list[Condition]:
    is_operator = isinstance(value, Mapping) and any(key.startswith("$") for key in value)
    if not is_operator or value.keys() == {"$date"}:
        return [Equals(names.stored(path), names.value(path, value))]
    operators = dict(value)
    conditions: list[Condition] = []
    if "$regex" in operators:
        regex = _regex(operators.pop("$regex"), operators.pop("$options", ""))
        conditions.append(Matches(names.stored(path), regex))
    for operator, operand in operators.items():
        conditions.append(_constraint(path, operator, operand, names))
    return conditions


def _constraint(path: str, operator: str, operand: Any, names: RowNames) -> Condition:
    stored = names.stored(path)
    match operator:
        case "$eq":
            return Equals(stored, names.value(path, operand))
        case "$ne":
            return Differs(stored, names.value(path, operand))
        case "$lt" | "$lte" | "$gt" | "$gte":
            return Compares(stored, Order(operator), names.value(path, operand))
        case "$in":
            return OneOf(stored, _values(path, operator, operand, names))
        case "$nin":
            return NoneOf(stored, _values(path, operator, operand, names))
        case "$all":
            return ContainsAll(stored, _values(path, operator, operand, names))
        case "$exists":
            return Exists(stored, bool(operand))
        case "$not" if isinstance(operand, Mapping) and operand:
            return Neither((All(tuple(_constraints(path, operand, names))),))
    raise bad_pipeline(f"{operator} is not supported in $match.")


def _values(path: str, operator: str, operand: Any, names: RowNames) -> tuple[Any, ...]:
    if not isinstance(operand, list | tuple):
        raise bad_pipeline(f"{operator} needs an array")
    return tuple(names.value(path, value) for value in operand)


def _regex(pattern: Any, options: Any) -> Regex:
    is_pattern = isinstance(pattern, str) and "\0" not in pattern and len(pattern) <= _MAX_PATTERN
    if not is_pattern or not isinstance(options, str) or not re.fullmatch("[imxs]*", options):
        raise bad_pipeline("$match: bad $regex or $options")
    return Regex(pattern, "".join(sorted(set(options))))
