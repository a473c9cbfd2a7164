"""The worker process: judges items that a server tells of through the broker, and serves nothing.

One process for each machine: its threads wait for classifier processes, one for each permit, which
do the work, have a limit of time and are replaced when they crash. What is lost on the way is none
of its business: the servers sweep.
"""

import logging
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from celery import Celery, bootsteps
from celery.worker import WorkController, state
from celery.worker.request import Request

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.pipeline import ModerationPipeline
from config import Settings, SettingsError
from server.dispatch.celery import broker_app, process_with
from server.dispatch.workers import Pulse, WorkerBook
from server.env_file import warn_of_neglected
from server.malloc import keep_memory
from server.sole_instance import is_served
from server.wiring import check_settings, make_services

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0


def work(settings: Settings, heartbeat: Path | None) -> int:
    """Judge items until told to stop, then finish those begun; returns the exit status.

    The heartbeat file is touched every HEARTBEAT_S while the broker is there. Raises SettingsError.
    """
    _check(settings)
    warn_of_neglected()
    keep_memory()
    services = make_services(settings.model_copy(update={"web_workers": 1}))
    services.warm_up()
    if settings.worker_metrics_port:
        services.telemetry.metrics.serve(settings.bind_host, settings.worker_metrics_port)
    app = broker_app(settings.celery_broker_url)
    process_with(app, lambda item_id: _process(services.pipeline, item_id), Request=_InHand)
    pulse = Pulse(WorkerBook(services.database, services.schemas), settings.classify_permits)
    status = _consume(app, settings.classify_permits, pulse, heartbeat)
    services.close()
    return status


def _check(settings: Settings) -> None:
    if not settings.celery_broker_url:
        raise SettingsError(
            "CELERY_BROKER_URL is not set: a worker hears of images through the Redis or RabbitMQ "
            "that it names; without one the server judges them itself"
        )
    if not settings.database_uri and not is_served(settings.data_dir):
        raise SettingsError(
            f"DATABASE_URI is not set, and no server is running on {settings.data_dir.resolve()} "
            "on this machine: start it first, or set the DATABASE_URI of a MongoDB, which workers "
            "on other machines need"
        )
    check_settings(settings)


def _process(pipeline: ModerationPipeline, item_id: str) -> None:
    try:
        pipeline.process(item_id)
    except StoreUnavailable as error:
        logger.warning("item %s waits for the database: %s", item_id, error)


def _consume(app: Celery, threads: int, pulse: Pulse, heartbeat: Path | None) -> int:
    """Run Celery's worker until SIGTERM or SIGINT; returns its exit status."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)  # two lines for each message
    app.steps["consumer"].add(_Heartbeat)
    worker = WorkController(
        app=app,
        pool_cls="threads",
        concurrency=threads,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        pulse=pulse,
        heartbeat_file=heartbeat,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    logger.info("judging up to %d images at once", threads)
    pulse.start()
    worker.start()
    pulse.close()
    return int(worker.exitcode or 0)


class _InHand(Request):  # type: ignore[misc]  # Celery carries no types
    """A message in a thread's hands. That it cannot be acknowledged means a lost connection.

    Celery by itself logs that, and counts the message as in hand for good. With as many of them as
    threads it asks a Redis for nothing more, and so never learns that there is another by now.
    """

    def __init__(self, message: Any, **options: Any) -> None:
        # None of the errors is caught, so that they reach the event loop, which connects anew.
        super().__init__(message, **{**options, "connection_errors": ()})


def _stop(_number: int, _frame: FrameType | None) -> None:
    state.should_stop = 0  # the exit status; Celery looks about once a second


class _Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery carries no types
    """Beats while Celery's event loop turns, which it does not without a broker: tells the pulse,
    and touches a file where there is to be one."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(
        self, consumer: Any, pulse: Pulse, heartbeat_file: Path | None, **options: Any
    ) -> None:
        super().__init__(consumer, **options)
        self._pulse, self._file = pulse, heartbeat_file

    def start(self, consumer: Any) -> None:
        self._beat()
        self._timer = consumer.timer.call_repeatedly(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        self._pulse.turned()
        if self._file is not None:
            self._file.touch()

    def stop(self, _consumer: Any) -> None:
        self._timer.cancel()
