"""The classes' schemas: read, kept for a while, and completed by what saves infer."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from cloud.operations import Change
from server.auth import Caller
from server.objects.system_classes import BUILT_IN_COLUMNS, SYSTEM_CLASSES
from server.objects.value_types import check_type, type_of_change
from server.parse.errors import INCORRECT_TYPE, INVALID_KEY_NAME, OPERATION_FORBIDDEN, ParseError
from server.parse.operations import check_class_name, check_column_name
from server.storage.port import (
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    SchemaChange,
    SchemaStore,
)

# Other processes, and a Parse Server beside us, add classes and columns too.
_CACHE_S = 1.0
_MAX_COLUMNS = 1_000  # all schemas are in memory, and read again and again


class Schemas:
    """Every class's schema, cached; thread-safe. Raises StoreUnavailable as the store does."""

    def __init__(self, store: SchemaStore, *, clients_make_classes: bool) -> None:
        self._store = store
        self._clients_make_classes = clients_make_classes
        self._lock = threading.Lock()
        self._by_name: dict[str, ClassSchema] = {}
        self._read_at = self._changed_at = -_CACHE_S

    def all(self) -> list[ClassSchema]:
        """Return the stored classes, as they are now."""
        self._read_again()
        return list(self._by_name.values())

    def find(self, class_name: str) -> ClassSchema | None:
        """Return the class's schema; a system class has one before anything is stored in it."""
        if time.monotonic() - self._read_at >= _CACHE_S:
            self._read_again()
        return self._by_name.get(class_name) or SYSTEM_CLASSES.get(class_name)

    def find_now(self, class_name: str) -> ClassSchema | None:
        """Return a class's schema as it is stored now; None if it is not."""
        self._read_again()
        return self._by_name.get(class_name)

    def is_stored(self, class_name: str) -> bool:
        """Whether the class was stored when last looked."""
        return class_name in self._by_name

    def for_reading(self, caller: Caller, class_name: str) -> ClassSchema:
        """Return the class's schema, or an empty one. Raises ParseError 119 for clients."""
        schema = self.find(class_name)
        if schema is None:
            check_class_name(class_name)
            self._read_again()  # another process may have made it just now
            schema = self.find(class_name)
        if schema is None:
            self._require_class_creation(caller, class_name)
            return ClassSchema(class_name)
        return schema

    def for_writing(
        self, caller: Caller, class_name: str, changes: Mapping[str, Change]
    ) -> ClassSchema:
        """Return the schema after the class and the columns of `changes` have been made sure of.

        Raises ParseError 111 for a value of another type than its column's, 105 for a column more
        than a class may have, 119 when a client may not make the class.
        """
        schema = self._existing(caller, class_name)
        new = _new_columns(schema, changes)
        if new:
            self._read_again()  # another process may have been first
            schema = self.find(class_name) or schema
            new = _new_columns(schema, changes)
        if not new:
            return schema
        _check_new_columns(schema, new)
        return self._with_columns(schema, new)

    def new_columns(self, class_name: str, changes: Mapping[str, Change]) -> set[str]:
        """Return which of the changed columns the class does not have yet."""
        schema = self.find(class_name)
        return set(_new_columns(schema, changes)) if schema else set()

    def declare(self, schema: ClassSchema) -> ClassSchema:
        """Make sure of a class of the server's own and of its columns."""
        try:
            self._store.create(schema)
        except ClassExists:
            self._store.add_columns(schema.class_name, schema.columns)
        self._read_again()
        return self._by_name[schema.class_name]

    def create(self, schema: ClassSchema) -> None:
        """Store a new class. Raises ClassExists."""
        self._store.create(schema)
        self._read_again()

    def change(self, class_name: str, change: SchemaChange) -> None:
        """Change a stored class."""
        self._store.change(class_name, change)
        self._read_again()

    def drop(self, class_name: str) -> None:
        """Forget a class, and not what is in it."""
        self._store.drop(class_name)
        self._read_again()

    def ensure(self, class_name: str) -> ClassSchema:
        """Return the schema of a system class, stored by now."""
        return self._by_name.get(class_name) or self.declare(SYSTEM_CLASSES[class_name])

    def _existing(self, caller: Caller, class_name: str) -> ClassSchema:
        schema = self._by_name.get(class_name)
        if schema is None:
            self._read_again()
            schema = self._by_name.get(class_name)
        if schema is not None:
            return schema
        if class_name in SYSTEM_CLASSES:
            return self.ensure(class_name)
        check_class_name(class_name)
        self._require_class_creation(caller, class_name)
        return self.declare(ClassSchema(class_name))

    def _with_columns(self, schema: ClassSchema, new: Mapping[str, ColumnType]) -> ClassSchema:
        class_name = schema.class_name
        try:
            self._store.add_columns(class_name, new)
        except ColumnConflict as conflict:  # another save was faster, with another type
            self._read_again()
            schema = self.find(class_name) or schema
            for name, column in new.items():
                if name in schema.columns:
                    check_type(schema, name, column)
            # A type that we do not know, or a column that went away again.
            raise ParseError(INCORRECT_TYPE, f"schema mismatch: {conflict}") from None
        with self._lock:  # which other threads may have added columns to since
            schema = self._by_name.get(class_name, schema)
            schema = replace(schema, columns={**schema.columns, **new})
            self._by_name = {**self._by_name, class_name: schema}
            self._changed_at = time.monotonic()
        return schema

    def _require_class_creation(self, caller: Caller, class_name: str) -> None:
        if not caller.master and not self._clients_make_classes:
            message = f"This user is not allowed to access non-existent class: {class_name}"
            raise ParseError(OPERATION_FORBIDDEN, message)

    def _read_again(self) -> None:
        """Read every schema; what other threads added to the cache meanwhile stays in it."""
        started = time.monotonic()
        found = {schema.class_name: _with_system_columns(schema) for schema in self._store.all()}
        with self._lock:
            if started < self._read_at:
                return  # another thread read later than this one, and was faster
            if started < self._changed_at:
                found = _with_columns_of(self._by_name, found)
            self._by_name, self._read_at = found, started


def _with_columns_of(
    older: Mapping[str, ClassSchema], found: Mapping[str, ClassSchema]
) -> dict[str, ClassSchema]:
    merged = {**older, **found}
    for name in older.keys() & found.keys():
        columns = {**older[name].columns, **found[name].columns}
        merged[name] = replace(found[name], columns=columns)
    return merged


def _with_system_columns(schema: ClassSchema) -> ClassSchema:
    system = SYSTEM_CLASSES.get(schema.class_name)
    if system is None:
        return schema
    return replace(schema, columns={**system.columns, **schema.columns})


def _new_columns(schema: ClassSchema, changes: Mapping[str, Change]) -> dict[str, ColumnType]:
    """Infer the columns that the class lacks, and check the type of those that it has."""
    new = {}
    for path, change in changes.items():
        name = path.partition(".")[0]
        inferred = ColumnType("Object") if "." in path else type_of_change(change)
        if inferred is None or name in BUILT_IN_COLUMNS or name.startswith("_"):
            continue
        if name in schema.columns:
            check_type(schema, name, inferred)
        else:
            new[name] = inferred
    return new


def _check_new_columns(schema: ClassSchema, new: Mapping[str, ColumnType]) -> None:
    for name in new:
        check_column_name(name)
    check_room(schema, new)
    columns = [*schema.columns.values(), *new.values()]
    if sum(column.kind == "GeoPoint" for column in columns) > 1:
        raise ParseError(INCORRECT_TYPE, "there can only be one geopoint field in a class")


def check_room(schema: ClassSchema, new: Mapping[str, ColumnType]) -> None:
    """Raise ParseError 105 for a column more than a class may have."""
    if len({*schema.columns, *new}) > _MAX_COLUMNS:
        message = f"{schema.class_name} would have more than {_MAX_COLUMNS} columns"
        raise ParseError(INVALID_KEY_NAME, message)
