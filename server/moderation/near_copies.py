"""Near copies of remembered images, found by an index in memory that follows the database.

The index may name what no longer holds, never what isn't there: each find is compared with its row
before it counts, so what one process forgets, all forget at once. What one process learns, the
others know within seconds. All there is is read in the background, once: of a million entries that
takes longer than an image can wait.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cloud.clock import utc_now
from cloud.moderation.items import State
from cloud.moderation.memory import NotReadYet
from ml_models.types import Fingerprint
from server.moderation import fingerprints
from server.moderation.last_read import LastRead
from server.storage.port import (
    All,
    ClassSchema,
    Compares,
    Condition,
    Document,
    Equals,
    Exists,
    ObjectStore,
    Order,
    Query,
    SortKey,
)

if TYPE_CHECKING:
    from server.moderation.hash_index import HashIndex

logger = logging.getLogger(__name__)

_REFRESH_EVERY_S = 3.0
# Rows are asked for by `updatedAt`, which the clock of another machine wrote, a while before the
# row could be seen here. Rows from further back are read once more each time.
_OVERLAP = timedelta(seconds=60)
# Small memories are read by then; an image that would wait longer comes again.
_FIRST_READ_PATIENCE_S = 2.0
_PAGE_SIZE = 5000
_COLUMNS = frozenset({"outcome", fingerprints.HASH, fingerprints.QUALITY})
# Whoever lists a hash without its quality vouches for it.
_BEST_QUALITY = 100


class NearCopies:
    """The fingerprints of one process; thread-safe.

    Fingerprints below `min_quality` are neither kept nor looked for: they say too little.
    """

    def __init__(
        self,
        objects: ObjectStore,
        schema: ClassSchema,
        *,
        max_distance: int,
        min_quality: int,
        refresh_every_s: float = _REFRESH_EVERY_S,
        page_size: int = _PAGE_SIZE,
        patience_s: float = _FIRST_READ_PATIENCE_S,
        now: Callable[[], datetime] = utc_now,
        measure_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects, self._schema = objects, schema
        self._max_distance, self._min_quality = max_distance, min_quality
        self._refresh_every_s, self._page_size = refresh_every_s, page_size
        self._indexes: dict[State, HashIndex] = {}
        self._patience_s, self._measure_s = patience_s, measure_s
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._first_read: Future[None] | None = None
        self._read_at = -math.inf
        self._last_read = LastRead(_OVERLAP, now=now, measure_s=measure_s)
        self._lately_added: dict[str, datetime] = {}

    def start(self) -> None:
        """Begin to read, unless begun; never blocks, never raises."""
        self._begun()

    def nearest(self, fingerprint: Fingerprint) -> tuple[Document, int] | None:
        """Return the entry of the nearest fingerprint, a rejection first, and the distance.

        Raises StoreUnavailable, and NotReadYet.
        """
        if fingerprint.quality < self._min_quality:
            return None
        self._refresh()
        for outcome in (State.REJECTED, State.APPROVED):
            found = self._nearest(fingerprint, outcome)
            if found is not None:
                return found
        return None

    def look_again(self) -> None:
        """Read what is new before the next search."""
        self._read_at = -math.inf

    def _nearest(self, fingerprint: Fingerprint, outcome: State) -> tuple[Document, int] | None:
        index = self._indexes.get(outcome)
        while index is not None:
            neighbour = index.nearest(fingerprint.pdq, self._max_distance)
            if neighbour is None:
                break
            row = self._objects.get(self._schema, neighbour.entry_id)
            if row is not None and row.get("active") and row.get("outcome") == outcome:
                distance = fingerprints.differing_bits(row[fingerprints.HASH], fingerprint.pdq)
                if distance == neighbour.distance:
                    return row, distance
            index.drop(neighbour)
        return None

    def _refresh(self) -> None:
        """Wait a little for all to be read, then read what is new. While one thread does, others
        use what there is."""
        try:
            self._begun().result(self._patience_s)
        except TimeoutError:
            raise NotReadYet("the remembered fingerprints are being read") from None
        if self._is_old() and self._refreshing.acquire(blocking=False):
            try:
                if self._is_old():
                    self._read()
            finally:
                self._refreshing.release()

    def _begun(self) -> "Future[None]":
        """Return the first read, which is begun anew if it failed; the thread ends with it."""
        with self._lock:
            first = self._first_read
            if first is None or (first.done() and first.exception() is not None):
                first = self._first_read = Future()
                work = threading.Thread(
                    target=self._read_first, args=(first,), name="fingerprints", daemon=True
                )
                work.start()
            return first

    def _read_first(self, first: "Future[None]") -> None:
        try:
            self._indexes = {}  # what an attempt that failed has read is read again
            self._read()
        except BaseException as error:  # whoever waits for it is told
            first.set_exception(error)
        else:
            first.set_result(None)

    def _is_old(self) -> bool:
        return self._measure_s() - self._read_at >= self._refresh_every_s

    def _read(self) -> None:
        started = self._last_read.begin()
        lately = self._last_read.lately(started)
        lately_added: dict[str, datetime] = {}
        for rows in self._pages(self._last_read.since(started)):
            self._add([row for row in rows if self._is_new(row) and self._is_telling(row)])
            late = [row for row in rows if row["updatedAt"] >= lately]
            lately_added |= {row["objectId"]: row["updatedAt"] for row in late}
        self._lately_added = lately_added
        self._last_read.end(started)
        self._read_at = started.measured_s

    def _pages(self, since: datetime | None) -> Iterator[list[Document]]:
        last = ""
        while True:
            parts: list[Condition] = [
                Equals("active", True),
                Exists(fingerprints.HASH, exists=True),
                Compares("objectId", Order.GREATER, last),
            ]
            if since is not None:
                parts.append(Compares("updatedAt", Order.GREATER_OR_EQUAL, since))
            query = Query(
                All(tuple(parts)),
                order=(SortKey("objectId"),),
                limit=self._page_size,
                columns=_COLUMNS,
            )
            rows = self._objects.find(self._schema, query)
            yield rows
            if len(rows) < self._page_size:
                return
            last = rows[-1]["objectId"]

    def _is_new(self, row: Document) -> bool:
        updated_at: datetime = row["updatedAt"]
        return self._lately_added.get(row["objectId"]) != updated_at

    def _is_telling(self, row: Document) -> bool:
        try:
            fingerprint = Fingerprint(
                row[fingerprints.HASH], int(row.get(fingerprints.QUALITY, _BEST_QUALITY))
            )
        except ValueError as error:  # written past our rules; no reason to forget the others
            logger.warning("the entry %s is of no use: %s", row["objectId"], error)
            return False
        return fingerprint.quality >= self._min_quality

    def _add(self, rows: list[Document]) -> None:
        for outcome in (State.REJECTED, State.APPROVED):
            chosen = [row for row in rows if row["outcome"] == outcome]
            if chosen:
                ids = [row["objectId"] for row in chosen]
                self._index(outcome).add(ids, [row[fingerprints.HASH] for row in chosen])

    def _index(self, outcome: State) -> "HashIndex":
        # Imported by now: a process that remembers no fingerprint does without numpy's 25 MB.
        from server.moderation.hash_index import HashIndex

        if outcome not in self._indexes:
            self._indexes[outcome] = HashIndex()
        return self._indexes[outcome]
