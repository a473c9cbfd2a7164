"""The RelationStore in SQLite: one row for each pair."""

import json
from collections.abc import Iterator, Sequence

from server.storage.port import Join
from server.storage.sqlite.connections import Connections

_PAGE = 1000


class SqliteRelations:
    """The RelationStore; see the port for its contract."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        rows = [(join.class_name, join.key, owning_id, related_id) for related_id in related_ids]
        with self._connections.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO relations VALUES (?, ?, ?, ?)", rows)

    def remove(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        rows = [(join.class_name, join.key, owning_id, related_id) for related_id in related_ids]
        with self._connections.transaction() as connection:
            connection.executemany(
                "DELETE FROM relations WHERE class_name = ? AND key = ? AND owning_id = ? "
                "AND related_id = ?",
                rows,
            )

    def related_ids(self, join: Join, owning_ids: Sequence[str]) -> list[str]:
        return self._one_side(
            "SELECT DISTINCT related_id FROM relations WHERE class_name = ? AND key = ? "
            "AND owning_id IN (SELECT value FROM json_each(?))",
            join,
            owning_ids,
        )

    def owning_ids(self, join: Join, related_ids: Sequence[str]) -> list[str]:
        return self._one_side(
            "SELECT DISTINCT owning_id FROM relations WHERE class_name = ? AND key = ? "
            "AND related_id IN (SELECT value FROM json_each(?))",
            join,
            related_ids,
        )

    def all(self, join: Join) -> Iterator[tuple[str, str]]:
        """Read page by page: a statement left half read would keep its connection from writing."""
        last = ("", "")
        while page := self._page_after(join, last):
            yield from page
            last = page[-1]

    def drop(self, join: Join) -> None:
        with self._connections.writing() as connection:
            connection.execute(
                "DELETE FROM relations WHERE class_name = ? AND key = ?",
                (join.class_name, join.key),
            )

    def _page_after(self, join: Join, last: tuple[str, str]) -> list[tuple[str, str]]:
        with self._connections.reading() as connection:
            return connection.execute(
                "SELECT owning_id, related_id FROM relations WHERE class_name = ? AND key = ? "
                "AND (owning_id, related_id) > (?, ?) ORDER BY owning_id, related_id LIMIT ?",
                (join.class_name, join.key, *last, _PAGE),
            ).fetchall()

    def _one_side(self, statement: str, join: Join, ids: Sequence[str]) -> list[str]:
        parameters = (join.class_name, join.key, json.dumps(list(ids)))
        with self._connections.reading() as connection:
            return [row[0] for row in connection.execute(statement, parameters)]
