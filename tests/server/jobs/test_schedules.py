"""When a schedule is due, moment by moment, and which rows are none."""

from datetime import UTC, datetime, timedelta

import pytest

from server.jobs.schedules import read_schedule
from server.parse.errors import ParseError

# 29 November 2026 is a Sunday.
SUNDAY = "2026-11-29"
EVERY_DAY = [1] * 7


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(start=f"{SUNDAY}T10:00:00.000Z", **columns):
    return read_schedule({"jobName": "count", "startAfter": start, **columns})


@pytest.mark.parametrize(
    ("columns", "now", "latest"),
    [
        # once
        ({}, "2026-11-29T09:59:59", None),
        ({}, "2026-11-29T10:00:00", "2026-11-29T10:00:00"),
        ({}, "2027-11-29T10:00:00", "2026-11-29T10:00:00"),
        # several times a day: from the time of day on, until the day ends
        ({"repeatMinutes": 30, "timeOfDay": "09:15:00.000Z"}, "2026-11-29T09:50:00", None),
        ({"repeatMinutes": 30, "timeOfDay": "09:15:00.000Z"}, "2026-11-29T10:14:00", None),
        (
            {"repeatMinutes": 30, "timeOfDay": "09:15:00.000Z"},
            "2026-11-29T10:16:00",
            "2026-11-29T10:15:00",
        ),
        (
            {"repeatMinutes": 60, "timeOfDay": "09:30"},
            "2026-11-30T03:00:00",
            "2026-11-29T23:30:00",
        ),
        (
            {"repeatMinutes": 60, "timeOfDay": "09:30"},
            "2026-11-30T09:30:00",
            "2026-11-30T09:30:00",
        ),
        # on Wednesdays alone
        (
            {"repeatMinutes": 60, "timeOfDay": "09:30", "daysOfWeek": [0, 0, 0, 1, 0, 0, 0]},
            "2026-12-05T00:00:00",
            "2026-12-02T23:30:00",
        ),
        (
            {"repeatMinutes": 60, "timeOfDay": "09:30", "daysOfWeek": [0, 0, 0, 1, 0, 0, 0]},
            "2026-12-01T12:00:00",
            None,
        ),
        ({"repeatMinutes": 60, "daysOfWeek": [0] * 7}, "2026-12-05T00:00:00", None),
        # daily: the first one is after the start
        ({"repeatMinutes": 1440, "timeOfDay": "09:00:00.000Z"}, "2026-11-30T08:59:59", None),
        (
            {"repeatMinutes": 1440, "timeOfDay": "09:00:00.000Z", "daysOfWeek": EVERY_DAY},
            "2026-12-02T09:00:00",
            "2026-12-02T09:00:00",
        ),
        # daily but for Sundays
        (
            {"repeatMinutes": 1440, "timeOfDay": "12:00", "daysOfWeek": [0, 1, 1, 1, 1, 1, 1]},
            "2026-12-06T23:00:00",
            "2026-12-05T12:00:00",
        ),
        # every second day, at the time of the start where none is named
        ({"repeatMinutes": 2880}, "2026-12-02T12:00:00", "2026-12-01T10:00:00"),
    ],
)
def test_the_latest_moment_is(columns, now, latest):
    assert schedule(**columns).latest(moment(now)) == (latest and moment(latest))


def test_a_start_at_the_end_of_time_is_no_fault():
    far = schedule("9999-12-31T23:59:59Z", repeatMinutes=1440, timeOfDay="01:00")
    assert far.latest(moment("2026-11-29T10:00:00")) is None


def test_moments_of_other_offsets_are_utc():
    assert schedule("2026-11-29T12:00:00+02:00").starts_at == moment("2026-11-29T10:00:00")


def test_parameters_are_parse_values():
    read = schedule(params='{"when": {"__type": "Date", "iso": "2026-11-29T10:00:00.000Z"}}')
    assert read.params == {"when": moment("2026-11-29T10:00:00")}
    assert schedule(params="").params == schedule().params == {}


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"jobName": None}, "jobName is missing"),
        ({"jobName": 7}, "jobName is missing"),
        ({"startAfter": None}, "startAfter is no moment in ISO 8601"),
        ({"startAfter": "soon"}, "startAfter is no moment in ISO 8601"),
        ({"startAfter": "0001-01-01T00:00:00+23:00"}, "startAfter is no moment in ISO 8601"),
        ({"params": "[1]"}, "params is no JSON object in a text"),
        ({"params": "{"}, "params is no JSON object in a text"),
        ({"params": {"n": 1}}, "params is no JSON object in a text"),
        ({"params": "[" * 100_000}, "params is no JSON object in a text"),
        ({"repeatMinutes": 0.5}, "repeatMinutes is no number of 1 to 527040"),
        ({"repeatMinutes": True}, "repeatMinutes is no number of 1 to 527040"),
        ({"repeatMinutes": "5"}, "repeatMinutes is no number of 1 to 527040"),
        ({"repeatMinutes": float("nan")}, "repeatMinutes is no number of 1 to 527040"),
        ({"repeatMinutes": 527_041}, "repeatMinutes is no number of 1 to 527040"),
        ({"timeOfDay": "24:00"}, "timeOfDay is no time such as 09:30:00.000Z"),
        ({"timeOfDay": 9}, "timeOfDay is no time such as 09:30:00.000Z"),
        ({"daysOfWeek": [1]}, "daysOfWeek are not seven of 0 or 1, from Sunday on"),
        ({"daysOfWeek": [2] * 7}, "daysOfWeek are not seven of 0 or 1, from Sunday on"),
        ({"daysOfWeek": [{}] * 7}, "daysOfWeek are not seven of 0 or 1, from Sunday on"),
        ({"daysOfWeek": "1111111"}, "daysOfWeek are not seven of 0 or 1, from Sunday on"),
    ],
)
def test_a_row_that_is_no_schedule(columns, problem):
    with pytest.raises(ValueError, match=problem):
        read_schedule({"jobName": "count", "startAfter": f"{SUNDAY}T10:00:00.000Z", **columns})


def test_a_malformed_parameter_is_said_as_everywhere():
    with pytest.raises(ParseError, match="Date"):
        schedule(params='{"__type": "Date", "iso": "soon"}')


def test_a_year_of_schedules_is_read_at_once():
    hourly = schedule("2000-01-01T00:00:00Z", repeatMinutes=1500, daysOfWeek=[1, 0, 0, 0, 0, 0, 0])
    latest = hourly.latest(moment("2026-11-29T10:00:00"))
    assert latest is not None
    assert moment("2026-11-29T10:00:00") - latest < timedelta(days=30)
