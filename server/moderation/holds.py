"""Legal holds: items that no purge removes, and the append-only log of who set or lifted them."""

from datetime import datetime

from admin.ports.history import HoldChange
from cloud.operations import Delete, Set
from cloud.values import Pointer
from server.moderation.items import ITEM
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Database,
    DuplicateObject,
    Equals,
    Index,
    Query,
    SortKey,
)

HOLD = ClassSchema(
    "ModerationHold",
    {
        "item": ColumnType("Pointer", ITEM.class_name),
        "number": ColumnType("Number"),
        "isHeld": ColumnType("Boolean"),
        "by": ColumnType("String"),
        "reason": ColumnType("String"),
    },
    permissions=NOBODY,
)
INDEX = Index("item", ("item",))


class LegalHolds:
    """Holds items; thread-safe. Raises StoreUnavailable.

    Whenever a process ends between flag and log, the item is held: it is set first and lifted last.
    """

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self.declare = Declaration(database.objects, schemas, (HOLD, [INDEX]))
        """Makes sure of the class and its index."""

    def change(self, item_id: str, by: str, reason: str, now: datetime, *, is_held: bool) -> bool:
        """Set or lift a hold; repeating it notes nothing twice. False: there is no such item."""
        if is_held and not self._flag(item_id, is_held=True):
            return False
        self._note(item_id, by, reason, now, is_held)
        return is_held or self._flag(item_id, is_held=False)

    def log(self, item_id: str) -> list[HoldChange]:
        """Return what was set and lifted, oldest first."""
        self.declare()
        of_item = Equals("item", Pointer(ITEM.class_name, item_id))
        rows = self._objects.find(HOLD, Query(of_item, order=(SortKey("number"),)))
        return [
            HoldChange(row["isHeld"], row["by"], row["reason"], row["createdAt"]) for row in rows
        ]

    def _flag(self, item_id: str, *, is_held: bool) -> bool:
        operation = Set(True) if is_held else Delete()
        updated = self._objects.update(ITEM, Equals("objectId", item_id), {"legalHold": operation})
        return updated is not None

    def _note(self, item_id: str, by: str, reason: str, now: datetime, is_held: bool) -> None:
        """Append to the log, unless that is what it ends in."""
        log = self.log(item_id)
        if (log[-1].is_held if log else False) == is_held:
            return
        row = {
            "objectId": f"{item_id}-{len(log) + 1}",
            "createdAt": now,
            "updatedAt": now,
            "ACL": {},
            "item": Pointer(ITEM.class_name, item_id),
            "number": len(log) + 1,
            "isHeld": is_held,
            "by": by,
            "reason": reason,
        }
        try:
            self._objects.insert(HOLD, row)
        except DuplicateObject:  # another admin was faster
            return
