"""Items processed by threads of this process."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.pipeline import ModerationPipeline
from server.dispatch.swept import SWEEP_EVERY_S
from server.rounds import Rounds
from server.telemetry.logs import current_request_id, working_for

logger = logging.getLogger(__name__)

# What waits here beyond these is left in the database, to be swept up when these are done.
_MAX_QUEUED = 100


class LocalDispatch:
    """The SweptDispatch on threads."""

    def __init__(
        self, pipeline: ModerationPipeline, *, threads: int, sweep_every_s: float = SWEEP_EVERY_S
    ) -> None:
        self._pipeline = pipeline
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="moderation")
        self._queued: set[str] = set()
        self._left_some = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sweeper = Rounds("sweeper", self._sweep, every_s=sweep_every_s)

    def submit(self, item_id: str) -> None:
        """See the protocol."""
        with self._lock:
            if self._closing.is_set() or item_id in self._queued:
                return
            if len(self._queued) >= _MAX_QUEUED:
                self._left_some = True
                return
            self._queued.add(item_id)
            self._pool.submit(self._process, item_id, current_request_id())

    def start_sweeping(self) -> None:
        """See the protocol."""
        self._sweeper.start()

    def close(self) -> None:
        """See the protocol."""
        with self._lock:
            self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sweeper.close()

    def _process(self, item_id: str, request_id: str | None) -> None:
        try:
            with working_for(request_id):
                self._pipeline.process(item_id)
        except StoreUnavailable as error:
            logger.warning("item %s waits for the database: %s", item_id, error)
        except Exception:  # the worker loop: the item stays pending and comes again
            logger.exception("item %s could not be processed", item_id)
        finally:
            self._done(item_id)

    def _done(self, item_id: str) -> None:
        """Take up at once what was left for lack of room; should that fail, the sweeper comes."""
        with self._lock:
            self._queued.discard(item_id)
            if self._left_some and not self._queued and not self._closing.is_set():
                self._left_some = False
                self._pool.submit(self._sweep)

    def _sweep(self) -> None:
        for item_id in self._pipeline.sweep(2 * _MAX_QUEUED):
            self.submit(item_id)
