"""Which column type a value or a change has, and Parse's words for one that does not fit. Pure."""

from datetime import datetime
from typing import Any

from cloud.operations import Add, AddUnique, Change, Delete, Increment, Relate, Remove, Set
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.parse.errors import INCORRECT_TYPE, ParseError
from server.storage.port import ClassSchema, ColumnType


def check_type(schema: ClassSchema, name: str, given: ColumnType) -> None:
    """Raise ParseError 111 unless the column has the given type."""
    expected = schema.columns[name]
    if given != expected:
        place = f"{schema.class_name}.{name}"
        message = (
            f"schema mismatch for {place}; expected {in_words(expected)} but got {in_words(given)}"
        )
        raise ParseError(INCORRECT_TYPE, message)


def in_words(column: ColumnType) -> str:
    """A type as Parse's sentences name it."""
    return f"{column.kind}<{column.target_class}>" if column.target_class else column.kind


def type_of_change(change: Change) -> ColumnType | None:
    """Infer the type of the column that a change is for; None when it tells nothing."""
    match change:
        case Set(value):
            return type_of(value)
        case Increment():
            return ColumnType("Number")
        case Add() | AddUnique() | Remove():
            return ColumnType("Array")
        case Relate(added, removed):
            targets = {pointer.class_name for pointer in (*added, *removed)}
            return ColumnType("Relation", targets.pop()) if targets else None
        case Delete():
            return None


_KINDS: list[tuple[type, str]] = [
    (bool, "Boolean"),  # before int, of which it is a kind in Python
    (int, "Number"),
    (float, "Number"),
    (str, "String"),
    (datetime, "Date"),
    (bytes, "Bytes"),
    (list, "Array"),
    (dict, "Object"),
    (File, "File"),
    (GeoPoint, "GeoPoint"),
    (Polygon, "Polygon"),
]


def type_of(value: Any) -> ColumnType | None:
    """Infer the type of the column that holds this value; None for null."""
    match value:
        case None:
            return None
        case Pointer(class_name):
            return ColumnType("Pointer", class_name)
        case Relation(target):
            return ColumnType("Relation", target)
    return ColumnType(next(kind for python_type, kind in _KINDS if isinstance(value, python_type)))
