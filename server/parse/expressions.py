"""A pipeline's expressions, from JSON to typed ones. Pure."""

from collections.abc import Mapping
from typing import Any

from server.parse.decode import decode, parse_date
from server.parse.row_names import RowNames, bad_pipeline, is_row_path
from server.storage.mongo.values import nested
from server.storage.pipeline import (
    DATE_PARTS,
    OPERATORS,
    Apply,
    DateText,
    Elements,
    Expression,
    Field,
    Literal,
    Members,
    WholeRow,
)

_MAX_BRANCHES = 50
_DEFAULT_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S.%LZ"


def read_expression(value: Any, names: RowNames) -> Expression:
    """Read an expression. Raises ParseError 102, which names an operator that is not supported."""
    match value:
        case str() if value.startswith("$$"):
            return _variable(value, names)
        case str() if value.startswith("$"):
            return _field(value[1:], names)
        case list() | tuple():
            return Elements(tuple(read_expression(element, names) for element in value))
        case Mapping():
            return _object(value, names)
    return Literal(value)


def _variable(text: str, names: RowNames) -> Expression:
    name, _, path = text.removeprefix("$$").partition(".")
    if name not in ("ROOT", "CURRENT"):
        raise bad_pipeline(f"The variable $${name} is not supported.")
    return _field(path, names) if path else WholeRow()


def _field(path: str, names: RowNames) -> Expression:
    if not is_row_path(path):
        raise bad_pipeline(f"{path[:200]!r} is no path to a field")
    return Field(names.stored(path))


def _object(value: Mapping[str, Any], names: RowNames) -> Expression:
    operators = [key for key in value if key.startswith("$")]
    if not operators:
        if "__type" in value:
            return Literal(nested(decode(value)))
        for name in value:
            if not name or "." in name or "\0" in name:
                raise bad_pipeline(f"{name[:200]!r} is no name of a field")
        return Members({name: read_expression(member, names) for name, member in value.items()})
    if len(value) != 1:
        keys = ", ".join(value)
        raise bad_pipeline(f"an expression has exactly one operator, but found {keys}")
    return _operation(operators[0], value[operators[0]], names)


def _operation(operator: str, operand: Any, names: RowNames) -> Expression:
    match operator, operand:
        case "$literal", _:
            return Literal(nested(decode(operand)))
        case "$date", str():  # a date in MongoDB's own JSON
            return Literal(parse_date(operand))
        case "$cond", Mapping():
            operand = _named(operator, operand, ("if", "then", "else"))
        case "$switch", Mapping():
            return _switch(operand, names)
        case "$dateToString", Mapping():
            return _date_to_string(operand, names)
    if operator not in OPERATORS:
        raise bad_pipeline(f"The operator {operator} is not supported.")
    arguments = operand if isinstance(operand, list | tuple) else [operand]
    least, most = OPERATORS[operator]
    if not least <= len(arguments) <= most:
        raise bad_pipeline(
            f"Expression {operator} takes {least} to {most} arguments. "
            f"{len(arguments)} were passed in."
        )
    return Apply(operator, tuple(read_expression(argument, names) for argument in arguments))


def _named(operator: str, operand: Mapping[str, Any], keys: tuple[str, ...]) -> list[Any]:
    if operand.keys() != set(keys):
        raise bad_pipeline(f"{operator} needs {', '.join(keys)}")
    return [operand[key] for key in keys]


def _switch(operand: Mapping[str, Any], names: RowNames) -> Expression:
    """Read it as one `$cond` in the other."""
    branches, otherwise = _named("$switch", operand, ("branches", "default"))
    if not isinstance(branches, list | tuple) or not 0 < len(branches) <= _MAX_BRANCHES:
        raise bad_pipeline(f"$switch requires between 1 and {_MAX_BRANCHES} branches")
    chosen = read_expression(otherwise, names)
    for branch in reversed(branches):
        if not isinstance(branch, Mapping):
            raise bad_pipeline("$switch expected each branch to be an object")
        case, then = _named("$switch", branch, ("case", "then"))
        chosen = Apply(
            "$cond", (read_expression(case, names), read_expression(then, names), chosen)
        )
    return chosen


def _date_to_string(operand: Mapping[str, Any], names: RowNames) -> Expression:
    if operand.keys() - {"date", "format"} or "date" not in operand:
        raise bad_pipeline("$dateToString takes date and format, in UTC")
    text_format = operand.get("format", _DEFAULT_DATE_FORMAT)
    if not isinstance(text_format, str) or "\0" in text_format:
        raise bad_pipeline("$dateToString: format must be a text")
    parts = iter(text_format)
    for letter in parts:
        if letter == "%" and next(parts, "") not in DATE_PARTS:
            raise bad_pipeline("$dateToString: Invalid format character in format string")
    return DateText(read_expression(operand["date"], names), text_format)
