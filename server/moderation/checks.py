"""Objects to be looked at later, as rows for the master key alone; a quiet database has none."""

from datetime import datetime, timedelta

from cloud.moderation.item_ports import Check
from cloud.operations import Increment, Set
from cloud.values import Pointer
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Compares,
    Database,
    Document,
    DuplicateObject,
    Either,
    Equals,
    Index,
    Order,
    Query,
    SortKey,
)

SCHEMA = ClassSchema(
    "ModerationCheck",
    {
        "subjectClass": ColumnType("String"),
        "subjectId": ColumnType("String"),
        "item": ColumnType("Pointer", "ModerationItem"),
        "dueAt": ColumnType("Date"),
        "looks": ColumnType("Number"),
    },
    permissions=NOBODY,
)
_INDEX = Index("due", ("dueAt",))

# No wait is longer: a time further off was written by a clock that was wrong.
_LONGEST_WAIT = timedelta(days=1, minutes=5)


class StoredChecks:
    """The Checks port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._declare = Declaration(database.objects, schemas, (SCHEMA, [_INDEX]))

    def add(self, check: Check) -> None:
        self._declare()
        try:
            self._objects.insert(SCHEMA, _document(check))
        except DuplicateObject:  # looked at all the same, from the time of the first on
            return

    def strike(self, name: str) -> None:
        self._objects.delete(SCHEMA, Equals("objectId", name))

    def due(self, now: datetime, limit: int) -> list[Check]:
        self._declare()
        is_due = Either(
            (
                Compares("dueAt", Order.LESS_OR_EQUAL, now),
                Compares("dueAt", Order.GREATER, now + _LONGEST_WAIT),
            )
        )
        query = Query(is_due, order=(SortKey("dueAt"),), limit=limit)
        return [_check(row) for row in self._objects.find(SCHEMA, query)]

    def put_off(self, check: Check, until: datetime) -> None:
        this = Equals("objectId", check.name)
        self._objects.update(SCHEMA, this, {"dueAt": Set(until), "looks": Increment(1)})


def _document(check: Check) -> Document:
    document: Document = {
        "objectId": check.name,
        "createdAt": check.due_at,
        "updatedAt": check.due_at,
        "ACL": {},
        "subjectClass": check.class_name,
        "subjectId": check.object_id,
        "dueAt": check.due_at,
        "looks": check.looks,
    }
    if check.item_id is not None:
        document["item"] = Pointer("ModerationItem", check.item_id)
    return document


def _check(row: Document) -> Check:
    return Check(
        name=row["objectId"],
        class_name=row["subjectClass"],
        object_id=row["subjectId"],
        due_at=row["dueAt"],
        item_id=row["item"].object_id if "item" in row else None,
        looks=int(row["looks"]),
    )
