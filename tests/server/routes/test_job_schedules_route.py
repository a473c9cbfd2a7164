"""/cloud_code/jobs: which jobs there are and when they run."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

DAILY = {
    "jobName": "count",
    "description": "Counts",
    "params": '{"n": 1}',
    "daysOfWeek": [1, 1, 1, 1, 1, 1, 1],
    "timeOfDay": "12:30:00.000Z",
    "repeatMinutes": 1440,
    "startAfter": "2030-01-01T00:00:00.000Z",
}


@pytest.fixture
def jobs(parse_on_each, cloud_code):
    cloud_code.job("count")(lambda request: None)
    cloud_code.job("other")(lambda request: None)
    return parse_on_each


def create(parse, **columns):
    return parse.post("/cloud_code/jobs", {"job_schedule": columns}, MASTER)


def test_a_schedule_is_kept_changed_and_deleted(jobs):
    answer = create(jobs, **DAILY)
    assert (answer.status_code, answer.json.keys()) == (201, {"objectId", "createdAt"})
    [row] = jobs.get("/cloud_code/jobs", MASTER).json
    assert {name: row[name] for name in DAILY} == DAILY
    path = f"/cloud_code/jobs/{row['objectId']}"
    changed = {"job_schedule": {"timeOfDay": "13:00:00.000Z", "repeatMinutes": 60}}
    assert jobs.put(path, changed, MASTER).json.keys() == {"updatedAt"}
    [row] = jobs.find("_JobSchedule", by=MASTER)
    assert (row["timeOfDay"], row["repeatMinutes"]) == ("13:00:00.000Z", 60)
    assert row["startAfter"] != DAILY["startAfter"]  # as Parse Server has it: from now on
    assert jobs.delete(path, MASTER).json == {}
    assert jobs.get("/cloud_code/jobs", MASTER).json == []
    assert outcome(jobs.delete(path, MASTER)) == (404, 101)


def test_the_dashboard_learns_which_jobs_there_are(jobs):
    create(jobs, jobName="count")
    answer = jobs.call("POST", "/cloud_code/jobs/data?per_page=50", {"_method": "GET"}, MASTER)
    assert answer.json["in_use"] == ["count"]
    assert answer.json["jobs"][-2:] == ["count", "other"]
    [row] = jobs.get("/cloud_code/jobs", MASTER).json
    assert row["startAfter"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({}, 107, "job_schedule must be an object"),
        ({"job_schedule": []}, 107, "job_schedule must be an object"),
        (
            {"job_schedule": {"jobName": "never"}},
            1,
            "Cannot Schedule a job that is not deployed",
        ),
        (
            {"job_schedule": {**DAILY, "timeOfDay": "noon"}},
            142,
            "timeOfDay is no time such as 09:30:00.000Z",
        ),
        ({"job_schedule": {**DAILY, "params": '{"__type": "Date"}'}}, 111, None),
        ({"job_schedule": {**DAILY, "description": 1}}, 111, None),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(jobs, body, code, message):
    answer = jobs.post("/cloud_code/jobs", body, MASTER)
    assert outcome(answer) == (400, code)
    assert message is None or error(answer)[1] == message
    assert jobs.get("/cloud_code/jobs", MASTER).json == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cloud_code/jobs"),
        ("GET", "/cloud_code/jobs/data"),
        ("POST", "/cloud_code/jobs"),
        ("PUT", "/cloud_code/jobs/x"),
        ("DELETE", "/cloud_code/jobs/x"),
    ],
)
def test_only_the_master_key_knows_of_schedules(parse, method, path):
    for by in (None, parse.person("alice")):
        assert parse.call(method, path, {} if method != "GET" else None, by).status_code == 403
    assert outcome(parse.get("/classes/_JobSchedule")) == (400, 119)


def test_the_read_only_master_key_schedules_nothing(make_parse, cloud_code):
    cloud_code.job("count")(lambda request: None)
    parse = make_parse(read_only_master_key="readOnly")
    reader = {**KEYS, "X-Parse-Master-Key": "readOnly"}
    assert parse.get("/cloud_code/jobs", reader).json == []
    answer = parse.post("/cloud_code/jobs", {"job_schedule": DAILY}, reader)
    assert outcome(answer) == (400, 119)
