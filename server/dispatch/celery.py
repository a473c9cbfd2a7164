"""Items told to worker processes, on any machine, through a broker; Celery does the carrying.

A message is a hint that an item is due. What has to be done stands in the database, so messages may
be lost, doubled or late: the item's lease lets one worker have it, and the sweeper sends it again.
The process that consumes them is `server/worker.py`.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from celery import Celery, Task
from kombu.exceptions import OperationalError

from cloud.moderation.pipeline import ModerationPipeline
from server.dispatch.swept import SWEEP_EVERY_S
from server.rounds import Rounds
from server.telemetry.logs import current_request_id, working_for

logger = logging.getLogger(__name__)

_QUEUE = "parsewarden.moderation"
_PROCESS = "parsewarden.process_item"
_REQUEST_ID = "parsewarden_request_id"
# So many messages wait in the broker at most, give or take the web processes; further items wait in
# the database. It bounds the broker's memory, and what is sent twice, when no worker comes.
_MAX_WAITING = 1000
# What was sent is not sent again for so long, unless the queue was seen empty since.
_SEND_AGAIN_AFTER_S = 10.0
# Longer than an item's lease: what comes back while another worker has the item would be no use.
_REDELIVER_AFTER_S = 120
# A broker that hangs is tried a few times over; closing, too, waits for that.
_CONNECT_LIMIT_S, _ANSWER_LIMIT_S = 2, 3


def broker_app(broker_url: str) -> Celery:
    """Make the Celery app that both sides use. Reaches out to nothing."""
    app = Celery("parsewarden", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=_QUEUE,
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        # Acknowledged when done, one for each thread: a busy worker holds back nothing that an
        # idle one could do.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_CONNECT_LIMIT_S,
    )
    app.conf.update(_carrier_options(broker_url))
    return app


def process_with(app: Celery, process: Callable[[str], None], **options: Any) -> None:
    """Have the app's worker call `process` with the id of each item that it is told of.

    The options are those of a Celery task.
    """

    def process_item(task: Task, item_id: object) -> None:
        with working_for((task.request.headers or {}).get(_REQUEST_ID)):
            process(str(item_id))

    app.task(process_item, bind=True, name=_PROCESS, **options)


def messages_waiting(broker_url: str) -> int | None:
    """Ask the broker how many messages wait for a worker; None, after seconds, if it is away."""
    with broker_app(broker_url) as app, app.connection_for_write() as connection:
        try:
            with connection.channel() as channel:
                queue = app.amqp.queues[_QUEUE].queue_declare(channel=channel)
        except connection.connection_errors + connection.channel_errors:
            return None
        waiting: int = queue.message_count
        return waiting


def _carrier_options(broker_url: str) -> dict[str, Any]:
    """What the two brokers are told differently: limits of time, and that TLS is to be verified."""
    url = urlsplit(broker_url)
    if url.scheme.startswith("redis"):
        tls: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
        times = {
            "visibility_timeout": _REDELIVER_AFTER_S,
            "socket_connect_timeout": _CONNECT_LIMIT_S,
            "socket_timeout": _ANSWER_LIMIT_S,
        }
    else:
        tls = {"server_hostname": url.hostname}
        times = {"read_timeout": _ANSWER_LIMIT_S, "write_timeout": _ANSWER_LIMIT_S}
    is_secure = url.scheme in ("rediss", "amqps")
    return {"broker_transport_options": times, "broker_use_ssl": tls if is_secure else False}


class CeleryDispatch:
    """The SweptDispatch on a broker.

    One thread does the sending, so that a save never waits for the broker. It sends while the
    sweeper finds the broker there and not full; an item that is not sent is swept up later.
    """

    def __init__(
        self, pipeline: ModerationPipeline, broker_url: str, *, sweep_every_s: float = SWEEP_EVERY_S
    ) -> None:
        self._pipeline = pipeline
        self._app = broker_app(broker_url)
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="sender")
        self._sweeper = Rounds("sweeper", self._sweep, every_s=sweep_every_s)
        self._lock = threading.Lock()
        self._closed = self._is_away = False
        self._room = _MAX_WAITING
        self._submitted = self._handled = 0  # the rest is still to be sent
        self._sent: set[str] = set()
        self._sent_since = time.monotonic()

    def submit(self, item_id: str) -> None:
        """See the protocol."""
        with self._lock:
            if self._closed or self._is_away or self._room <= 0 or item_id in self._sent:
                return
            self._room -= 1
            self._submitted += 1
            self._sent.add(item_id)
            self._sender.submit(self._send, item_id, current_request_id())

    def start_sweeping(self) -> None:
        """See the protocol."""
        self._sweeper.start()

    def close(self) -> None:
        """Take nothing more; what is not sent yet is left to the next process's sweeper."""
        with self._lock:
            self._closed = True
        self._sender.shutdown(wait=True, cancel_futures=True)
        self._sweeper.close()
        self._app.close()

    def _send(self, item_id: str, request_id: str | None) -> None:
        try:
            if not self._is_away:
                self._send_now(item_id, request_id)
        finally:
            with self._lock:
                self._handled += 1

    def _send_now(self, item_id: str, request_id: str | None) -> None:
        try:
            self._app.send_task(
                _PROCESS,
                (item_id,),
                headers={_REQUEST_ID: request_id},
                # Once more at once: the first may meet a connection that the broker has closed.
                retry=True,
                retry_policy={"max_retries": 1, "interval_start": 0},
            )
        except OperationalError as error:
            self._lost(error)
        except Exception:  # the worker loop: the item stays pending and comes again
            logger.exception("item %s could not be sent to the broker", item_id)

    def _sweep(self) -> None:
        self._look()
        for item_id in self._pipeline.sweep(_MAX_WAITING):
            self.submit(item_id)

    def _look(self) -> None:
        """Ask the broker how many messages wait for a worker."""
        with self._lock:
            handled = self._handled  # what is sent while it counts may be in its count or not
        with self._app.connection_for_write() as connection:
            try:
                with connection.channel() as channel:
                    queue = self._app.amqp.queues[_QUEUE].queue_declare(channel=channel)
            except connection.connection_errors + connection.channel_errors as error:
                self._lost(error)
            else:
                self._found(queue.message_count, handled)

    def _lost(self, error: Exception) -> None:
        with self._lock:
            if not self._is_away:
                logger.warning("the broker is away, items wait in the database: %s", error)
            self._is_away = True

    def _found(self, waiting: int, handled: int) -> None:
        with self._lock:
            if self._is_away:
                logger.info("the broker is back")
            is_long_ago = time.monotonic() - self._sent_since > _SEND_AGAIN_AFTER_S
            if waiting == 0 or is_long_ago:
                self._sent.clear()
                self._sent_since = time.monotonic()
            self._is_away = False
            self._room = _MAX_WAITING - waiting - (self._submitted - handled)
