"""Runs jobs in the background and keeps their status, a row of `_JobStatus` as Parse Server's.

While a job runs, its process renews the row's `updatedAt`. A row that nobody renews belongs to a
process that has ended, and any process marks it as failed; so no job runs for ever on paper.
"""

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from typing import Any

from cloud.clock import utc_now
from cloud.code import Definition, JobRequest, RequestContext
from cloud.errors import CloudError
from cloud.moderation.errors import ModerationError, StoreUnavailable
from cloud.operations import Operation, Set
from cloud.running import run_job
from ml_models.errors import MlModelsError
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.parse.errors import REQUEST_LIMIT_EXCEEDED, ParseError, as_parse_error
from server.rounds import Rounds
from server.storage.port import All, Compares, Database, Equals, Order

logger = logging.getLogger(__name__)

_THREADS = 2
# At once, the waiting ones included.
_MAX_JOBS = 50
_RENEW_S = 15.0
# Far above the interval and above the difference of two machines' clocks.
_LOST_AFTER = timedelta(seconds=120)
# Parse Server writes 1970 as its jobs' `updatedAt`; whether those still run, we cannot know.
_BEFORE_US = datetime(2000, 1, 1, tzinfo=UTC)
_LOST = "The server that ran this job ended before it was done."
_STOPPED = "The server was stopped before this job was done."


class JobRunner:
    """Runs the jobs of one process; thread-safe. Make it after forking, and close it."""

    def __init__(self, database: Database, schemas: Schemas, *, renew_s: float = _RENEW_S) -> None:
        self._database, self._schemas = database, schemas
        self._renew_s = renew_s
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="job")
        self._slots = threading.BoundedSemaphore(_MAX_JOBS)
        self._running: dict[str, Future[None]] = {}
        self._closing = threading.Event()
        self._rounds = Rounds("jobs", self._look_after, every_s=renew_s, at_once=True)
        self._lock = threading.Lock()

    def start(
        self,
        job: Definition,
        name: str,
        params: dict[str, Any],
        context: RequestContext,
        *,
        source: str = "api",
    ) -> str:
        """Start a job and return the objectId of its status, which is written by then.

        `source` says who asked for it: "api", or "schedule".

        Raises ParseError 155 when as many jobs as allowed run or wait, and StoreUnavailable.
        """
        if self._closing.is_set() or not self._slots.acquire(blocking=False):
            raise ParseError(REQUEST_LIMIT_EXCEEDED, "Too many jobs are running. Try again later.")
        job_id = new_object_id()
        try:
            self._insert(job_id, name, params, source)
        except BaseException:
            self._slots.release()
            raise
        request = JobRequest.of(
            context,
            job_name=name,
            job_id=job_id,
            params=params,
            message=lambda text: self._note(job_id, text),
        )
        self._submit(job, request)
        self.watch()
        return job_id

    def watch(self) -> None:
        """Renew what runs here and mark what ended elsewhere, in the background from now on."""
        self._rounds.start()

    def close(self, grace_s: float = 5.0) -> None:
        """Take no more jobs, wait a moment for those that run, and mark the rest as failed."""
        with self._lock:
            self._closing.set()
            running = dict(self._running)
            self._pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in running.values() if not future.cancelled()], grace_s)
        for job_id, future in running.items():
            if future.cancelled() or not future.done():
                self._finish(job_id, "failed", _STOPPED)
        self._rounds.close()

    def fail_lost_jobs(self) -> None:
        """Mark the jobs of processes that have ended. Raises StoreUnavailable."""
        schema = self._schemas.ensure("_JobStatus")
        lost = All(
            (
                Equals("status", "running"),
                Compares("updatedAt", Order.LESS, utc_now() - _LOST_AFTER),
                Compares("updatedAt", Order.GREATER, _BEFORE_US),
            )
        )
        failure = _final("failed", _LOST)
        while self._database.objects.update(schema, lost, failure) is not None:
            logger.warning("a job's server has ended; the job is marked as failed")

    def _insert(self, job_id: str, name: str, params: Mapping[str, Any], source: str) -> None:
        now = utc_now()
        row = {
            "objectId": job_id,
            "createdAt": now,
            "updatedAt": now,
            "jobName": name,
            "source": source,
            "status": "running",
            "ACL": {},
        }
        if params:
            row["params"] = params
        self._database.objects.insert(self._schemas.ensure("_JobStatus"), row)

    def _submit(self, job: Definition, request: JobRequest) -> None:
        with self._lock:
            if not self._closing.is_set():
                future = self._pool.submit(self._run, job, request)
                self._running[request.job_id] = future
                future.add_done_callback(lambda _: self._forget(request.job_id))
                return
        self._slots.release()
        self._finish(request.job_id, "failed", _STOPPED)

    def _forget(self, job_id: str) -> None:
        self._running.pop(job_id, None)
        self._slots.release()

    def _run(self, job: Definition, request: JobRequest) -> None:
        try:
            result = run_job(job, request)
        except (CloudError, ModerationError, MlModelsError) as error:
            logger.warning("job %s %s failed: %s", request.job_name, request.job_id, error)
            answer = as_parse_error(error)
            self._finish(request.job_id, "failed", answer.message if answer else None)
        else:
            message = result if isinstance(result, str) else None
            self._finish(request.job_id, "succeeded", message)

    def _finish(self, job_id: str, status: str, message: str | None) -> None:
        """Write how the job ended; while the database is away, keep trying until closed."""
        while True:
            try:
                self._update(job_id, _final(status, message))
                return
            except StoreUnavailable as error:
                logger.warning("job %s %s, but that cannot be written: %s", job_id, status, error)
            if self._closing.wait(self._renew_s):
                return

    def _note(self, job_id: str, message: str) -> None:
        try:
            self._update(job_id, {"message": Set(str(message)), "updatedAt": Set(utc_now())})
        except StoreUnavailable as error:  # no reason for the job itself to fail
            logger.warning("the message of job %s cannot be written: %s", job_id, error)

    def _update(self, job_id: str, changes: Mapping[str, Operation]) -> None:
        schema = self._schemas.ensure("_JobStatus")
        self._database.objects.update(schema, Equals("objectId", job_id), changes)

    def _look_after(self) -> None:
        for job_id in list(self._running):
            self._update(job_id, {"updatedAt": Set(utc_now())})
        self.fail_lost_jobs()


def _final(status: str, message: str | None) -> dict[str, Operation]:
    now = utc_now()
    changes: dict[str, Operation] = {
        "status": Set(status),
        "finishedAt": Set(now),
        "updatedAt": Set(now),
    }
    return changes if message is None else {**changes, "message": Set(message)}
