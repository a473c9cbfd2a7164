"""The newest rows of a log that is only added to, read once and kept in memory."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from server.storage.port import (
    All,
    ClassSchema,
    Compares,
    Condition,
    Document,
    ObjectStore,
    Order,
    Query,
    SortKey,
)

# A row is written up to some seconds after the moment that it bears, and clocks differ.
_MAY_COME_LATE = timedelta(minutes=2)
# Rows may be deleted, as by a purge.
_READ_ANEW_AFTER_S = 3600.0

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Log(Generic[Row]):
    """Which rows of a class, how many, and what becomes of each.

    There has to be an index over what `where` asks for and createdAt.
    """

    schema: ClassSchema
    where: Condition
    columns: frozenset[str]
    limit: int
    read: Callable[[Document], Row]


class Newest(Generic[Row]):
    """Keeps a log's newest rows; thread-safe. Raises StoreUnavailable."""

    def __init__(self, objects: ObjectStore, log: Log[Row]) -> None:
        self._objects, self._log = objects, log
        self._rows: list[tuple[datetime, str, Row]] = []
        self._read_at = 0.0
        self._lock = threading.Lock()

    def rows(self) -> Sequence[Row]:
        """Return them, newest first, as they are now."""
        with self._lock:
            is_old = time.monotonic() - self._read_at > _READ_ANEW_AFTER_S
            if not self._rows or is_old:
                self._rows = self._read(self._log.where)
                self._read_at = time.monotonic()
            else:
                self._add_new()
            return [row for _, _, row in self._rows]

    def _add_new(self) -> None:
        since = self._rows[0][0] - _MAY_COME_LATE
        later = Compares("createdAt", Order.GREATER_OR_EQUAL, since)
        known = {object_id for at, object_id, _ in self._rows if at >= since}
        new = [row for row in self._read(All((self._log.where, later))) if row[1] not in known]
        if new:
            merged = sorted([*new, *self._rows], key=lambda row: row[:2], reverse=True)
            self._rows = merged[: self._log.limit]

    def _read(self, where: Condition) -> list[tuple[datetime, str, Row]]:
        query = Query(
            where,
            order=(SortKey("createdAt", descending=True),),
            limit=self._log.limit,
            columns=self._log.columns,
        )
        found = self._objects.find(self._log.schema, query)
        return [(row["createdAt"], row["objectId"], self._log.read(row)) for row in found]
