"""Starts scheduled jobs when they are due: each moment of a schedule once, whoever is first.

Every server looks every few seconds. A moment belongs to the one that writes it into `lastRun`,
in one step that nobody else can take as well; should its process end before the job has begun, the
next moment is the next run.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cloud.clock import utc_now
from cloud.code import RequestContext, cloud
from cloud.operations import Delete, Operation, Set
from server.jobs.runner import JobRunner
from server.jobs.schedules import Schedule, read_schedule
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import ParseError
from server.rounds import Rounds
from server.storage.port import All, Database, Document, Equals, Query, SortKey

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_MOST_SCHEDULES = 1_000
_SCHEDULE = SYSTEM_CLASSES["_JobSchedule"]
_BY_ID = (SortKey("objectId"),)


class JobScheduler:
    """Starts what is due; thread-safe. Make it after forking, and close it before the runner."""

    def __init__(
        self,
        database: Database,
        runner: JobRunner,
        make_context: Callable[[], RequestContext],
        *,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._objects, self._runner = database.objects, runner
        self._make_context = make_context
        self._rounds = Rounds("schedules", lambda: self.run_due(utc_now()), every_s=look_every_s)
        self._unread: set[tuple[str, str]] = set()

    def start(self) -> None:
        """Look in the background from now on."""
        self._rounds.start()

    def close(self) -> None:
        """Start nothing any more."""
        self._rounds.close()

    def run_due(self, now: datetime) -> None:
        """Start the jobs that are due. Raises StoreUnavailable."""
        for row in self._objects.find(_SCHEDULE, Query(order=_BY_ID, limit=_MOST_SCHEDULES)):
            schedule = self._read(row)
            moment = None if schedule is None else schedule.latest(now)
            if schedule is not None and moment is not None:
                self._run(schedule, row, _number(moment))

    def _read(self, row: Document) -> Schedule | None:
        try:
            return read_schedule(row)
        except (ValueError, ParseError) as error:
            problem = row["objectId"], str(error)
            if problem not in self._unread:  # once is enough
                logger.warning("job schedule %s cannot be followed: %s", *problem)
                self._unread.add(problem)
            return None

    def _run(self, schedule: Schedule, row: Document, moment: int) -> None:
        last = row.get("lastRun")
        job_name = schedule.job_name
        job = cloud.job_named(job_name)
        if job is None or (isinstance(last, int | float) and last >= moment):
            return
        if not self._write_last_run(row["objectId"], last, moment):
            return  # another process was first
        try:
            job_id = self._runner.start(
                job, job_name, schedule.params, self._make_context(), source="schedule"
            )
        except ParseError as error:  # too many jobs: somebody may be able to a little later
            logger.warning("scheduled job %s has to wait: %s", job_name, error)
            self._write_last_run(row["objectId"], moment, last)
        else:
            logger.info("scheduled job %s began as %s", job_name, job_id)

    def _write_last_run(self, object_id: str, before: Any, after: Any) -> bool:
        """Change `lastRun` unless somebody else has."""
        where = All((Equals("objectId", object_id), Equals("lastRun", before)))
        change: Operation = Delete() if after is None else Set(after)
        return self._objects.update(_SCHEDULE, where, {"lastRun": change}) is not None


def _number(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
