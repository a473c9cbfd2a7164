"""Purges in the background: every day where RETENTION_DAYS says so, and when an admin asks; and
what has to be removed at any rate.

Each is an object of class ModerationPurge, for the master key alone: by whom, of what age, and how
much was removed. That of a day has the day's name, so of all processes one begins it.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta

from admin.ports.retention import PurgeCounts, PurgeRun
from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Operation, Set
from server.moderation.holds import LegalHolds
from server.moderation.items import ITEM_CLASSES
from server.moderation.purge import Purge, count_expired
from server.moderation.upkeep import Upkeep
from server.objects.declaration import Declaration
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Index,
    Query,
    SortKey,
)

logger = logging.getLogger(__name__)

BY_SETTING, BY_COMMAND = "RETENTION_DAYS", "command line"
_COUNTS = tuple(asdict(PurgeCounts()))
RUN = ClassSchema(
    "ModerationPurge",
    {
        "by": ColumnType("String"),
        "olderThanDays": ColumnType("Number"),
        "finishedAt": ColumnType("Date"),
        **dict.fromkeys(_COUNTS, ColumnType("Number")),
    },
    permissions=NOBODY,
)
_INDEX = Index("created", ("createdAt",))
_LOOK_EVERY_S = 600.0
_WEBHOOK_LOG_DAYS = 30


class RecordedPurges:
    """Runs purges and keeps the record of them; thread-safe. Raises StoreUnavailable."""

    def __init__(
        self, database: Database, schemas: Schemas, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database, self._objects, self._schemas = database, database.objects, schemas
        self._now = now
        self._declare = Declaration(database.objects, schemas, (RUN, [_INDEX]))

    def run(
        self,
        older_than_days: int,
        by: str,
        *,
        name: str | None = None,
        stopped: threading.Event | None = None,
    ) -> PurgeCounts | None:
        """Purge what is older, and return how much; None: a run of this name was begun before."""
        started_at = self._now()
        run_id = name or new_object_id()
        if not self._record(run_id, older_than_days, by, started_at):
            return None
        cutoff = started_at - timedelta(older_than_days)
        purge = Purge(self._database, self._schemas, cutoff)
        logger.info("purging what is older than %d days, by %s", older_than_days, by)
        for counts in purge.steps():
            self._note(run_id, counts)
            if stopped is not None and stopped.is_set():
                logger.info("the purge is cut short; the next one goes on: %s", counts)
                return counts
        self._note(run_id, purge.counts, finished_at=self._now())
        logger.info("purged what is older than %d days: %s", older_than_days, purge.counts)
        return purge.counts

    def dry_run(self, older_than_days: int) -> PurgeCounts:
        """Count what a run would remove."""
        cutoff = self._now() - timedelta(older_than_days)
        purge = Purge(self._database, self._schemas, cutoff, dry_run=True)
        for _ in purge.steps():
            pass
        return purge.counts

    def last(self, limit: int) -> list[PurgeRun]:
        """Return the newest runs."""
        self._declare()
        newest = Query(order=(SortKey("createdAt", descending=True),), limit=limit)
        return [_run(row) for row in self._objects.find(RUN, newest)]

    def _record(self, run_id: str, days: int, by: str, started_at: datetime) -> bool:
        self._declare()
        row = {
            "objectId": run_id,
            "createdAt": started_at,
            "updatedAt": started_at,
            "ACL": {},
            "by": by,
            "olderThanDays": days,
            **dict.fromkeys(_COUNTS, 0),
        }
        try:
            self._objects.insert(RUN, row)
        except DuplicateObject:
            return False
        return True

    def _note(
        self, run_id: str, counts: PurgeCounts, *, finished_at: datetime | None = None
    ) -> None:
        operations: dict[str, Operation] = {n: Set(value) for n, value in asdict(counts).items()}
        operations["updatedAt"] = Set(self._now())
        if finished_at is not None:
            operations["finishedAt"] = Set(finished_at)
        self._objects.update(RUN, Equals("objectId", run_id), operations)


class RetentionKeeper:
    """The Retention port, and the thread that purges and sees to upkeep; make it after forking."""

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        days: int,
        *,
        webhook_log_days: int = _WEBHOOK_LOG_DAYS,
        now: Callable[[], datetime] = utc_now,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self.days = days
        self._objects = database.objects
        self._declare_items = Declaration(database.objects, schemas, *ITEM_CLASSES)
        self._now, self._look_every_s = now, look_every_s
        self._purges = RecordedPurges(database, schemas, now=now)
        self._upkeep = Upkeep(database, schemas, webhook_log_days, now=now)
        self._holds = LegalHolds(database, schemas)
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._daily: threading.Thread | None = None
        self._asked: threading.Thread | None = None

    def start(self) -> None:
        """Purge every day from now on, if there is an age to purge by; see to upkeep anyway."""
        if self._daily is None:
            self._daily = threading.Thread(target=self._watch, name="retention", daemon=True)
            self._daily.start()

    def close(self) -> None:
        """Let what runs come to the end of its step."""
        self._closing.set()
        for thread in (self._daily, self._asked):
            if thread is not None:
                thread.join()

    def preview(self, older_than_days: int) -> PurgeCounts:
        self._declare_items()
        cutoff = self._now() - timedelta(older_than_days)
        items = count_expired(self._objects, cutoff, held=False)
        return PurgeCounts(items=items, held=count_expired(self._objects, cutoff, held=True))

    def begin(self, older_than_days: int, by: str) -> bool:
        with self._lock:
            if self._closing.is_set() or (self._asked is not None and self._asked.is_alive()):
                return False
            self._asked = threading.Thread(
                target=self._guarded, args=(older_than_days, by, None), name="purge", daemon=True
            )
            self._asked.start()
        return True

    def runs(self, limit: int) -> Sequence[PurgeRun]:
        return self._purges.last(limit)

    def hold(self, item_id: str, by: str, reason: str, *, is_held: bool) -> bool:
        return self._holds.change(item_id, by, reason, self._now(), is_held=is_held)

    def purge_today(self) -> None:
        """Purge, unless some process has begun to today."""
        today = f"{self._now():%Y-%m-%d}"
        self._guarded(self.days, BY_SETTING, today)

    def _watch(self) -> None:
        while not self._closing.is_set():
            self.keep_up()
            if self.days > 0:
                self.purge_today()
            self._closing.wait(self._look_every_s)

    def keep_up(self) -> None:
        """Remove what would grow for ever."""
        try:
            with suppress(StoreUnavailable):
                for _ in self._upkeep.steps():
                    if self._closing.is_set():
                        return
        except Exception:  # the worker loop: the next time may go better
            logger.exception("the upkeep failed")

    def _guarded(self, days: int, by: str, name: str | None) -> None:
        try:
            with suppress(StoreUnavailable):
                self._purges.run(days, by, name=name, stopped=self._closing)
        except Exception:  # the worker loop: the next day may go better
            logger.exception("the purge failed")


def _run(row: Document) -> PurgeRun:
    return PurgeRun(
        by=row["by"],
        older_than_days=int(row["olderThanDays"]),
        started_at=row["createdAt"],
        finished_at=row.get("finishedAt"),
        counts=PurgeCounts(**{name: int(row.get(name, 0)) for name in _COUNTS}),
    )
