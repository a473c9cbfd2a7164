"""The ObjectStore in SQLite: JSON documents, and operations applied within one transaction."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any

from cloud.operations import Operation, apply
from server.storage.geo import Near, distance
from server.storage.matching import matcher, nearest_to, sort_key
from server.storage.port import (
    EVERYTHING,
    ClassSchema,
    Condition,
    Document,
    Equals,
    Index,
    ObjectId,
    Query,
    Refused,
    SortKey,
)
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.documents import dump, read_text
from server.storage.sqlite.held_rows import HeldRows, Row, first_rows, plain_rows
from server.storage.sqlite.plans import check_hint, explained, index_names
from server.storage.sqlite.translate import (
    Sql,
    class_condition,
    index_name,
    translate,
    translate_index,
    translate_order,
    translate_values,
)

_ALWAYS_READ = frozenset({"objectId", "createdAt", "updatedAt", "ACL"})
_NO_LIMIT = -1
_MAX_DOCUMENT_BYTES = 16 * 1024 * 1024  # MongoDB's, to which an installation may move


class SqliteObjects:
    """The ObjectStore; see the port for its contract."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, schema: ClassSchema, object_id: ObjectId) -> Document | None:
        found = self.find(schema, Query(Equals("objectId", object_id), limit=1))
        return found[0] if found else None

    def find(self, schema: ClassSchema, query: Query) -> list[Document]:
        with self._connections.reading() as connection:
            check_hint(connection, schema, query.hint)
            return [_chosen(document, query) for _, document in _rows(connection, schema, query)]

    def explain(self, schema: ClassSchema, query: Query, verbosity: str) -> Any:
        with self._connections.reading() as connection:
            check_hint(connection, schema, query.hint)
            asked = _Statement(schema, query)
            return explained(connection, asked.text, asked.parameters, verbosity)

    def values(
        self, schema: ClassSchema, columns: Sequence[str], where: Condition
    ) -> Iterator[tuple[Any, ...]]:
        """Yield them without a word of Python spent on the rest of a document."""
        condition = translate(schema, where)
        if not condition.exact:
            raise Refused("only conditions that SQL can say choose values")
        statement = f"SELECT {translate_values(schema, columns)} {_from_where(schema, condition)}"
        with (
            self._connections.reading() as connection,
            closing(connection.execute(statement, condition.parameters)) as cursor,
        ):
            for row in cursor:
                yield tuple(read_text(v) if isinstance(v, str) else v for v in row)

    def count(self, schema: ClassSchema, where: Condition, index: Index | None = None) -> int:
        condition = translate(schema, where)
        with self._connections.reading() as connection:
            if not condition.exact:
                asked = _Statement(schema, Query(where))
                with closing(connection.execute(asked.text, asked.parameters)) as texts:
                    return sum(1 for _ in plain_rows(texts, matcher(where)))
            statement = f"SELECT count(*) {_from_where(schema, condition, index)}"
            count: int = connection.execute(statement, condition.parameters).fetchone()[0]
            return count

    def insert(self, schema: ClassSchema, document: Document) -> None:
        row = _row(schema, document)
        with self._connections.writing() as connection:
            connection.execute(_INSERT, row)

    def update(
        self,
        schema: ClassSchema,
        where: Condition,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        made = _made_by_upsert(where) if upsert else None
        with self._connections.transaction() as connection:
            for sequence, document in _rows(connection, schema, Query(where, limit=1)):
                connection.execute(_UPDATE, (_text(apply(document, operations)), sequence))
                return document
            if made is not None:
                connection.execute(_INSERT, _row(schema, apply(made, operations)))
            return made

    def update_all(
        self, schema: ClassSchema, where: Condition, operations: Mapping[str, Operation]
    ) -> int:
        with self._connections.transaction() as connection:
            rows = _rows(connection, schema, Query(where))
            changed = (
                (_text(apply(document, operations)), sequence) for sequence, document in rows
            )
            connection.executemany(_UPDATE, changed)
            return len(rows)

    def delete(self, schema: ClassSchema, where: Condition) -> int:
        condition = translate(schema, where)
        if condition.exact:
            statement = f"DELETE {_from_where(schema, condition)}"
            with self._connections.writing() as connection:
                return connection.execute(statement, condition.parameters).rowcount
        with self._connections.transaction() as connection:
            found = [(sequence,) for sequence, _ in _rows(connection, schema, Query(where))]
            connection.executemany("DELETE FROM objects WHERE sequence = ?", found)
            return len(found)

    def ensure_index(self, schema: ClassSchema, index: Index) -> None:
        statement = translate_index(schema, index)
        with self._connections.writing() as connection:
            connection.execute(statement)

    def drop_index(self, schema: ClassSchema, index: Index) -> None:
        with self._connections.writing() as connection:
            connection.execute(f'DROP INDEX IF EXISTS "{index_name(schema, index)}"')

    def drop(self, schema: ClassSchema) -> int:
        statement = f"SELECT count(*) {_from_where(schema, translate(schema, EVERYTHING))}"
        with self._connections.transaction() as connection:
            count: int = connection.execute(statement).fetchone()[0]
            if not count:
                for name in index_names(connection, schema.class_name):
                    connection.execute(f'DROP INDEX "{name}"')
        return count


_INSERT = "INSERT INTO objects (class_name, object_id, document) VALUES (?, ?, ?)"
_UPDATE = "UPDATE objects SET document = ? WHERE sequence = ?"


def _row(schema: ClassSchema, document: Document) -> tuple[str, ObjectId, str]:
    return schema.class_name, document["objectId"], _text(document)


def _text(document: Document) -> str:
    text = dump(document)
    if len(text.encode()) > _MAX_DOCUMENT_BYTES:
        raise Refused("an object may have at most 16 MB")
    return text


def _made_by_upsert(where: Condition) -> Document:
    match where:
        case Equals("objectId", object_id):
            return {"objectId": object_id}
    raise ValueError("only an Equals on objectId says what to make")


def _chosen(document: Document, query: Query) -> Document:
    if query.columns is None:
        return document
    wanted = query.columns | _ALWAYS_READ
    return {name: value for name, value in document.items() if name in wanted}


def _rows(connection: sqlite3.Connection, schema: ClassSchema, query: Query) -> list[Row]:
    """Find rows: with SQL as far as it can say the query, and the rest in Python."""
    asked = _Statement(schema, query)
    test = None
    if not asked.condition.exact:
        test = matcher(query.where, ignore_case=query.ignore_case)
    is_sorted = bool(asked.order) and nearest_to(query) is None
    held = None
    if query.budget is not None:
        held = HeldRows(query.budget, may_let_go=not is_sorted)
    with closing(connection.execute(asked.text, asked.parameters)) as texts:
        if held is None:
            rows = plain_rows(texts, test)
        else:
            is_chosen_now = is_sorted and query.columns is not None
            chosen = partial(_chosen, query=query) if is_chosen_now else None
            rows = held.read(texts, chosen, test)
        if asked.is_whole:
            return list(rows)
        return _finished(rows, query, held, is_sorted=is_sorted)


class _Statement:
    """A query as far as SQL can say it."""

    def __init__(self, schema: ClassSchema, query: Query) -> None:
        self.condition = translate(schema, query.where, ignore_case=query.ignore_case)
        self.order = translate_order(schema, query.order, ignore_case=query.ignore_case)
        limit = _NO_LIMIT if query.limit is None else query.limit
        self.is_whole = bool(self.condition.exact and self.order)
        paging = (limit, query.skip) if self.is_whole else (_NO_LIMIT, 0)
        self.parameters = (*self.condition.parameters, *paging)
        self.text = (
            f"SELECT sequence, document {_from_where(schema, self.condition, query.index)} "
            f"ORDER BY {self.order or 'sequence'} LIMIT ? OFFSET ?"
        )


def _finished(
    rows: Iterator[Row], query: Query, held: HeldRows | None, *, is_sorted: bool
) -> list[Row]:
    end = None if query.limit is None else query.skip + query.limit
    if is_sorted:
        for row in islice(rows, query.skip):
            if held is not None:
                held.let_go([row])
        return list(islice(rows, query.limit))
    near = nearest_to(query)
    if near is None:
        arranged = partial(_sorted, order=query.order, ignore_case=query.ignore_case)
    else:
        arranged = partial(_nearest_first, near=near)
    return first_rows(rows, end, arranged, held)[query.skip :]


def _nearest_first(rows: list[Row], near: Near) -> list[Row]:
    return sorted(rows, key=lambda row: distance(near.point, row[1][near.path]))


def _sorted(rows: list[Row], order: tuple[SortKey, ...], ignore_case: bool) -> list[Row]:
    """Sort by the last key first, so that each earlier one keeps the later ones' order."""
    if order[-1].descending:
        rows.reverse()
    for key in reversed(order):
        rows.sort(
            key=lambda row: sort_key(row[1], key, ignore_case=ignore_case),
            reverse=key.descending,
        )
    return rows


def _from_where(schema: ClassSchema, condition: Sql, index: Index | None = None) -> str:
    by = "" if index is None else f'INDEXED BY "{index_name(schema, index)}" '
    return f"FROM objects {by}WHERE {class_condition(schema.class_name)} AND {condition.text}"
