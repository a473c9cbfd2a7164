"""Items with the same image, or nearly the same, among all there are.

What pictures are known by is read into memory at the first search, a second for each 200,000 items;
later searches read what was decided since. A find is compared with its row before it counts, so
what was removed meanwhile is not found.
"""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from admin.ports.history import Found, ImagePrint, Search
from cloud.clock import utc_now
from ml_models.types import Fingerprint
from server.moderation import fingerprints
from server.moderation.history_indexes import BY_DECISION
from server.moderation.item_columns import readable
from server.moderation.items import ITEM
from server.moderation.last_read import LastRead
from server.panel.searching import ItemSearch, found
from server.storage.port import (
    EVERYTHING,
    Compares,
    Document,
    Equals,
    ObjectStore,
    Order,
    Query,
    SortKey,
)

if TYPE_CHECKING:
    from server.moderation.hash_index import HashIndex

_READ = ("objectId", fingerprints.HASH, fingerprints.QUALITY)
_BATCH = 10_000
# What another machine, whose clock is behind, decided may be seen here only later.
_OVERLAP = timedelta(seconds=60)
# Of more near copies than these only the nearest are looked at; the same bytes are all found.
_MOST_NEAR = 1_000
_MOST_SAME = 1_000


class ItemCopies:
    """The pictures of all items in one process's memory; thread-safe. Raises StoreUnavailable."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        max_distance: int,
        min_quality: int,
        now: Callable[[], datetime] = utc_now,
        measure_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects, self._search = objects, ItemSearch(objects)
        self._max_distance, self._min_quality = max_distance, min_quality
        self._index: HashIndex | None = None
        self._last_read = LastRead(_OVERLAP, now=now, measure_s=measure_s)
        self._lately_added: dict[str, datetime] = {}
        self._reading = threading.Lock()

    def tells(self, fingerprint: Fingerprint) -> bool:
        """Whether a picture shows enough to be known again by it."""
        return fingerprint.quality >= self._min_quality

    def of(self, wanted: ImagePrint, search: Search, limit: int) -> list[Found]:
        """Return items of the same image and of near copies, the nearest first."""
        distances = self._near(wanted.pdq) if wanted.pdq is not None else {}
        rows = {row["objectId"]: row for row in self._search.among(list(distances), search)}
        if wanted.content_sha256 is not None:
            rows |= self._same_bytes(wanted.content_sha256, search)
        copies = [
            copy
            for copy in readable(lambda row: found(row, _distance(row, wanted)), rows.values())
            if (copy.distance or 0) <= self._max_distance
        ]
        copies.sort(key=lambda copy: copy.item.created_at, reverse=True)
        return sorted(copies, key=lambda copy: copy.distance or 0)[:limit]

    def _same_bytes(self, content_sha256: str, search: Search) -> dict[str, Document]:
        query = Query(Equals("contentSha256", content_sha256), limit=_MOST_SAME)
        ids = [row["objectId"] for row in self._objects.find(ITEM, query)]
        return {row["objectId"]: row for row in self._search.among(ids, search)}

    def _near(self, pdq: str) -> dict[str, int]:
        index = self._up_to_date()
        neighbours = index.within(pdq, self._max_distance, _MOST_NEAR)
        return {each.entry_id: each.distance for each in reversed(neighbours)}

    def _up_to_date(self) -> "HashIndex":
        with self._reading:
            started = self._last_read.begin()
            since = self._last_read.since(started)
            if self._index is None or since is None:
                self._index = self._read_all()
            else:
                self._add_later(self._index, since)
            self._last_read.end(started)
            return self._index

    def _read_all(self) -> "HashIndex":
        # Imported by now: a process that is never asked does without numpy's 25 MB.
        from server.moderation.hash_index import HashIndex

        index = HashIndex()
        self._add(index, self._objects.values(ITEM, _READ, EVERYTHING))
        return index

    def _add_later(self, index: "HashIndex", since: datetime) -> None:
        """Add what was decided since; what lay within the overlap the last time is there."""
        query = Query(
            Compares("decidedAt", Order.GREATER_OR_EQUAL, since),
            order=(SortKey("decidedAt"),),
            columns=frozenset({"decidedAt", *_READ[1:]}),
            index=BY_DECISION,
        )
        rows = self._objects.find(ITEM, query)
        new = [r for r in rows if self._lately_added.get(r["objectId"]) != r["decidedAt"]]
        self._add(index, (tuple(row.get(name) for name in _READ) for row in new))
        self._lately_added = {row["objectId"]: row["decidedAt"] for row in rows}

    def _add(self, index: "HashIndex", rows: Iterable[tuple[Any, ...]]) -> None:
        ids, hashes = [], []
        for item_id, pdq, quality in rows:
            if self._is_telling(pdq, quality):
                ids.append(item_id)
                hashes.append(pdq)
            if len(ids) == _BATCH:
                index.add(ids, hashes)
                ids, hashes = [], []
        if ids:
            index.add(ids, hashes)

    def _is_telling(self, pdq: Any, quality: Any) -> bool:
        if pdq is None or quality is None:
            return False
        try:
            return self.tells(Fingerprint(pdq, int(quality)))
        except (TypeError, ValueError):  # written past our rules; no reason to lose the others
            return False


def _distance(row: Document, wanted: ImagePrint) -> int:
    """How many bits differ; all of them where there is nothing to compare."""
    if _has_same_bytes(row, wanted):
        return 0
    pdq = row.get(fingerprints.HASH)
    if wanted.pdq is None or not isinstance(pdq, str):
        return 256
    return fingerprints.differing_bits(pdq, wanted.pdq)


def _has_same_bytes(row: Document, wanted: ImagePrint) -> bool:
    sha256 = wanted.content_sha256
    return sha256 is not None and row.get("contentSha256") == sha256
