"""The SchemaStore in MongoDB: Parse Server's collection `_SCHEMA`, one row for each class."""

from collections.abc import Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.database import Database

from cloud.moderation.errors import StoreUnavailable
from server.storage.mongo.errors import translated_errors
from server.storage.port import (
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    DuplicateObject,
    SchemaChange,
)

_KINDS = {
    "string": "String",
    "number": "Number",
    "boolean": "Boolean",
    "date": "Date",
    "object": "Object",
    "map": "Object",  # in old rows
    "array": "Array",
    "geopoint": "GeoPoint",
    "file": "File",
    "bytes": "Bytes",
    "polygon": "Polygon",
}
_NO_COLUMNS = ("_id", "_metadata", "_client_permissions")  # as Parse Server has them
_OPTIONS = "_metadata.fields_options"
_IN_EVERY_CLASS = {"objectId": "string", "updatedAt": "date", "createdAt": "date"}


class MongoSchemas:
    """The SchemaStore; see the port for its contract."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._rows = database["_SCHEMA"]

    def all(self) -> list[ClassSchema]:
        with translated_errors():
            rows = list(self._rows.find({}))
        return [parse_schema(row) for row in rows]

    def create(self, schema: ClassSchema) -> None:
        try:
            with translated_errors():
                self._rows.insert_one(schema_row(schema))
        except DuplicateObject as error:
            raise ClassExists(schema.class_name) from error

    def add_columns(self, class_name: str, columns: Mapping[str, ColumnType]) -> None:
        """Add columns, each unless it is there, in one call."""
        unless_there = [
            UpdateOne(
                {"_id": class_name, name: {"$exists": False}},
                {"$set": {name: _stored_type(column)}},
            )
            for name, column in columns.items()
        ]
        if not unless_there:
            return
        with translated_errors():
            added = self._rows.bulk_write(unless_there)
            if added.matched_count == len(columns):
                return
            row = self._rows.find_one({"_id": class_name})
        if row is None:
            raise StoreUnavailable(f"MongoDB: class {class_name} is not there any more")
        for name, column in columns.items():
            if _column_type(row.get(name)) != column:
                raise ColumnConflict(f"{class_name}.{name} is {row.get(name)}")

    def change(self, class_name: str, change: SchemaChange) -> None:
        update = _update(change)
        if update:
            with translated_errors():
                self._rows.update_one({"_id": class_name}, update)

    def drop(self, class_name: str) -> None:
        with translated_errors():
            self._rows.delete_one({"_id": class_name})


def _update(change: SchemaChange) -> dict[str, dict[str, Any]]:
    """Write a change as Parse Server does, path by path."""
    removed = change.removed_columns
    unset = dict.fromkeys([*removed, *(f"{_OPTIONS}.{name}" for name in removed)], "")
    changed: dict[str, Any] = {}
    for name, options in change.options.items():
        changed[f"{_OPTIONS}.{name}"] = dict(options)
    if change.permissions is not None:
        changed["_metadata.class_permissions"] = dict(change.permissions)
    if change.indexes is not None:
        changed["_metadata.indexes"] = {name: dict(keys) for name, keys in change.indexes.items()}
    return ({"$unset": unset} if unset else {}) | ({"$set": changed} if changed else {})


def schema_row(schema: ClassSchema) -> dict[str, Any]:
    """Return the row of `_SCHEMA` for a class."""
    row: dict[str, Any] = {"_id": schema.class_name} | _IN_EVERY_CLASS
    row |= {name: _stored_type(column) for name, column in schema.columns.items()}
    metadata: dict[str, Any] = {}
    if schema.options:
        metadata["fields_options"] = {name: dict(one) for name, one in schema.options.items()}
    if schema.permissions is not None:
        metadata["class_permissions"] = dict(schema.permissions)
    if schema.indexes:
        metadata["indexes"] = {name: dict(keys) for name, keys in schema.indexes.items()}
    return row | ({"_metadata": metadata} if metadata else {})


def parse_schema(row: Mapping[str, Any]) -> ClassSchema:
    """Return the class that a row of `_SCHEMA` describes; what is no type is left out."""
    types = {name: _column_type(stored) for name, stored in row.items() if name not in _NO_COLUMNS}
    metadata = row.get("_metadata") or {}
    return ClassSchema(
        row["_id"],
        {name: kind for name, kind in types.items() if kind and name not in _IN_EVERY_CLASS},
        metadata.get("class_permissions"),
        metadata.get("fields_options") or {},
        metadata.get("indexes") or {},
    )


def _stored_type(column: ColumnType) -> str:
    match column:
        case ColumnType("Pointer", target):
            return f"*{target}"
        case ColumnType("Relation", target):
            return f"relation<{target}>"
    return column.kind.lower()


def _column_type(stored: Any) -> ColumnType | None:
    if not isinstance(stored, str):
        return None
    if stored.startswith("*"):
        return ColumnType("Pointer", stored[1:])
    if stored.startswith("relation<"):
        return ColumnType("Relation", stored.removeprefix("relation<").removesuffix(">"))
    return ColumnType(_KINDS[stored]) if stored in _KINDS else None
