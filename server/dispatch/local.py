"""Items processed by threads of this process, and the sweeper that brings back what was lost."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.pipeline import ModerationPipeline

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S = 2.0
# What waits here beyond these is left to the sweeper, which asks the database for it.
_MAX_QUEUED = 100


class LocalDispatch:
    """The Dispatch port on threads; make it after forking, and close it."""

    def __init__(
        self, pipeline: ModerationPipeline, *, threads: int, sweep_every_s: float = _SWEEP_EVERY_S
    ) -> None:
        self._pipeline = pipeline
        self._sweep_every_s = sweep_every_s
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="moderation")
        self._queued: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._sweeper: threading.Thread | None = None

    def submit(self, item_id: str) -> None:
        """See the port."""
        with self._lock:
            if self._closing.is_set() or item_id in self._queued:
                return
            if len(self._queued) >= _MAX_QUEUED:
                return
            self._queued.add(item_id)
            self._pool.submit(self._process, item_id)

    def start_sweeping(self) -> None:
        """Bring back what is pending past its lease, and settle what is unsettled, from now on."""
        with self._lock:
            if self._sweeper is None and not self._closing.is_set():
                self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)
                self._sweeper.start()

    def close(self) -> None:
        """Take nothing more and let what runs come to its end."""
        with self._lock:
            self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._sweeper is not None:
            self._sweeper.join()

    def _process(self, item_id: str) -> None:
        try:
            self._pipeline.process(item_id)
        except StoreUnavailable as error:
            logger.warning("item %s waits for the database: %s", item_id, error)
        except Exception:  # the worker loop: the item stays pending and comes again
            logger.exception("item %s could not be processed", item_id)
        finally:
            with self._lock:
                self._queued.discard(item_id)

    def _sweep(self) -> None:
        while not self._closing.wait(self._sweep_every_s):
            try:
                for item_id in self._pipeline.sweep(_MAX_QUEUED):
                    self.submit(item_id)
            except StoreUnavailable as error:
                logger.warning("the sweeper waits for the database: %s", error)
            except Exception:  # the worker loop: the next round may go better
                logger.exception("the sweep failed")
