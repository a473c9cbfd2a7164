"""POST {mount}/jobs/<name> and POST {mount}/jobs: background jobs and their status."""

import threading
import time

import pytest
from image_host import KEYS, MASTER

from cloud.code import CloudError, cloud


@pytest.fixture
def client(app):
    yield app.test_client()
    app.extensions["parsewarden"].jobs.close()


@pytest.fixture
def job():
    """Define jobs for one test."""
    names = []

    def define(name, function):
        names.append(name)
        cloud.job(name)(function)

    yield define
    for name in names:
        del cloud._jobs[name]


def start(client, path, params=None, headers=MASTER):
    return client.post(f"/parse{path}", json=params or {}, headers=headers)


def status(client, job_id):
    return client.get(f"/parse/classes/_JobStatus/{job_id}", headers=MASTER).json


def finished(client, response):
    """Wait for the job that was started, and return its status."""
    assert (response.status_code, response.json) == (200, {})
    job_id = response.headers["X-Parse-Job-Status-Id"]
    deadline = time.monotonic() + 5
    while (row := status(client, job_id))["status"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return row


def test_job_is_started_by_name_and_its_text_is_kept(client, job):
    job("count", lambda request: f"counted to {request.params['n']}")
    row = finished(client, start(client, "/jobs/count", {"n": 3}))
    assert row["finishedAt"]["__type"] == "Date"
    del row["objectId"], row["createdAt"], row["updatedAt"], row["finishedAt"]
    assert row == {
        "jobName": "count",
        "source": "api",
        "status": "succeeded",
        "params": {"n": 3},
        "message": "counted to 3",
        "ACL": {},
    }


def test_job_is_started_as_the_dashboard_does(client, job):
    job("count", lambda request: request.params["input"])
    sent = {"description": "d", "input": "i", "jobName": "count", "when": 0}
    row = finished(client, start(client, "/jobs", sent))
    assert (row["jobName"], row["params"], row["message"]) == ("count", sent, "i")


def test_either_database_keeps_the_status(make_app, database_uri, job):
    app = make_app(database_uri=database_uri)
    client = app.test_client()
    job("count", lambda request: f"counted to {request.params['n']}")
    for path, params in [("/jobs/count", {"n": 3}), ("/jobs", {"n": 3, "jobName": "count"})]:
        row = finished(client, start(client, path, params))
        assert (row["jobName"], row["status"], row["params"]) == ("count", "succeeded", params)
        assert (row["message"], row["ACL"]) == ("counted to 3", {})
        assert row["finishedAt"]["__type"] == "Date"
    app.extensions["parsewarden"].jobs.close()


def test_answer_does_not_wait_for_the_job(client, job):
    go = threading.Event()

    def wait(request):
        request.message("waiting")
        assert go.wait(5)

    job("wait", wait)
    response = start(client, "/jobs/wait")
    job_id = response.headers["X-Parse-Job-Status-Id"]
    deadline = time.monotonic() + 5
    while status(client, job_id).get("message") != "waiting":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    row = status(client, job_id)
    assert (row["status"], "finishedAt" in row, "params" in row) == ("running", False, False)
    go.set()
    row = finished(client, response)
    assert (row["status"], row["message"]) == ("succeeded", "waiting")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CloudError("no tea"), "no tea"),
        (KeyError("internal"), "Script failed. The server's log says why."),
        (SystemExit("internal"), "Script failed. The server's log says why."),
    ],
)
def test_job_that_raises_has_failed(client, job, error, message):
    def fail(request):
        raise error

    job("fail", fail)
    row = finished(client, start(client, "/jobs/fail"))
    assert (row["status"], row["message"]) == ("failed", message)


def test_job_has_all_rights_and_knows_itself(client, job):
    seen = {}

    def look(request):
        seen["rows"] = request.objects.count("_JobStatus")
        seen["job"] = (request.job_name, request.job_id, request.master, request.user)

    job("look", look)
    row = finished(client, start(client, "/jobs/look"))
    assert seen == {"rows": 1, "job": ("look", row["objectId"], True, None)}


@pytest.mark.parametrize("path", ["/jobs/count", "/jobs"])
def test_job_needs_the_master_key(client, job, path):
    job("count", lambda request: None)
    response = start(client, path, {"jobName": "count"}, KEYS)
    assert response.status_code == 403
    assert response.json == {"error": "unauthorized: master key is required"}
    assert start(client, path, {"jobName": "count"}, {}).status_code == 403


def test_read_only_master_key_starts_nothing(make_app, job):
    job("count", lambda request: None)
    client = make_app(read_only_master_key="look").test_client()
    headers = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "look"}
    response = start(client, "/jobs/count", headers=headers)
    assert response.status_code in (400, 403)
    assert "X-Parse-Job-Status-Id" not in response.headers


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/jobs/nope", {}),
        ("/jobs/Count", {}),
        ("/jobs", {}),
        ("/jobs", {"jobName": "nope"}),
        ("/jobs", {"jobName": {"$ne": 1}}),
    ],
)
def test_unknown_job_is_141(client, job, path, params):
    job("count", lambda request: None)
    response = start(client, path, params)
    assert (response.status_code, response.json) == (400, {"code": 141, "error": "Invalid job."})


def test_parameters_that_a_database_would_take_for_operators_are_121(client, job):
    job("count", lambda request: None)
    response = start(client, "/jobs/count", {"a": {"$set": 1}})
    assert (response.status_code, response.json["code"]) == (400, 121)


def test_clients_do_not_see_the_status(client, job):
    job("count", lambda request: None)
    row = finished(client, start(client, "/jobs/count"))
    response = client.get(f"/parse/classes/_JobStatus/{row['objectId']}", headers=KEYS)
    assert response.status_code in (400, 403, 404)
    assert "jobName" not in response.json
