"""All that the database has of one item."""

from collections.abc import Mapping, Sequence
from typing import Any

from admin.ports.history import Delivery, Dossier
from cloud.moderation.items import Decision, Subject
from cloud.values import Pointer
from server.moderation.holds import LegalHolds
from server.moderation.item_columns import decision_of_row, readable, readable_item
from server.moderation.items import DECISION, ITEM
from server.moderation.subjects import subject_schema
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.storage.port import Database, Document, Equals, Index, OneOf, Query, SortKey
from server.webhooks import deliveries

DELIVERIES_BY_DECISION = Index("decision", ("decision",))


class Dossiers:
    """Gathers them; thread-safe. Raises StoreUnavailable."""

    def __init__(self, database: Database, schemas: Schemas, holds: LegalHolds) -> None:
        self._objects = database.objects
        self._holds = holds
        deliveries_class = (deliveries.SCHEMA, [DELIVERIES_BY_DECISION])
        self._declare = Declaration(database.objects, schemas, deliveries_class)

    def of(self, item_id: str) -> Dossier | None:
        """Return an item's; None: there is no such item, or none that can be read."""
        row = self._objects.get(ITEM, item_id)
        item = readable_item(row)
        if row is None or item is None:
            return None
        log = self._log(item_id)
        return Dossier(
            item=item,
            log=log,
            columns=self._columns(item.subject),
            deliveries=self._deliveries(log),
            holds=self._holds.log(item_id),
            is_held=row.get("legalHold") is True,
        )

    def _log(self, item_id: str) -> list[Decision]:
        of_item = Equals("item", Pointer(ITEM.class_name, item_id))
        rows = self._objects.find(DECISION, Query(of_item, order=(SortKey("number"),)))
        return list(readable(decision_of_row, rows))

    def _columns(self, subject: Subject) -> Mapping[str, Any] | None:
        schema = subject_schema(subject.class_name, subject.column)
        document = self._objects.get(schema, subject.object_id)
        if document is None:
            return None
        return {name: document[name] for name in schema.columns if _is_shown(name, document)}

    def _deliveries(self, log: Sequence[Decision]) -> Mapping[str, list[Delivery]]:
        if not log:
            return {}
        self._declare()
        pointers = tuple(Pointer(DECISION.class_name, each.decision_id) for each in log)
        query = Query(OneOf("decision", pointers), order=(SortKey("createdAt"),))
        by_decision: dict[str, list[Delivery]] = {}
        for row in self._objects.find(deliveries.SCHEMA, query):
            by_decision.setdefault(row["decision"].object_id, []).append(_delivery(row))
        return by_decision


def _delivery(row: Document) -> Delivery:
    status = row.get("lastStatus")
    return Delivery(
        url=row["url"],
        state=row["state"],
        attempts=int(row["attempts"]),
        problem=row.get("lastError") or (None if status is None else f"HTTP {int(status)}"),
        delivered_at=row.get("deliveredAt"),
    )


def _is_shown(column: str, document: Mapping[str, Any]) -> bool:
    """What begins with _ is the server's own, and says nothing to people."""
    return column in document and not column.startswith("_")
