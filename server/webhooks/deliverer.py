"""Delivers what was announced: one thread that looks for it, and a few senders per receiver.

A dead receiver holds up its own senders and nobody else's. Leases keep processes apart, so that a
delivery is sent twice only where a process ended, or a lease ran out, in the middle of one.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from cloud.clock import utc_now
from cloud.moderation.errors import FetchError, StoreUnavailable
from cloud.moderation.webhooks import wait_after
from server.rounds import Rounds
from server.webhooks.deliveries import Delivery, StoredDeliveries
from server.webhooks.receivers import Receiver
from server.webhooks.sender import SignedSender

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_SENDERS = 4
# What waits for a receiver's senders beyond these stays in the database.
_MAX_QUEUED = 100
# Far above the time that one post may take.
_LEASE = timedelta(seconds=60)


class Deliverer:
    """Sends the deliveries of one process; make it after forking, and close it."""

    def __init__(
        self, queues: Sequence["DeliveryQueue"], *, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._queues = tuple(queues)
        self._rounds = Rounds("webhooks", self._look, every_s=look_every_s)

    def start(self) -> None:
        """Deliver in the background from now on; without receivers there is nothing to start."""
        if self._queues:
            self._rounds.start()

    def close(self) -> None:
        """Send nothing more and let what is on its way come to its end."""
        self._rounds.close()
        for queue in self._queues:
            queue.close()

    def _look(self) -> None:
        for queue in self._queues:
            _guarded("webhooks are looked for again shortly", queue.submit_due)


class DeliveryQueue:
    """The deliveries of one receiver, and the threads that send them."""

    def __init__(
        self,
        deliveries: StoredDeliveries,
        receiver: Receiver,
        sender: SignedSender,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._deliveries, self._receiver = deliveries, receiver
        self._sender, self._now = sender, now
        self._pool = ThreadPoolExecutor(_SENDERS, thread_name_prefix="webhook")
        self._queued: set[str] = set()
        self._lock = threading.Lock()

    def submit_due(self) -> None:
        """Hand what is due to the senders. Raises StoreUnavailable."""
        due = self._deliveries.due(self._receiver.shown, self._now(), _MAX_QUEUED)
        with self._lock:
            new = [delivery_id for delivery_id in due if delivery_id not in self._queued]
            new = new[: _MAX_QUEUED - len(self._queued)]
            self._queued.update(new)
        for delivery_id in new:
            self._pool.submit(self._deliver_queued, delivery_id)

    def deliver(self, delivery_id: str) -> None:
        """Make one attempt, unless somebody else makes it. Raises StoreUnavailable."""
        now = self._now()
        delivery = self._deliveries.lease(delivery_id, now, now + _LEASE)
        if delivery is None:
            return
        try:
            status = self._sender.send(delivery, now)
        except FetchError as error:
            self._failed(delivery, None, str(error))
            return
        except Exception as error:  # the worker loop: it counts, or it would be tried for ever
            # No more than where and of what kind: the error's text could hold the URL's query.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("webhook %s could not be sent:\n%s", delivery_id, where)
            self._failed(delivery, None, f"it could not be sent: {type(error).__name__}")
            return
        if 200 <= status < 300:
            self._deliveries.delivered(delivery, status, self._now())
        else:
            self._failed(delivery, status, _sentence(status))

    def close(self) -> None:
        """Take nothing more and let what is being sent come to its end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _deliver_queued(self, delivery_id: str) -> None:
        try:
            _guarded(
                f"webhook {delivery_id} comes again after its lease",
                lambda: self.deliver(delivery_id),
            )
        finally:
            with self._lock:
                self._queued.discard(delivery_id)

    def _failed(self, delivery: Delivery, status: int | None, problem: str) -> None:
        now, wait = self._now(), wait_after(delivery.attempts)
        if wait is None:
            problem = f"given up after {delivery.attempts} attempts: {problem}"
        again_at = None if wait is None else now + wait
        self._deliveries.failed(delivery, status, problem, now, again_at)
        logger.warning(
            "webhook %s to %s failed, attempt %d, %s: %s",
            delivery.delivery_id,
            delivery.url,
            delivery.attempts,
            f"again in {wait}" if wait else "the last",
            problem,
        )


def _sentence(status: int) -> str:
    if 300 <= status < 400:
        return f"the receiver answered {status}, and redirects are not followed"
    return f"the receiver answered {status}"


def _guarded(consequence: str, step: Callable[[], None]) -> None:
    try:
        step()
    except StoreUnavailable as error:
        logger.warning("%s, once the database is back: %s", consequence, error)
    except Exception:  # the worker loop: the next round may go better
        logger.exception("%s", consequence)
