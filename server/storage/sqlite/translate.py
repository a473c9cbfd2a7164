"""Conditions and orders as SQL over the JSON documents.

A column that the schema gives a scalar type has one SQL expression, always written in the same
way, so that an expression index can serve it. What SQL cannot say becomes a condition that lets
too much through, marked as not exact; the caller finishes it with `matching`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloud.values import File, Pointer
from server.storage.geo import (
    GeoCondition,
    Intersects,
    Near,
    WithinBox,
    WithinPolygon,
    WithinSphere,
    bounds,
)
from server.storage.matching import fold
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    ContainsAll,
    Differs,
    Either,
    Equals,
    Exists,
    Index,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Permits,
    Refused,
    SortKey,
)
from server.storage.sqlite.documents import dump, kept_date, kept_text
from server.storage.sqlite.layout import FOLD

Parameter = str | int | float
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# SQLite refuses expressions of a depth over 1000, parentheses nested about 25 deep, and more than
# 32,766 parameters.
_MAX_DEPTH = 500
_MAX_NESTING = 12
_MAX_PARAMETERS = 10_000
_OPERATORS = {
    Order.LESS: "<",
    Order.LESS_OR_EQUAL: "<=",
    Order.GREATER: ">",
    Order.GREATER_OR_EQUAL: ">=",
}


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition in SQL. Where it is not `exact` it also holds for rows that must be sieved."""

    text: str
    parameters: tuple[Parameter, ...] = ()
    exact: bool = True
    depth: int = 1
    nesting: int = 0


_TRUE = Sql("1")
_FALSE = Sql("0")
_UNKNOWN = Sql("1", exact=False)


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A column whose values SQL compares as MongoDB does."""

    expression: str
    parameter: Callable[[Any], Parameter | None]
    """A value of the column's type as SQL sees it; None for one of another type."""


def class_condition(class_name: str) -> str:
    """Write the condition on a row's class as partial indexes have it, so that they serve it.

    Raises ValueError for what is no class name.
    """
    return f"class_name = '{_checked(class_name)}'"


def translate(schema: ClassSchema, condition: Condition, *, ignore_case: bool = False) -> Sql:
    """Write a condition in SQL."""
    return _Translator(schema, ignore_case).condition(condition)


def translate_order(
    schema: ClassSchema, order: Sequence[SortKey], *, ignore_case: bool = False
) -> str | None:
    """Write an order in SQL; None if it cannot be said.

    Equal rows come as they were inserted, or in reverse where the last key descends: so an index
    serves the whole of it. None are equal in their objectId.
    """
    terms = []
    for key in order:
        column = _column(schema, key.path, ignore_case)
        if column is None:
            return None
        terms.append(column.expression + _direction(key.descending))
    if "objectId" not in {key.path for key in order}:
        terms.append("sequence" + _direction(bool(order) and order[-1].descending))
    return ", ".join(terms)


def _direction(descending: bool) -> str:
    return " DESC" if descending else ""


def translate_index(schema: ClassSchema, index: Index) -> str:
    """Write the statement that makes the index; its name ends in the columns' names.

    Objects without the column are no part of a unique one. Raises Refused for a column whose type
    SQL does not compare, and for other kinds of index than ascending and descending.
    """
    expressions = []
    kinds = index.kinds or (1,) * len(index.columns)
    for path, kind in zip(index.columns, kinds, strict=True):
        column = _column(schema, path, index.ignore_case)
        if column is None or kind not in (1, -1):
            what = "can have no index" if column is None else f"can have no {kind} index"
            raise Refused(f"{schema.class_name}.{path} {what} in the embedded database")
        expressions.append(column.expression + _direction(kind == -1))
    return (
        f"CREATE {'UNIQUE ' if index.unique else ''}INDEX IF NOT EXISTS "
        f'"{index_name(schema, index)}" '
        f"ON objects ({', '.join(expressions)}) WHERE {class_condition(schema.class_name)}"
    )


def index_name(schema: ClassSchema, index: Index) -> str:
    """Name an index; the columns are part of it, so others under the same name are another."""
    columns = ",".join(_checked(column) for column in index.columns)
    return f"{_checked(schema.class_name)} {_checked(index.name)} {columns}"


def translate_values(schema: ClassSchema, columns: Sequence[str]) -> str:
    """Write what reads columns of text or numbers; what is of another type reads as NULL.

    Raises ValueError for other columns.
    """
    return ", ".join(_value(schema, path) for path in columns)


def translate_key(schema: ClassSchema, path: str, kinds: Sequence[str]) -> str:
    """Write what reads a column of one of these types; what is of another type reads as NULL.

    Raises ValueError for other columns.
    """
    kind = "Date" if path in ("createdAt", "updatedAt") else _kind(schema, path)
    if kind is None or kind not in kinds:
        raise ValueError(f"{schema.class_name}.{path} is no column of {' or '.join(kinds)}")
    if kind == "Date":
        return f"json_extract(document, '$.{path}.\"$date\"')"
    is_one = f"json_type(document, '$.{path}') IN {_JSON_TYPES[kind]}"
    return f"CASE WHEN {is_one} THEN json_extract(document, '$.{path}') END"


class _Translator:
    """Writes the conditions of one query."""

    def __init__(self, schema: ClassSchema, ignore_case: bool) -> None:
        self._schema, self._ignore_case = schema, ignore_case

    def condition(self, condition: Condition) -> Sql:
        match condition:
            case All(parts):
                return _joined("AND", [self.condition(part) for part in parts], _TRUE)
            case Either(parts):
                return _joined("OR", [self.condition(part) for part in parts], _FALSE)
            case Neither(parts):
                return _joined("AND", [_not(self.condition(part)) for part in parts], _TRUE)
            case Differs(path, value):
                return _not(self.condition(Equals(path, value)))
            case NoneOf(path, values):
                return _not(self.condition(OneOf(path, values)))
            case Equals(path, value):
                return self._equals(path, value)
            case OneOf(path, values):
                return self._one_of(path, values)
            case Compares(path, order, value) if value is not None:
                return self._compares(path, order, value)
            case Exists(path, exists) if _NAME.fullmatch(path):
                test = "IS NOT NULL" if exists else "IS NULL"
                return Sql(f"json_type(document, '$.{path}') {test}")
            case ContainsAll(path, values):
                wanted = [self._mentions(value) for value in values]
                return _joined("AND", [*wanted, _UNKNOWN], _FALSE) if values else _FALSE
            case Permits(right, principals):
                return _permits(right, principals)
            case Near() | WithinBox() | WithinPolygon() | WithinSphere() | Intersects():
                return self._is_around(condition)
        return _UNKNOWN

    def _equals(self, path: str, value: Any) -> Sql:
        column = self._column(path)
        if column is None:
            return self._mentions(value)
        if value is None:
            return Sql(f"{column.expression} IS NULL")
        parameter = column.parameter(value)
        return _FALSE if parameter is None else _compared(column.expression, "=", parameter)

    def _one_of(self, path: str, values: tuple[Any, ...]) -> Sql:
        column = self._column(path)
        if column is None or None in values:
            parts = [self._equals(path, value) for value in values]
            return _joined("OR", parts, _FALSE)
        parameters = [column.parameter(value) for value in values]
        listed = [parameter for parameter in parameters if parameter is not None]
        is_listed = f"{column.expression} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return Sql(is_listed, (json.dumps(listed),))

    def _compares(self, path: str, order: Order, value: Any) -> Sql:
        column = self._column(path)
        if column is None:
            return _UNKNOWN
        parameter = column.parameter(value)
        if parameter is None:
            return _FALSE
        return _compared(column.expression, _OPERATORS[order], parameter)

    def _is_around(self, condition: GeoCondition) -> Sql:
        """Rule out what lies outside of the area's own bounds; the rest is geometry."""
        path = condition.path
        kind = "Polygon" if isinstance(condition, Intersects) else "GeoPoint"
        if _kind(self._schema, path) != kind:
            return _FALSE
        around = bounds(condition)
        if around is None:
            return Sql(f"json_type(document, '$.{path}') = 'object'", exact=False)
        latitude, longitude = (
            f"json_extract(document, '$.{path}.{name}')" for name in ("latitude", "longitude")
        )
        south, north, west, east = around
        return _joined(
            "AND",
            [
                _compared(latitude, ">=", south),
                _compared(latitude, "<=", north),
                _compared(longitude, ">=", west),
                _compared(longitude, "<=", east),
                _UNKNOWN,
            ],
            _TRUE,
        )

    def _column(self, path: str) -> _Scalar | None:
        return _column(self._schema, path, self._ignore_case)

    def _mentions(self, value: Any) -> Sql:
        """What equals such a value, or holds it, has its JSON within its own."""
        if isinstance(value, str | datetime | Pointer) and not self._ignore_case:
            return Sql("instr(document, ?)", (dump(value),), exact=False)
        return _UNKNOWN


def _joined(word: str, parts: Sequence[Sql], none: Sql) -> Sql:
    if not parts:
        return none
    parameters = tuple(parameter for part in parts for parameter in part.parameters)
    depth = max(part.depth for part in parts) + len(parts)
    nesting = max(part.nesting for part in parts) + 1
    if depth > _MAX_DEPTH or nesting > _MAX_NESTING or len(parameters) > _MAX_PARAMETERS:
        return _UNKNOWN
    text = f" {word} ".join(part.text for part in parts)
    return Sql(f"({text})", parameters, all(part.exact for part in parts), depth, nesting)


def _not(part: Sql) -> Sql:
    """A condition that lets too much through says nothing about its opposite."""
    if not part.exact:
        return _UNKNOWN
    text = f"NOT ifnull({part.text}, 0)"
    return Sql(text, part.parameters, depth=part.depth + 2, nesting=part.nesting + 1)


def _permits(right: str, principals: tuple[str, ...]) -> Sql:
    if not all(_fits_into_json_path(principal) for principal in principals):
        return _UNKNOWN
    paths = [f'$.ACL."{principal}".{right}' for principal in principals]
    rights = [Sql("json_extract(document, ?)", (path,)) for path in paths]
    return _joined("OR", [Sql("json_extract(document, '$.ACL') IS NULL"), *rights], _FALSE)


def _fits_into_json_path(name: str) -> bool:
    return name.isprintable() and not {'"', "\\"} & set(name)


def _compared(expression: str, operator: str, parameter: Parameter) -> Sql:
    """SQLite itself reads a fraction from its digits, as it does in a document: so both agree.

    The plus takes away the type that CAST asks the other side to be turned into, which no index is
    made of.
    """
    if isinstance(parameter, float):
        return Sql(f"{expression} {operator} +CAST(? AS REAL)", (repr(parameter),))
    return Sql(f"{expression} {operator} ?", (parameter,))


# --- columns ------------------------------------------------------------------------------------


def _column(schema: ClassSchema, path: str, ignore_case: bool) -> _Scalar | None:
    if path == "objectId":
        return _Scalar("object_id", _object_id)
    if path in ("createdAt", "updatedAt"):
        column = ColumnType("Date")
    elif path in schema.columns and _NAME.fullmatch(path):
        column = schema.columns[path]
    else:
        return None
    if column.kind not in _SCALARS:
        return None
    member, parameter = _SCALARS[column.kind]
    expression = f"json_extract(document, '$.{path}{member}')"
    if column.kind == "String" and ignore_case:
        return _Scalar(f"{FOLD}({expression})", _folded)
    return _Scalar(expression, lambda value: parameter(column, value))


def _value(schema: ClassSchema, path: str) -> str:
    if path == "objectId":
        return "object_id"
    return translate_key(schema, path, ("String", "Number"))


def _kind(schema: ClassSchema, path: str) -> str | None:
    return schema.columns[path].kind if path in schema.columns and _NAME.fullmatch(path) else None


def _object_id(value: Any) -> Parameter | None:
    is_one = isinstance(value, str | int) and not isinstance(value, bool)
    return value if is_one and "\0" not in str(value) else None


def _text(column: ColumnType, value: Any) -> Parameter | None:
    return kept_text(value) if isinstance(value, str) else None


def _folded(value: Any) -> Parameter | None:
    return kept_text(fold(value)) if isinstance(value, str) else None


def _number(column: ColumnType, value: Any) -> Parameter | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if isinstance(value, float) or value in _INT64 else float(value)


def _boolean(column: ColumnType, value: Any) -> Parameter | None:
    return int(value) if isinstance(value, bool) else None


def _date(column: ColumnType, value: Any) -> Parameter | None:
    return kept_date(value) if isinstance(value, datetime) else None


def _pointer(column: ColumnType, value: Any) -> Parameter | None:
    is_ours = isinstance(value, Pointer) and value.class_name == column.target_class
    return kept_text(value.object_id) if is_ours else None


def _file(column: ColumnType, value: Any) -> Parameter | None:
    return kept_text(value.name) if isinstance(value, File) else None


_INT64 = range(-(2**63), 2**63)

_JSON_TYPES = {
    "String": "('text')",
    "Number": "('integer', 'real')",
    "Boolean": "('true', 'false')",
}

_SCALARS: Mapping[str, tuple[str, Callable[[ColumnType, Any], Parameter | None]]] = {
    "String": ("", _text),
    "Number": ("", _number),
    "Boolean": ("", _boolean),
    "Date": ('."$date"', _date),
    "Pointer": (".objectId", _pointer),
    "File": (".name", _file),
}
"""Where in a value of each type SQL looks, and what a value of it is to SQL."""


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name")
    return name
