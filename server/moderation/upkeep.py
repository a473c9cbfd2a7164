"""What would grow for ever though nobody needs it for long, whether decisions are purged or not.

The memory's matches are counted over an hour. The log of deliveries is read when a receiver missed
something. How much moderators looked at is their own business, and of use for some weeks. Rows that
are no decision's record, in a database whose records are kept for good.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from cloud.clock import utc_now
from server.moderation.aged_rows import DELIVERIES_BY_AGE, MATCHES_BY_AGE, AgedRows
from server.moderation.memory import MATCH
from server.objects.schemas import Schemas
from server.panel.exposure import BY_AGE as VIEWS_BY_AGE
from server.panel.exposure import SCHEMA as VIEWS
from server.storage.port import ClassSchema, Database, Index
from server.webhooks.deliveries import SCHEMA as DELIVERY

logger = logging.getLogger(__name__)

_MATCHES_KEPT = timedelta(days=1)
_VIEWS_KEPT = timedelta(days=90)


class Upkeep:
    """Removes such rows; thread-safe, and safe beside other processes."""

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        webhook_log_days: int,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._objects, self._schemas = database.objects, schemas
        self._deliveries_kept = timedelta(webhook_log_days)
        self._rows, self._now = AgedRows(database.objects), now

    def steps(self) -> Iterator[None]:
        """Remove what is too old, page by page; whoever stops asking has it end there.

        Raises StoreUnavailable.
        """
        now = self._now()
        if self._is_there(MATCH, MATCHES_BY_AGE):
            yield from _logged("matches", self._rows.matches(now - _MATCHES_KEPT))
        if self._is_there(VIEWS, VIEWS_BY_AGE):
            yield from _logged("days of moderators", self._rows.views(now - _VIEWS_KEPT))
        if self._is_there(DELIVERY, DELIVERIES_BY_AGE):
            cutoff = now - self._deliveries_kept
            removed = self._rows.deliveries(cutoff, abandoned_too=False)
            yield from _logged("webhook deliveries", removed)

    def _is_there(self, schema: ClassSchema, index: Index) -> bool:
        """Whoever has no such rows pays for no index."""
        if self._schemas.find(schema.class_name) is None:
            return False
        self._objects.ensure_index(schema, index)
        return True


def _logged(what: str, removed: Iterator[int]) -> Iterator[None]:
    total = 0
    for number in removed:
        total += number
        yield
    if total:
        logger.info("removed %d old %s", total, what)
