"""The SchemaStore in SQLite: one JSON document for each class."""

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
            found = connection.execute(
                "SELECT document FROM schemas WHERE class_name = ?", (class_name,)
            ).fetchone()
            if found is None:
                raise StoreUnavailable(f"SQLite: class {class_name} is not there any more")
            schema = _schema(class_name, found[0])
            for name, column in columns.items():
                if schema.columns.get(name, column) != column:
                    raise ColumnConflict(f"{class_name}.{name} is {schema.columns[name]}")
            changed = replace(schema, columns={**schema.columns, **columns})
            connection.execute(
                "INSERT OR REPLACE INTO schemas VALUES (?, ?)", (class_name, _dump(changed))
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
        }
    )


def _schema(class_name: str, text: str) -> ClassSchema:
    document: dict[str, Any] = load(text)
    columns = {
        name: ColumnType(column["kind"], column.get("target"))
        for name, column in document["columns"].items()
    }
    return ClassSchema(
        class_name, columns, document.get("permissions"), document.get("options", {})
    )
