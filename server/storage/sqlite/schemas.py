"""The SchemaStore in SQLite: one JSON document for each class."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.moderation.errors import StoreUnavailable
from server.storage.port import (
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    DuplicateObject,
    SchemaChange,
)
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.documents import dump, load


class SqliteSchemas:
    """The SchemaStore; see the port for its contract."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self) -> list[ClassSchema]:
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT class_name, document FROM schemas").fetchall()
        return [_schema(class_name, text) for class_name, text in rows]

    def create(self, schema: ClassSchema) -> None:
        row = schema.class_name, _dump(schema)
        try:
            with self._connections.writing() as connection:
                connection.execute("INSERT INTO schemas VALUES (?, ?)", row)
        except DuplicateObject:
            raise ClassExists(f"there is a class {schema.class_name}") from None

    def add_columns(self, class_name: str, columns: Mapping[str, ColumnType]) -> None:
        with self._connections.transaction() as connection:
            schema = _read(connection, class_name)
            if schema is None:
                raise StoreUnavailable(f"SQLite: class {class_name} is not there any more")
            for name, column in columns.items():
                if schema.columns.get(name, column) != column:
                    raise ColumnConflict(f"{class_name}.{name} is {schema.columns[name]}")
            changed = replace(schema, columns={**schema.columns, **columns})
            _write(connection, changed)

    def change(self, class_name: str, change: SchemaChange) -> None:
        with self._connections.transaction() as connection:
            schema = _read(connection, class_name)
            if schema is not None:
                _write(connection, _changed(schema, change))

    def drop(self, class_name: str) -> None:
        with self._connections.writing() as connection:
            connection.execute("DELETE FROM schemas WHERE class_name = ?", (class_name,))


def _read(connection: sqlite3.Connection, class_name: str) -> ClassSchema | None:
    found = connection.execute(
        "SELECT document FROM schemas WHERE class_name = ?", (class_name,)
    ).fetchone()
    return None if found is None else _schema(class_name, found[0])


def _write(connection: sqlite3.Connection, schema: ClassSchema) -> None:
    row = schema.class_name, _dump(schema)
    connection.execute("INSERT OR REPLACE INTO schemas VALUES (?, ?)", row)


def _changed(schema: ClassSchema, change: SchemaChange) -> ClassSchema:
    removed = set(change.removed_columns)
    options = {**schema.options, **change.options}
    return replace(
        schema,
        columns={name: kind for name, kind in schema.columns.items() if name not in removed},
        options={name: options[name] for name in options.keys() - removed},
        permissions=schema.permissions if change.permissions is None else change.permissions,
        indexes=schema.indexes if change.indexes is None else change.indexes,
    )


def _dump(schema: ClassSchema) -> str:
    columns = {
        name: {"kind": column.kind, "target": column.target_class}
        for name, column in schema.columns.items()
    }
    return dump(
        {
            "columns": columns,
            "permissions": schema.permissions and dict(schema.permissions),
            "options": {name: dict(options) for name, options in schema.options.items()},
            "indexes": {name: dict(keys) for name, keys in schema.indexes.items()},
        }
    )


def _schema(class_name: str, text: str) -> ClassSchema:
    document: dict[str, Any] = load(text)
    columns = {
        name: ColumnType(column["kind"], column.get("target"))
        for name, column in document["columns"].items()
    }
    return ClassSchema(
        class_name,
        columns,
        document.get("permissions"),
        document.get("options", {}),
        document.get("indexes", {}),
    )
