"""Parse objects in one SQLite file: the embedded store, for an installation without MongoDB.

Documents are JSON text; operations are applied inside one immediate transaction, so several
threads and processes may write at once. Write-ahead log with full synchronisation: a write that
returned is on the disk.
"""

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud.moderation.errors import StoreUnavailable
from server.storage.port import (
    ClassSchema,
    Delete,
    Document,
    DuplicateObject,
    Increment,
    ObjectId,
    Operation,
    Set,
)

# Writers queue behind each other's transactions of a few milliseconds; this is only reached when
# the disk itself stands still.
_LOCK_TIMEOUT_S = 10.0

# The file's layout, numbered by SQLite's own user_version.
_VERSION = 1
_TABLES = """
CREATE TABLE objects (
    class_name TEXT NOT NULL,
    object_id  TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (class_name, object_id)
) WITHOUT ROWID
"""


class SqliteStore:
    """The embedded ObjectStore; see the port for its contract."""

    def __init__(self, path: Path) -> None:
        """Open or create the file on first use; its folder must exist by then."""
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._connecting = threading.Lock()

    def get(self, class_name: str, object_id: ObjectId) -> Document | None:
        with _translated_errors():
            return self._get(self._connection(), class_name, object_id)

    def insert(self, class_name: str, document: Document) -> None:
        with _translated_errors(), self._transaction() as connection:
            connection.execute(
                "INSERT INTO objects VALUES (?, ?, ?)",
                (class_name, str(document["objectId"]), _dump(document)),
            )

    def update(
        self,
        class_name: str,
        object_id: ObjectId,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        with _translated_errors(), self._transaction() as connection:
            document = self._get(connection, class_name, object_id)
            if document is None and not upsert:
                return None
            document = _apply(document or {"objectId": object_id}, operations)
            connection.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?)",
                (class_name, str(object_id), _dump(document)),
            )
            return document

    def declare_class(self, schema: ClassSchema) -> None:
        document = {"objectId": schema.class_name, "fields": dict(schema.fields)}
        with _translated_errors(), self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO objects VALUES (?, ?, ?)",
                ("_SCHEMA", schema.class_name, _dump(document)),
            )

    def ping(self) -> None:
        with _translated_errors():
            self._connection().execute("SELECT 1 FROM objects LIMIT 1").fetchone()

    def close(self) -> None:
        with self._connecting:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._local = threading.local()

    @staticmethod
    def _get(
        connection: sqlite3.Connection, class_name: str, object_id: ObjectId
    ) -> Document | None:
        row = connection.execute(
            "SELECT document FROM objects WHERE class_name = ? AND object_id = ?",
            (class_name, str(object_id)),
        ).fetchone()
        return None if row is None else _load(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection; threads that share one would share its transaction."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
            _create_tables(connection)
        except BaseException:
            connection.close()
            raise
        with self._connecting:
            self._connections.append(connection)
        return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over. SQLite does not wait for its lock here, so we do."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _create_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # nobody was faster
        connection.execute(_TABLES)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise DuplicateObject(str(error)) from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"SQLite: {error}") from error


def _apply(document: Document, operations: Mapping[str, Operation]) -> Document:
    """Apply operations to a document in place, dotted paths into object columns included."""
    for path, operation in operations.items():
        *parents, name = path.split(".")
        holder = document
        for parent in parents:
            is_delete = isinstance(operation, Delete)
            holder = holder.get(parent, {}) if is_delete else holder.setdefault(parent, {})
        match operation:
            case Set(value):
                holder[name] = value
            case Increment(amount):
                holder[name] = holder.get(name, 0) + amount
            case Delete():
                holder.pop(name, None)
    return document


def _dump(document: Document) -> str:
    return json.dumps(document, default=_typed, ensure_ascii=False, separators=(",", ":"))


def _typed(value: Any) -> dict[str, str]:
    """What JSON lacks, under keys that no Parse object can have: names with `$` are refused."""
    if isinstance(value, datetime):
        return {"$date": value.astimezone(UTC).isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def _load(text: str) -> Document:
    document: Document = json.loads(text, object_hook=_untyped)
    return document


def _untyped(value: dict[str, Any]) -> Any:
    if "$date" in value:
        return datetime.fromisoformat(value["$date"])
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    return value
