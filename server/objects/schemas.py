"""The classes' schemas: what the system classes have from the start, and what saves infer."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from cloud.operations import Add, AddUnique, Change, Delete, Increment, Relate, Remove, Set
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.auth import Caller
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

BUILT_IN_COLUMNS: Mapping[str, ColumnType] = {
    "objectId": ColumnType("String"),
    "createdAt": ColumnType("Date"),
    "updatedAt": ColumnType("Date"),
    "ACL": ColumnType("ACL"),
}


def column_types(**kinds: str) -> dict[str, ColumnType]:
    """`name="String"`, with a target as in `user="Pointer _User"`."""
    parts = {name: kind.partition(" ") for name, kind in kinds.items()}
    return {name: ColumnType(kind, target or None) for name, (kind, _, target) in parts.items()}


NOBODY: Mapping[str, Any] = {
    operation: {}
    for operation in ("find", "count", "get", "create", "update", "delete", "addField")
} | {"protectedFields": {}}
"""Class-level permissions that leave a class to the master key."""

SYSTEM_CLASSES: Mapping[str, ClassSchema] = {
    schema.class_name: schema
    for schema in [
        ClassSchema(
            "_User",
            column_types(
                username="String", email="String", emailVerified="Boolean", authData="Object"
            ),
        ),
        ClassSchema(
            "_Role", column_types(name="String", users="Relation _User", roles="Relation _Role")
        ),
        ClassSchema(
            "_Session",
            column_types(
                user="Pointer _User",
                installationId="String",
                sessionToken="String",
                expiresAt="Date",
                createdWith="Object",
            ),
        ),
        ClassSchema(
            "_Installation",
            column_types(
                installationId="String", deviceToken="String", channels="Array",
                deviceType="String", pushType="String", GCMSenderId="String", timeZone="String",
                localeIdentifier="String", badge="Number", appVersion="String", appName="String",
                appIdentifier="String", parseVersion="String",
            ),
        ),
        ClassSchema(
            "_JobStatus",
            column_types(
                jobName="String", source="String", status="String", message="String",
                params="Object", finishedAt="Date",
            ),
        ),
        ClassSchema("_Idempotency", column_types(reqId="String", expire="Date")),
        ClassSchema(
            "_JobSchedule",
            column_types(
                jobName="String", description="String", params="String", startAfter="String",
                daysOfWeek="Array", timeOfDay="String", lastRun="Number", repeatMinutes="Number",
            ),
        ),
        ClassSchema("_GlobalConfig", column_types(params="Object", masterKeyOnly="Object")),
        # Nobody makes these classes, open to all, before we write the first object.
        ClassSchema("ImageClassification", permissions=NOBODY),
        ClassSchema("ModerationCheck", permissions=NOBODY),
        ClassSchema("ModerationDecision", permissions=NOBODY),
        ClassSchema("ModerationHold", permissions=NOBODY),
        ClassSchema("ModerationItem", permissions=NOBODY),
        ClassSchema("ModerationMemory", permissions=NOBODY),
        ClassSchema("ModerationMemoryMatch", permissions=NOBODY),
        ClassSchema("ModerationPanelAccount", permissions=NOBODY),
        ClassSchema("ModerationPanelSession", permissions=NOBODY),
        ClassSchema("ModerationPanelTries", permissions=NOBODY),
        ClassSchema("ModerationPanelViews", permissions=NOBODY),
        ClassSchema("ModerationPolicy", permissions=NOBODY),
        ClassSchema("ModerationPolicyChange", permissions=NOBODY),
        ClassSchema("ModerationPurge", permissions=NOBODY),
        ClassSchema("ModerationTeamLog", permissions=NOBODY),
        ClassSchema("ModerationWebhookDelivery", permissions=NOBODY),
        ClassSchema("ModerationWorker", permissions=NOBODY),
        ClassSchema(
            "UserImage",
            column_types(
                image="File", imageAuthor="String", isSafe="Boolean", deleted="Boolean",
                moderationRequired="Boolean", NSFWPredictions="Array",
            ),
        ),
    ]
}  # fmt: skip
"""The classes whose first columns Parse defines, and the one that the Node original did."""


def is_servers_own(class_name: str) -> bool:
    """Whether moderation keeps its record in the class, which nobody's schema or object changes."""
    ours = SYSTEM_CLASSES.get(class_name)
    return ours is not None and ours.permissions is not None


_TOKENS = dict.fromkeys(
    ("_email_verify_token", "_perishable_token", "sessionToken"), ColumnType("String")
)


def with_tokens(schema: ClassSchema) -> ClassSchema:
    """Return the schema with what _User is searched by and no client sees: no columns of a class,
    but to be found by an index their type has to be known."""
    if schema.class_name != "_User":
        return schema
    return replace(schema, columns={**schema.columns, **_TOKENS})


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
