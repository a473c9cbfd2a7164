"""The removal of what is older than it shall be kept.

An item goes first, in one step that checks whether it may; what hangs on it follows, its log last.
So after an interruption the log still names what is left, and the next purge finds it by that.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from admin.ports.retention import PurgeCounts
from cloud.moderation.items import Decision, State, mirror_columns
from cloud.operations import Delete, Operation
from cloud.values import Pointer
from server.moderation.aged_rows import DELIVERIES_BY_AGE, MATCHES_BY_AGE, PAGE_SIZE, AgedRows
from server.moderation.history_indexes import BY_DECISION, BY_TIME
from server.moderation.holds import HOLD, LegalHolds
from server.moderation.item_columns import decision_of_row, item_id_of_row, readable
from server.moderation.items import DECISION, ITEM, ITEM_CLASSES
from server.moderation.memory import MATCH
from server.moderation.subjects import shown_column, shows, subject_schema
from server.moderation.unowned import SCHEMA as UNOWNED
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.panel.exposure import BY_AGE as VIEWS_BY_AGE
from server.panel.exposure import SCHEMA as VIEWS
from server.storage.port import (
    All,
    Compares,
    Condition,
    Database,
    Differs,
    Equals,
    Exists,
    Index,
    ObjectStore,
    OneOf,
    Order,
    Query,
)
from server.webhooks.deliveries import SCHEMA as DELIVERY

_RECORDS_BY_AGE = Index("seen_id", ("lastSeenAt", "objectId"))


class Purge:
    """One run: removes what was decided before `cutoff`. Raises StoreUnavailable.

    Several may run at once, beside servers. With `dry_run` nothing is removed, but all is counted.
    """

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        cutoff: datetime,
        *,
        dry_run: bool = False,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._database, self._objects, self._schemas = database, database.objects, schemas
        self._holds = LegalHolds(database, schemas)
        self._cutoff, self._dry_run = cutoff, dry_run
        self._rows = AgedRows(self._objects, dry_run=dry_run, page_size=page_size)
        self.counts = PurgeCounts()

    def steps(self) -> Iterator[PurgeCounts]:
        """Purge, and after each small step yield what has been removed by then.

        Whoever stops asking has it end there; the next run goes on.
        """
        self._declare()
        self._count_held()
        for step in (
            self._items, self._orphans, self._deliveries, self._matches, self._views, self._records
        ):  # fmt: skip
            for _ in step():
                yield self.counts
        yield self.counts

    def _add(self, **numbers: int) -> None:
        added = {name: getattr(self.counts, name) + number for name, number in numbers.items()}
        self.counts = replace(self.counts, **added)

    def _count_held(self) -> None:
        self._add(held=count_expired(self._objects, self._cutoff, held=True))

    # --- items and what hangs on them -------------------------------------------------------------

    def _items(self) -> Iterator[None]:
        is_settled = Exists("unsettled", exists=False)
        is_expired = All((*expired(self._cutoff), Equals("legalHold", None), is_settled))
        for rows in self._rows.pages(ITEM, "decidedAt", is_expired, BY_DECISION):
            item_ids = [row["objectId"] for row in rows]
            if not self._dry_run:
                item_ids = self._remove_items(item_ids, is_expired)
            self._add(items=len(item_ids))
            self._remove_traces(item_ids)
            yield

    def _remove_items(self, item_ids: list[str], is_expired: Condition) -> list[str]:
        """Remove those that still may go in this very moment; return the ids of those gone."""
        these = OneOf("objectId", tuple(item_ids))
        self._objects.delete(ITEM, All((these, is_expired)))
        rows = self._objects.find(ITEM, Query(these, columns=frozenset()))
        return [each for each in item_ids if each not in {row["objectId"] for row in rows}]

    def _orphans(self) -> Iterator[None]:
        """Finish what an interrupted run began: logs of items that are gone."""
        old = Compares("createdAt", Order.LESS, self._cutoff)
        for rows in self._rows.pages(DECISION, "createdAt", old, BY_TIME):
            item_ids = set(readable(item_id_of_row, rows))
            there = Query(OneOf("objectId", tuple(item_ids)), columns=frozenset())
            item_ids -= {row["objectId"] for row in self._objects.find(ITEM, there)}
            if item_ids and not self._dry_run:
                self._remove_traces(sorted(item_ids))
            yield

    def _remove_traces(self, item_ids: Sequence[str]) -> None:
        if not item_ids:
            return
        pointers = tuple(Pointer(ITEM.class_name, item_id) for item_id in item_ids)
        of_items = OneOf("item", pointers)
        if not self._dry_run:
            rows = self._objects.find(DECISION, Query(of_items))
            log = list(readable(decision_of_row, rows))
            for decision in _last_of_each(log):
                self._release_object(decision)
            self._objects.delete(HOLD, of_items)
        self._add(decisions=self._rows.remove(DECISION, of_items))

    def _release_object(self, last: Decision) -> None:
        """Have an object show no item any more: its image is then as from before moderation.

        What the columns say of it stays. Images that are no object's own are ours, and go.
        """
        subject = last.subject
        is_ours = subject.class_name == UNOWNED.class_name
        schema = subject_schema(subject.class_name, subject.column)
        shown = shown_column(subject.column)
        names = [shown]
        if is_ours:
            names += [subject.column, *mirror_columns(subject.class_name, subject.column)]
        ours = tuple(shows(last.item_id, number) for number in range(last.number + 1))
        where = All((Equals("objectId", subject.object_id), OneOf(shown, ours)))
        operations: dict[str, Operation] = {name: Delete() for name in names}
        self._objects.update(schema, where, operations)
        if is_ours:
            self._database.files.delete(subject.file_name)

    # --- what goes by its age alone ---------------------------------------------------------------

    def _deliveries(self) -> Iterator[None]:
        for removed in self._rows.deliveries(self._cutoff, abandoned_too=True):
            self._add(deliveries=removed)
            yield

    def _matches(self) -> Iterator[None]:
        for removed in self._rows.matches(self._cutoff):
            self._add(matches=removed)
            yield

    def _views(self) -> Iterator[None]:
        for removed in self._rows.views(self._cutoff):
            self._add(views=removed)
            yield

    def _records(self) -> Iterator[None]:
        """Classifications not asked for since, but for those that hold an image to be judged."""
        old = All(
            (
                Compares("lastSeenAt", Order.LESS, self._cutoff),
                Exists(shown_column("image"), exists=False),
            )
        )
        for rows in self._rows.pages(UNOWNED, "lastSeenAt", old, _RECORDS_BY_AGE):
            ids = tuple(row["objectId"] for row in rows)
            removed = self._rows.remove(UNOWNED, All((OneOf("objectId", ids), old)))
            self._add(classifications=removed)
            yield

    def _declare(self) -> None:
        """Only who purges pays for the indexes that a purge goes by."""
        Declaration(self._objects, self._schemas, *ITEM_CLASSES)()
        self._holds.declare()
        for schema, index in (
            (DELIVERY, DELIVERIES_BY_AGE),
            (MATCH, MATCHES_BY_AGE),
            (VIEWS, VIEWS_BY_AGE),
            (UNOWNED, _RECORDS_BY_AGE),
        ):
            self._schemas.declare(schema)
            self._objects.ensure_index(schema, index)


def expired(cutoff: datetime) -> tuple[Condition, ...]:
    """Write that an item was decided before then, and for good.

    In the negative: no database is tempted to read all that is approved.
    """
    return (
        Compares("decidedAt", Order.LESS, cutoff),
        Differs("state", State.PENDING.value),
        Differs("state", State.REVIEW.value),
    )


def count_expired(objects: ObjectStore, cutoff: datetime, *, held: bool) -> int:
    """Count the items that are due to be removed, or that a legal hold keeps."""
    is_held = Equals("legalHold", True if held else None)
    return objects.count(ITEM, All((*expired(cutoff), is_held)), BY_DECISION)


def _last_of_each(log: Collection[Decision]) -> Collection[Decision]:
    return {each.item_id: each for each in sorted(log, key=lambda each: each.number)}.values()
