"""Which indexes a class has, for a client's hint, and how SQLite would run a statement."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from server.storage.mongo.columns import column_name
from server.storage.port import ClassSchema, Hint, RefusedQuery

_ID_INDEX = ("_id_", "objectId")  # every class has it, as in MongoDB


def index_names(connection: sqlite3.Connection, class_name: str) -> list[str]:
    """The indexes of a class, which `translate.index_name` made."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND instr(name, ?) = 1",
        (f"{class_name} ",),
    )
    return [name for (name,) in rows]


def check_hint(connection: sqlite3.Connection, schema: ClassSchema, hint: Hint | None) -> None:
    """See that the index is there; SQLite knows best when to use it.

    Raises RefusedQuery, as MongoDB does.
    """
    if hint is None:
        return
    parts = [name.split(" ")[1:] for name in index_names(connection, schema.class_name)]
    there = [_ID_INDEX, *((name, columns) for name, columns in parts)]
    if isinstance(hint, str):
        is_there = hint in {name for name, _ in there}
    else:
        columns = ",".join(column_name(schema, key) or key for key, _ in hint)
        is_there = columns in {found for _, found in there}
    if not is_there:
        raise RefusedQuery("hint provided does not correspond to an existing index")


def explained(
    connection: sqlite3.Connection,
    statement: str,
    parameters: Sequence[str | int | float],
    verbosity: str,
) -> dict[str, Any]:
    """Say how SQLite would run a statement, and unless only the plan is asked for, run it."""
    steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    answer: dict[str, Any] = {
        "queryPlanner": {"statement": statement, "plan": [detail for *_, detail in steps]}
    }
    if not verbosity.startswith("queryPlanner"):
        started = time.perf_counter()
        count = sum(1 for _ in connection.execute(statement, parameters))
        took_ms = round((time.perf_counter() - started) * 1000)
        answer["executionStats"] = {"rowsRead": count, "executionTimeMillis": took_ms}
    return answer
