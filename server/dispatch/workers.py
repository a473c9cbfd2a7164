"""Which workers live: each says so in the database, which it shares with the servers.

The broker could not tell: Redis counts no consumers, and Celery's remote control, which could be
asked, could also end workers.
"""

import logging
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Operation, Set
from server.objects.declaration import Declaration
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY, column_types
from server.storage.port import ClassSchema, Compares, Database, Equals, Order, Query

logger = logging.getLogger(__name__)

WORKER = ClassSchema(
    "ModerationWorker",
    column_types(host="String", threads="Number", seenAt="Date"),
    permissions=NOBODY,
)
TELL_EVERY_S = 15.0
# Three times what is usual, so that a slow database makes nobody dead.
_ALIVE_FOR = timedelta(seconds=45)
_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Workers:
    """Those that live, and when any was heard of last, within a day."""

    alive: int
    heard_at: datetime | None


class WorkerBook:
    """Who works, as they say themselves; raises StoreUnavailable."""

    def __init__(
        self, database: Database, schemas: Schemas, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._objects, self._now = database.objects, now
        self._declare = Declaration(database.objects, schemas, (WORKER, []))

    def tell(self, worker_id: str, threads: int) -> None:
        """Note that a worker lives."""
        self._declare()
        now = self._now()
        told: dict[str, Operation] = {"seenAt": Set(now), "updatedAt": Set(now)}
        if self._objects.update(WORKER, Equals("objectId", worker_id), told) is None:
            self._forget_the_dead(now)
            row = {"objectId": worker_id, "createdAt": now, "updatedAt": now, "ACL": {}}
            row |= {"host": platform.node(), "threads": threads, "seenAt": now}
            self._objects.insert(WORKER, row)

    def leave(self, worker_id: str) -> None:
        """Note that a worker has ended."""
        self._objects.delete(WORKER, Equals("objectId", worker_id))

    def read(self) -> Workers:
        """Say who lives."""
        self._declare()
        rows = self._objects.find(WORKER, Query(columns=frozenset({"seenAt"})))
        seen = [row["seenAt"] for row in rows]
        alive = sum(self._now() - at < _ALIVE_FOR for at in seen)
        return Workers(alive, max(seen, default=None))

    def _forget_the_dead(self, now: datetime) -> None:
        self._objects.delete(WORKER, Compares("seenAt", Order.LESS, now - _KEPT_FOR))


class Pulse:
    """Tells the book of one worker, in a thread, for as long as its event loop turns."""

    def __init__(self, book: WorkerBook, threads: int, *, every_s: float = TELL_EVERY_S) -> None:
        self._book, self._threads, self._every_s = book, threads, every_s
        self._id = new_object_id()
        self._has_turned, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to listen for turns."""
        self._thread.start()

    def turned(self) -> None:
        """Note a turn of the event loop; reaches out to nothing, so it takes no time."""
        self._has_turned.set()

    def close(self) -> None:
        """Tell the book that the worker has ended."""
        self._stopped.set()
        self._has_turned.set()
        self._thread.join()
        try:
            self._book.leave(self._id)
        except StoreUnavailable as error:
            logger.warning("the database was not told that this worker ends: %s", error)

    def _run(self) -> None:
        while self._has_turned.wait() and not self._stopped.is_set():
            self._has_turned.clear()
            try:
                self._book.tell(self._id, self._threads)
            except StoreUnavailable as error:
                logger.warning("the database was not told that this worker lives: %s", error)
            self._stopped.wait(self._every_s)
