"""JobRunner: bounds, shutdown, and the jobs of processes that have ended."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from cloud.clock import utc_now
from cloud.code import Definition, RequestContext
from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Set
from server.jobs.runner import _MAX_JOBS, JobRunner
from server.objects.schemas import Schemas
from server.parse.errors import ParseError
from server.storage.port import Equals
from server.storage.sqlite.database import SqliteDatabase

CONTEXT = RequestContext(
    master=True,
    user=None,
    ip="127.0.0.1",
    installation_id=None,
    headers={},
    context={},
    objects=None,
    as_master=None,
    roles=lambda: (),
    stored_file=lambda name: None,
    moderation=None,
    appeals=None,
)
STOPPED = "The server was stopped before this job was done."
LOST = "The server that ran this job ended before it was done."


@pytest.fixture
def sqlite(tmp_path):
    database = SqliteDatabase(tmp_path)
    yield database
    database.close()


@pytest.fixture
def schema(sqlite):
    return Schemas(sqlite.schemas, clients_make_classes=True).ensure("_JobStatus")


@pytest.fixture
def make_runner(sqlite):
    runners = []

    def make(**options):
        schemas = Schemas(sqlite.schemas, clients_make_classes=True)
        runners.append(JobRunner(sqlite, schemas, **options))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


def start(runner, function, params=None):
    return runner.start(Definition("job j", function), "j", params or {}, CONTEXT)


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_more_jobs_than_allowed_are_refused_until_one_ends(make_runner):
    runner, go = make_runner(), threading.Event()
    for _ in range(_MAX_JOBS):
        start(runner, lambda request: go.wait(5))
    with pytest.raises(ParseError) as raised:
        start(runner, lambda request: None)
    assert raised.value.code == 155
    go.set()
    wait_for(lambda: not runner._running)
    start(runner, lambda request: None)


def test_closed_runner_marks_what_it_leaves_undone(make_runner, sqlite, schema):
    runner, go = make_runner(), threading.Event()
    running = [start(runner, lambda request: go.wait(5)) for _ in range(2)]
    waiting = start(runner, lambda request: None)
    runner.close(grace_s=0.05)
    for job_id in [*running, waiting]:
        row = sqlite.objects.get(schema, job_id)
        assert (row["status"], row["message"]) == ("failed", STOPPED)
        assert row["finishedAt"] >= row["createdAt"]
    with pytest.raises(ParseError):
        start(runner, lambda request: None)
    go.set()


def test_closing_waits_a_moment_for_jobs_to_end(make_runner, sqlite, schema):
    runner = make_runner()
    job_id = start(runner, lambda request: time.sleep(0.05))
    runner.close()
    assert sqlite.objects.get(schema, job_id)["status"] == "succeeded"


def row(job_id, age, status="running"):
    at = utc_now() - age
    return {"objectId": job_id, "createdAt": at, "updatedAt": at, "status": status, "ACL": {}}


def test_job_that_nobody_renews_is_marked_as_failed(make_runner, sqlite, schema):
    rows = {
        "lost": row("lost", timedelta(seconds=130)),
        "lost2": row("lost2", timedelta(days=2)),
        "renewed": row("renewed", timedelta(seconds=100)),
        "done": row("done", timedelta(days=1), "succeeded"),
        "ofParseServer": {
            **row("ofParseServer", timedelta(days=1)),
            "updatedAt": datetime(1970, 1, 1, tzinfo=UTC),
        },
    }
    for document in rows.values():
        sqlite.objects.insert(schema, document)
    make_runner().fail_lost_jobs()
    found = {name: sqlite.objects.get(schema, name) for name in rows}
    assert {name: found[name]["status"] for name in found} == {
        "lost": "failed",
        "lost2": "failed",
        "renewed": "running",
        "done": "succeeded",
        "ofParseServer": "running",
    }
    assert found["lost"]["message"] == LOST
    assert "finishedAt" in found["lost2"]


def test_watching_marks_lost_jobs_and_renews_running_ones(make_runner, sqlite, schema):
    sqlite.objects.insert(schema, row("lost", timedelta(days=1)))
    runner, go = make_runner(renew_s=0.01), threading.Event()
    runner.watch()
    wait_for(lambda: sqlite.objects.get(schema, "lost")["status"] == "failed")
    job_id = start(runner, lambda request: go.wait(5))
    long_ago = utc_now() - timedelta(seconds=60)
    sqlite.objects.update(schema, Equals("objectId", job_id), {"updatedAt": Set(long_ago)})
    wait_for(lambda: sqlite.objects.get(schema, job_id)["updatedAt"] > long_ago)
    go.set()


class _Away:
    """The database's objects, whose updates fail while `away`."""

    def __init__(self, objects):
        self._objects, self.away = objects, False

    def __getattr__(self, name):
        return getattr(self._objects, name)

    def update(self, *args, **options):
        if self.away:
            raise StoreUnavailable("away")
        return self._objects.update(*args, **options)


def test_end_of_a_job_is_written_once_the_database_is_back(make_runner, sqlite, schema):
    sqlite.objects = away = _Away(sqlite.objects)
    runner = make_runner(renew_s=0.01)

    def run(request):
        away.away = True
        request.message("not kept")
        return "done"

    job_id = start(runner, run)
    time.sleep(0.05)
    assert sqlite.objects.get(schema, job_id)["status"] == "running"
    away.away = False
    wait_for(lambda: sqlite.objects.get(schema, job_id)["status"] == "succeeded")
    assert sqlite.objects.get(schema, job_id)["message"] == "done"


def test_job_whose_status_cannot_be_written_does_not_start(tmp_path):
    database = SqliteDatabase(tmp_path / "missing")
    runner, ran = JobRunner(database, Schemas(database.schemas, clients_make_classes=True)), []
    for _ in range(_MAX_JOBS + 1):
        with pytest.raises(StoreUnavailable):
            start(runner, ran.append)
    runner.close()
    database.close()
    assert ran == []
