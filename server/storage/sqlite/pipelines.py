"""The PipelineStore in SQLite: documents as rows in MongoDB's layout, and the stages in Python."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from server.storage.aggregation import Hold, distinct, run
from server.storage.budget import Budget, weight_of
from server.storage.matching import matcher
from server.storage.mongo.columns import column_name
from server.storage.mongo.rows import stored_row
from server.storage.mongo.values import parse_value
from server.storage.pipeline import Match, Row, Stage
from server.storage.port import (
    EVERYTHING,
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Equals,
    Hint,
    OneOf,
)
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.documents import load
from server.storage.sqlite.held_rows import unpacked
from server.storage.sqlite.plans import check_hint, explained
from server.storage.sqlite.translate import Parameter, class_condition, translate


class SqlitePipelines:
    """The PipelineStore; see the port for its contract."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def run(
        self,
        schema: ClassSchema,
        stages: Sequence[Stage],
        *,
        hint: Hint | None = None,
        comment: str | None = None,
        read_preference: str | None = None,
        budget: Budget | None = None,
    ) -> list[Row]:
        """Read the rows that the first stage is about, and finish in Python."""
        hold = _hold(budget)
        with self._connections.reading() as connection:
            check_hint(connection, schema, hint)
            rows = _documents(connection, schema, _first_condition(schema, stages), budget)
            found = []
            for row in run(stages, (stored_row(schema, row) for row in rows), hold):
                hold(row)
                found.append(row)
            return found

    def explain(
        self, schema: ClassSchema, stages: Sequence[Stage], verbosity: str, hint: Hint | None = None
    ) -> Any:
        statement, parameters = _statement(schema, _first_condition(schema, stages))
        with self._connections.reading() as connection:
            check_hint(connection, schema, hint)
            return explained(connection, statement, parameters, verbosity)

    def distinct(
        self, schema: ClassSchema, path: str, where: Condition, budget: Budget | None = None
    ) -> list[Any]:
        with self._connections.reading() as connection:
            rows = filter(matcher(where), _documents(connection, schema, where, budget))
            return distinct((stored_row(schema, row) for row in rows), path, _hold(budget))


def _hold(budget: Budget | None) -> Hold:
    return (lambda _held: None) if budget is None else lambda held: budget.take(weight_of(held))


def _documents(
    connection: sqlite3.Connection, schema: ClassSchema, where: Condition, budget: Budget | None
) -> Iterator[Any]:
    """Yield the documents that fulfil the condition, and perhaps some more."""
    with closing(connection.execute(*_statement(schema, where))) as cursor:
        for (text,) in cursor:
            yield load(text) if budget is None else unpacked(text, budget)


def _statement(schema: ClassSchema, where: Condition) -> tuple[str, tuple[Parameter, ...]]:
    condition = translate(schema, where)
    text = (
        f"SELECT document FROM objects WHERE {class_condition(schema.class_name)} "  # noqa: S608
        f"AND {condition.text} ORDER BY sequence"
    )
    return text, condition.parameters


def _first_condition(schema: ClassSchema, stages: Sequence[Stage]) -> Condition:
    match stages:
        case [Match(where), *_]:
            return _in_columns(schema, where)
    return EVERYTHING


def _in_columns(schema: ClassSchema, where: Condition) -> Condition:
    """Say a condition on rows as one on columns, or something weaker, for SQL to begin with."""
    match where:
        case All(parts):
            return All(tuple(_in_columns(schema, part) for part in parts))
        case Compares(path):
            name = _column_of(schema, path, _COMPARED)
            return EVERYTHING if name is None else replace(where, path=name)
        case Equals(path, value):
            return _in_columns(schema, OneOf(path, (value,)))
        case OneOf(path, values):
            name = _column_of(schema, path, (*_COMPARED, "Pointer"))
            if name is not None:
                column = schema.columns.get(name)
                return OneOf(name, tuple(parse_value(column, value) for value in values))
    return EVERYTHING


_COMPARED = ("String", "Number", "Boolean", "Date")


def _column_of(schema: ClassSchema, path: str, kinds: Sequence[str]) -> str | None:
    """The column that stands at a path of rows, if it is of one of these types."""
    name = column_name(schema, path)
    column = _BUILT_IN.get(name or "") or schema.columns.get(name or "")
    return name if column is not None and column.kind in kinds else None


_BUILT_IN = {
    "objectId": ColumnType("String"),
    "createdAt": ColumnType("Date"),
    "updatedAt": ColumnType("Date"),
}
