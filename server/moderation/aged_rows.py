"""Rows that go by their age, read in small pages from the oldest on; what is held stays."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from cloud.values import Pointer
from server.moderation.items import ITEM
from server.moderation.memory import MATCH
from server.panel.exposure import BY_AGE as VIEWS_BY_AGE
from server.panel.exposure import SCHEMA as VIEWS
from server.storage.port import (
    All,
    ClassSchema,
    Compares,
    Condition,
    Differs,
    Document,
    Either,
    Equals,
    Index,
    ObjectStore,
    OneOf,
    Order,
    Query,
    SortKey,
)
from server.webhooks.deliveries import SCHEMA as DELIVERY
from server.webhooks.deliveries import DeliveryState

PAGE_SIZE = 100
DELIVERIES_BY_AGE = Index("created_id", ("createdAt", "objectId"))
MATCHES_BY_AGE = Index("created_id", ("createdAt", "objectId"))

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_IS_FINISHED = Differs("state", DeliveryState.WAITING.value)


class AgedRows:
    """Removes what is older than it shall be kept; thread-safe. Raises StoreUnavailable.

    With `dry_run` nothing is removed, but all is counted. The indexes above have to be there.
    """

    def __init__(
        self, objects: ObjectStore, *, dry_run: bool = False, page_size: int = PAGE_SIZE
    ) -> None:
        self._objects, self._dry_run, self._page_size = objects, dry_run, page_size

    def deliveries(self, cutoff: datetime, *, abandoned_too: bool) -> Iterator[int]:
        """Remove finished deliveries, and those that nobody has come for since if they are to go
        too: their URL was removed. Yield how many of each page went."""
        waits_in_vain = Compares("nextAttemptAt", Order.LESS, cutoff)
        is_done = Either((_IS_FINISHED, waits_in_vain)) if abandoned_too else _IS_FINISHED
        old = All((Compares("createdAt", Order.LESS, cutoff), is_done))
        for rows in self.pages(DELIVERY, "createdAt", old, DELIVERIES_BY_AGE):
            held = self._held({_item_id(row) for row in rows})
            ids = [row["objectId"] for row in rows if _item_id(row) not in held]
            yield self.remove(DELIVERY, OneOf("objectId", tuple(ids)))

    def matches(self, cutoff: datetime) -> Iterator[int]:
        """Remove what the memory counted; yield how many of each page went."""
        old = Compares("createdAt", Order.LESS, cutoff)
        for rows in self.pages(MATCH, "createdAt", old, MATCHES_BY_AGE):
            ids = tuple(row["objectId"] for row in rows)
            yield self.remove(MATCH, OneOf("objectId", ids))

    def views(self, cutoff: datetime) -> Iterator[int]:
        """Remove what moderators looked at; yield how many days of each page went."""
        old = Compares("createdAt", Order.LESS, cutoff)
        for rows in self.pages(VIEWS, "createdAt", old, VIEWS_BY_AGE):
            ids = tuple(row["objectId"] for row in rows)
            yield self.remove(VIEWS, OneOf("objectId", ids))

    def remove(self, schema: ClassSchema, where: Condition) -> int:
        """Remove what is so; return how many were, or would be."""
        if self._dry_run:
            return self._objects.count(schema, where)
        return self._objects.delete(schema, where)

    def pages(
        self, schema: ClassSchema, time: str, where: Condition, index: Index
    ) -> Iterator[list[Document]]:
        """Read what is old from the oldest on; what stays is passed by."""
        beyond: tuple[Condition, ...] = (Compares(time, Order.GREATER_OR_EQUAL, _BEGINNING),)
        while True:
            query = Query(
                All((where, *beyond)),
                order=(SortKey(time), SortKey("objectId")),
                limit=self._page_size,
                index=index,
            )
            rows = self._objects.find(schema, query)
            if rows:
                yield rows
            if len(rows) < self._page_size:
                return
            last, last_id = rows[-1][time], rows[-1]["objectId"]
            later = Compares(time, Order.GREATER, last)
            beyond = (
                Compares(time, Order.GREATER_OR_EQUAL, last),
                Either((later, Compares("objectId", Order.GREATER, last_id))),
            )

    def _held(self, item_ids: Collection[str]) -> set[str]:
        where = All((OneOf("objectId", tuple(item_ids)), Equals("legalHold", True)))
        rows = self._objects.find(ITEM, Query(where, columns=frozenset()))
        return {row["objectId"] for row in rows}


def _item_id(delivery: Document) -> str:
    """The item whose decision a delivery told of; none where nobody can read which."""
    decision = delivery.get("decision")
    return decision.object_id.rpartition("-")[0] if isinstance(decision, Pointer) else ""
