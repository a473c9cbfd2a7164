"""The objects whose images are moderated: their columns mirror their items."""

from collections.abc import Mapping
from typing import Any

from cloud.clock import utc_now
from cloud.moderation.item_ports import Mirrored
from cloud.moderation.items import (
    Decision,
    Evidence,
    Item,
    State,
    Subject,
    decision_id,
    item_of,
    mirror,
    mirror_columns,
)
from cloud.operations import Delete, Operation, Set
from cloud.values import File, Pointer
from server.storage.port import All, ClassSchema, ColumnType, Database, Document, Equals, OneOf

_DECISION = "ModerationDecision"


def subject_schema(class_name: str, column: str) -> ClassSchema:
    """What moderation knows of a class: a file column and those that go with it."""
    safe, deleted, review, predictions = mirror_columns(class_name, column)
    return ClassSchema(
        class_name,
        {
            column: ColumnType("File"),
            safe: ColumnType("Boolean"),
            deleted: ColumnType("Boolean"),
            review: ColumnType("Boolean"),
            predictions: ColumnType("Array"),
            shown_column(column): ColumnType("Pointer", _DECISION),
        },
    )


def shown_column(column: str) -> str:
    """The column, which no client sees, that names the decision an object shows.

    By it a write that comes late, of an earlier decision or for an earlier file, is told from the
    one that is due.
    """
    return f"_{column}Decision"


def shows(item_id: str, number: int) -> Pointer:
    """The value of `shown_column` for an item's decision; by number 0 there is none yet."""
    return Pointer(_DECISION, decision_id(item_id, number))


def shown_item(document: Document, column: str) -> str | None:
    """Return the item that an object shows, if it has ever shown one."""
    shown = document.get(shown_column(column))
    return item_of(shown.object_id) if isinstance(shown, Pointer) else None


class StoredSubjects:
    """The Subjects port on a Database; see there for its contract."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, item: Item) -> Mirrored:
        return self._find(item.subject, item.item_id)

    def mirror(self, decision: Decision) -> Mirrored:
        subject, item_id = decision.subject, decision.item_id
        columns = mirror(subject, decision.after, decision.evidence)
        earlier = tuple(shows(item_id, number) for number in range(decision.number))
        if self._show(subject, columns, shows(item_id, decision.number), earlier):
            return Mirrored.WRITTEN
        return self._find(subject, item_id)  # written if it shows this decision or a later one

    def show_instead(self, item: Item, ended: Item) -> bool:
        columns = mirror(item.subject, State.PENDING, Evidence())
        any_of_it = tuple(shows(ended.item_id, number) for number in range(ended.transitions + 1))
        return self._show(item.subject, columns, shows(item.item_id, 0), any_of_it)

    def read_file(self, name: str) -> bytes | None:
        return self._database.files.read(name)

    def _show(
        self,
        subject: Subject,
        columns: Mapping[str, Any],
        shown: Pointer,
        shown_before: tuple[Pointer, ...],
    ) -> bool:
        """Write the columns to an object that holds the file, and shows one of those before."""
        values = {**columns, shown_column(subject.column): shown, "updatedAt": utc_now()}
        operations: dict[str, Operation] = {
            name: Delete() if value is None else Set(value) for name, value in values.items()
        }
        where = All(
            (
                Equals("objectId", subject.object_id),
                Equals(subject.column, File(subject.file_name)),
                OneOf(shown_column(subject.column), shown_before),
            )
        )
        return self._database.objects.update(_schema(subject), where, operations) is not None

    def _find(self, subject: Subject, item_id: str) -> Mirrored:
        document = self._database.objects.get(_schema(subject), subject.object_id)
        if document is None:
            return Mirrored.GONE
        holds_file = document.get(subject.column) == File(subject.file_name)
        is_shown = holds_file and shown_item(document, subject.column) == item_id
        return Mirrored.WRITTEN if is_shown else Mirrored.REPLACED


def _schema(subject: Subject) -> ClassSchema:
    return subject_schema(subject.class_name, subject.column)
