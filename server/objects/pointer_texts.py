"""What a text means that is compared with a column of pointers. Pure."""

from dataclasses import replace

from cloud.values import Pointer, Value
from server.storage.port import (
    All,
    ClassSchema,
    Condition,
    Differs,
    Either,
    Equals,
    Neither,
    NoneOf,
    OneOf,
)


def with_pointers(schema: ClassSchema, condition: Condition) -> Condition:
    """Replace each text for a column of pointers by a pointer of that id, as Parse Server does."""
    match condition:
        case All(parts) | Either(parts) | Neither(parts):
            return replace(condition, parts=tuple(with_pointers(schema, part) for part in parts))
        case Equals(path, value) | Differs(path, value):
            return replace(condition, value=_as_pointer(schema, path, value))
        case OneOf(path, values) | NoneOf(path, values):
            pointers = tuple(_as_pointer(schema, path, value) for value in values)
            return replace(condition, values=pointers)
    return condition


def _as_pointer(schema: ClassSchema, path: str, value: Value) -> Value:
    column = schema.columns.get(path)
    if column is None or column.kind != "Pointer" or not isinstance(value, str):
        return value
    return Pointer(column.target_class or "", value)
