"""The file's tables, numbered by SQLite's own user_version, and how an older file becomes new."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from server.storage.sqlite.documents import dump, load

FOLD = "parsewarden_fold"
"""The SQL function behind comparisons without case; every connection has it."""

_VERSION = 2
# `sequence` is the order of insertion. `object_id` has no affinity: _GlobalConfig's is a number.
_TABLES = [
    """
    CREATE TABLE objects (
        sequence   INTEGER PRIMARY KEY,
        class_name TEXT NOT NULL,
        object_id  NOT NULL,
        document   TEXT NOT NULL,
        UNIQUE (class_name, object_id)
    )
    """,
    "CREATE INDEX objects_by_class ON objects (class_name)",
    "CREATE TABLE schemas (class_name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE relations (
        class_name TEXT NOT NULL,
        key        TEXT NOT NULL,
        owning_id  TEXT NOT NULL,
        related_id TEXT NOT NULL,
        PRIMARY KEY (class_name, key, owning_id, related_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX relations_by_related ON relations (class_name, key, related_id)",
    "CREATE TABLE files (name TEXT PRIMARY KEY, metadata TEXT NOT NULL) WITHOUT ROWID",
    # A class is many rows. SQLite would guess ten, and then prefer reading all of a class to any
    # other index wherever that spares it a sort.
    "ANALYZE sqlite_schema",
    """
    INSERT INTO sqlite_stat1 VALUES
        ('objects', 'objects_by_class', '1000000 100000'),
        ('objects', 'sqlite_autoindex_objects_1', '1000000 100000 1')
    """,
    "ANALYZE sqlite_schema",
]


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises sqlite3.DatabaseError for a file of a version that is newer than this program.
    """
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _migrate(connection, _version(connection))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_outdated(file: Path) -> bool:
    """Whether `prepare` would change this file. One that cannot be read is left to it as well."""
    try:
        with closing(sqlite3.connect(file)) as connection:
            return _version(connection) < _VERSION
    except sqlite3.Error:
        return False


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"the file is of version {version}, made by a newer program")
    if version == 1:
        connection.execute("ALTER TABLE objects RENAME TO objects_1")
    if version < _VERSION:
        for statement in _TABLES:
            connection.execute(statement)
    if version == 1:
        _move_objects_of_version_1(connection)
        connection.execute("DROP TABLE objects_1")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _move_objects_of_version_1(connection: sqlite3.Connection) -> None:
    """Version 1 had dates in isoformat, no order of insertion, and schemas among the objects."""
    rows = connection.execute("SELECT class_name, document FROM objects_1").fetchall()
    documents = [(class_name, load(text)) for class_name, text in rows]
    documents.sort(key=lambda row: str(row[1].get("createdAt", "")))
    for class_name, document in documents:
        if class_name == "_SCHEMA":
            columns = {name: {"kind": kind} for name, kind in document["fields"].items()}
            schema = (document["objectId"], json.dumps({"columns": columns}))
            connection.execute("INSERT INTO schemas VALUES (?, ?)", schema)
        else:
            connection.execute(
                "INSERT INTO objects (class_name, object_id, document) VALUES (?, ?, ?)",
                (class_name, document["objectId"], dump(document)),
            )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
