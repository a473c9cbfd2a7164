"""The Exposure role: one row for each moderator and day, with a total of each page that counted.

A total only ever grows, by one conditional change; so pages, devices and repeated calls need know
nothing of one another, in whatever order they come.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from admin.ports.exposure import Seen, Views
from cloud.clock import utc_now
from cloud.operations import Set
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY, column_types
from server.panel.tables import user_pointer
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Database,
    Document,
    DuplicateObject,
    Either,
    Equals,
    Index,
    OneOf,
    Order,
    Query,
)

SCHEMA = ClassSchema(
    "ModerationPanelViews",
    {"user": ColumnType("Pointer", "_User")}
    | column_types(day="String", pages="Object", rested="Number"),
    permissions=NOBODY,
)
BY_AGE = Index("created_id", ("createdAt", "objectId"))

_MOST_PAGES = 1_000
_MOST_COUNTED = 1e9
_LATEST = timedelta(days=31)


class StoredExposure:
    """The Exposure role; see there for its contract. Thread-safe, safe beside other processes."""

    def __init__(
        self, database: Database, schemas: Schemas, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._objects, self._now = database.objects, now
        self._declare = Declaration(database.objects, schemas, (SCHEMA, (BY_AGE,)))

    def note(self, moderator_id: str, views: Collection[Views]) -> None:
        today = self._today()
        for each in views:
            day = min(each.day, today)  # a clock may be ahead
            if today - day <= _LATEST:
                self._note(moderator_id, day, each)

    def today(self, moderator_id: str) -> Seen:
        today = self._today()
        return _seen(today, self._objects.get(SCHEMA, _row_id(moderator_id, today)))

    def days(self, moderator_id: str, days: int) -> Sequence[Seen]:
        wanted = [self._today() - timedelta(days=n) for n in range(days)]
        rows = self._rows(_row_id(moderator_id, day) for day in wanted)
        return [_seen(day, rows.get(_row_id(moderator_id, day))) for day in wanted]

    def today_of_all(self, moderator_ids: Collection[str]) -> Mapping[str, int]:
        today = self._today()
        rows = self._rows(_row_id(each, today) for each in moderator_ids)
        return {each: _seen(today, rows.get(_row_id(each, today))).count for each in moderator_ids}

    # --- rows ------------------------------------------------------------------------------------

    def _note(self, moderator_id: str, day: date, views: Views) -> None:
        row_id = _row_id(moderator_id, day)
        if views.count:
            self._raise(row_id, moderator_id, day, f"pages.{views.source}", views.count)
        if views.rested:
            self._raise(row_id, moderator_id, day, "rested", views.rested)

    def _raise(self, row_id: str, moderator_id: str, day: date, path: str, count: int) -> None:
        """Have a number of the row be `count`, unless it is greater already."""
        is_less = Either((Equals(path, None), Compares(path, Order.LESS, count)))
        where = All((Equals("objectId", row_id), is_less))
        change = {path: Set(count), "updatedAt": Set(self._now())}
        row = self._objects.get(SCHEMA, row_id)
        if row is None:
            self._make(row_id, moderator_id, day)
        elif "." in path and _is_full(row, path.partition(".")[2]):
            return
        self._objects.update(SCHEMA, where, change)

    def _make(self, row_id: str, moderator_id: str, day: date) -> None:
        self._declare()
        now, user = self._now(), user_pointer(moderator_id)
        row = {"objectId": row_id, "createdAt": now, "updatedAt": now, "ACL": {}, "user": user}
        try:
            self._objects.insert(SCHEMA, {**row, "day": day.isoformat(), "pages": {}, "rested": 0})
        except DuplicateObject:  # another call was faster
            return

    def _rows(self, row_ids: Any) -> Mapping[str, Document]:
        of_these: Condition = OneOf("objectId", tuple(row_ids))
        return {row["objectId"]: row for row in self._objects.find(SCHEMA, Query(of_these))}

    def _today(self) -> date:
        return self._now().date()


def _row_id(moderator_id: str, day: date) -> str:
    return f"{moderator_id}-{day.isoformat()}"


def _seen(day: date, row: Document | None) -> Seen:
    """Read a row; what somebody else wrote there counts for nothing."""
    if row is None:
        return Seen(day)
    count = sum(_number(each) for each in _pages(row).values())
    return Seen(day, count, min(_number(row.get("rested")), count))


def _pages(row: Document) -> Mapping[str, Any]:
    pages = row.get("pages")
    return pages if isinstance(pages, dict) else {}


def _is_full(row: Document, source: str) -> bool:
    pages = _pages(row)
    return len(pages) >= _MOST_PAGES and source not in pages


def _number(value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value < _MOST_COUNTED else 0
