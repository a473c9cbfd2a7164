"""Scheduled jobs begin when they are due, each moment once, whoever looks."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from running_server import Server

from cloud.operations import Set
from server.jobs.runner import JobRunner
from server.jobs.scheduler import JobScheduler
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import REQUEST_LIMIT_EXCEEDED, ParseError
from server.storage.port import Equals, Query
from server.storage.sqlite.database import SqliteDatabase

SCHEDULE = SYSTEM_CLASSES["_JobSchedule"]
LONG_AGO = "2020-01-01T00:00:00.000Z"
START = datetime(2026, 11, 29, 10, tzinfo=UTC)


class Runner:
    """Notes what is started; refuses when told to."""

    def __init__(self):
        self.started, self.refuses = [], False

    def start(self, job, name, params, context, *, source):
        if self.refuses:
            raise ParseError(REQUEST_LIMIT_EXCEEDED, "Too many jobs are running.")
        self.started.append((name, params, source))
        return "id"


@pytest.fixture
def runner(cloud_code):
    cloud_code.job("count")(lambda request: None)
    return Runner()


@pytest.fixture
def scheduler(database, runner):
    return JobScheduler(database, runner, lambda: None)


def insert(database, object_id="a", **columns):
    row = {"objectId": object_id, "createdAt": START, "updatedAt": START, "jobName": "count"}
    row |= {"startAfter": "2026-11-29T10:00:00.000Z", **columns}
    database.objects.insert(SCHEDULE, row)


def test_a_job_runs_once_when_it_is_due(database, scheduler, runner):
    insert(database, params='{"n": 1}')
    scheduler.run_due(START - timedelta(seconds=1))
    assert runner.started == []
    for seconds in (0, 5, 100_000):
        scheduler.run_due(START + timedelta(seconds=seconds))
    assert runner.started == [("count", {"n": 1}, "schedule")]
    row = database.objects.get(SCHEDULE, "a")
    assert row["lastRun"] == START.timestamp() * 1000


def test_a_job_that_repeats_runs_at_each_of_its_moments(database, scheduler, runner):
    insert(database, repeatMinutes=30, timeOfDay="10:00:00.000Z")
    for minutes in (0, 1, 29, 30, 31, 59):
        scheduler.run_due(START + timedelta(minutes=minutes))
    assert len(runner.started) == 2
    scheduler.run_due(START + timedelta(hours=5))  # what was missed is not made up for
    assert len(runner.started) == 3


def test_of_several_processes_one_runs_it(database, runner):
    insert(database)
    schedulers = [JobScheduler(database, runner, lambda: None) for _ in range(6)]
    together = threading.Barrier(len(schedulers))

    def look(scheduler):
        together.wait()
        scheduler.run_due(START)

    threads = [threading.Thread(target=look, args=(one,)) for one in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runner.started) == 1


def test_a_job_that_finds_no_room_is_tried_again(database, scheduler, runner):
    insert(database)
    runner.refuses = True
    scheduler.run_due(START)
    runner.refuses = False
    scheduler.run_due(START)
    assert len(runner.started) == 1


def test_rows_that_cannot_be_followed_stop_no_others(database, scheduler, runner, caplog):
    insert(database, "1", timeOfDay="soon", repeatMinutes=5)
    insert(database, "2", jobName="never")
    insert(database, "3", params='{"__type": "Date"}')
    insert(database, "4")
    for _ in range(3):
        scheduler.run_due(START)
    assert runner.started == [("count", {}, "schedule")]
    assert caplog.text.count("job schedule 1 cannot be followed: timeOfDay is no time") == 1
    assert "lastRun" not in database.objects.get(SCHEDULE, "2")


def test_a_schedule_that_was_moved_runs_again(database, scheduler, runner):
    insert(database)
    scheduler.run_due(START)
    later = {"startAfter": Set("2026-11-29T11:00:00.000Z")}
    database.objects.update(SCHEDULE, Equals("objectId", "a"), later)
    scheduler.run_due(START + timedelta(minutes=30))
    assert len(runner.started) == 1
    scheduler.run_due(START + timedelta(hours=1))
    assert len(runner.started) == 2


def test_it_looks_by_itself_until_it_is_closed(parse, cloud_code):
    began = threading.Event()
    cloud_code.job("count")(lambda request: began.set() or request.params["n"])
    services = parse.services
    runner = JobRunner(services.database, services.schemas)
    scheduler = JobScheduler(
        services.database, runner, services.scheduler._make_context, look_every_s=0.05
    )
    insert(services.database, params='{"n": "seven"}', startAfter=LONG_AGO)
    scheduler.start()
    assert began.wait(5)
    scheduler.close()
    runner.close()
    schema = SYSTEM_CLASSES["_JobStatus"]
    [status] = services.database.objects.find(schema, Query())
    assert (status["source"], status["status"], status["message"]) == (
        "schedule", "succeeded", "seven",
    )  # fmt: skip


def test_a_running_server_follows_schedules_once_for_all_its_processes(tmp_path, models_dir):
    code = tmp_path / "main.py"
    code.write_text('from cloud.code import cloud\n\ncloud.job("count")(lambda request: "one")\n')
    (tmp_path / "data").mkdir()
    database = SqliteDatabase(tmp_path / "data")
    insert(database, startAfter=LONG_AGO)
    server = Server(tmp_path / "data", models_dir, CLOUD_CODE_MAIN=code, WEB_WORKERS=2)
    schema = SYSTEM_CLASSES["_JobStatus"]
    try:
        server.wait_until_healthy()
        deadline = time.monotonic() + 15
        while not (rows := database.objects.find(schema, Query())):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(6)  # by now each process has looked
        rows = database.objects.find(schema, Query())
    finally:
        server.stop()
        database.close()
    assert [(row["jobName"], row["source"], row["message"]) for row in rows] == [
        ("count", "schedule", "one")
    ]
