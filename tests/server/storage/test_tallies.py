"""Tallies: both databases count as Python does."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from cloud.values import Pointer
from server.storage.port import (
    EVERYTHING,
    All,
    ClassSchema,
    ColumnType,
    Compares,
    ContainsAll,
    Equals,
    Exists,
    OneOf,
    Order,
)
from server.storage.tally_port import DayOf, StepOf

MIDNIGHT = datetime(2026, 2, 3, tzinfo=UTC)
SCHEMA = ClassSchema(
    "Thing",
    {
        "state": ColumnType("String"),
        "done": ColumnType("Boolean"),
        "score": ColumnType("Number"),
        "owner": ColumnType("Pointer", "_User"),
        "list": ColumnType("Array"),
    },
)
BOUNDS = (0.0, 0.1, 0.5, 1.0, 1000.0)
STATES = ["approved", "rejected", "review", "é\0\1", None]
SCORES = [-1, 0, 0.05, 0.1, 0.3, 0.5, 1, 999.5, 1000, 5e6, None]


@pytest.fixture
def rows(database):
    """Each combination of a state with a score, spread over days around midnight."""
    made = []
    for number in range(len(STATES) * len(SCORES)):
        row = {
            "state": STATES[number % len(STATES)],
            "score": SCORES[number % len(SCORES)],
            "done": [True, False, None][number % 3],
            "owner": Pointer("_User", f"u{number % 2}"),
        }
        document = {name: value for name, value in row.items() if value is not None}
        at = MIDNIGHT + timedelta(milliseconds=[-1, 0, 1, 86_399_999, 86_400_000][number % 5])
        document |= {"objectId": f"id{number}", "createdAt": at, "updatedAt": at}
        database.objects.insert(SCHEMA, document)
        made.append({"state": None, "score": None, "done": None, **document})
    return made


def step(row):
    return None if row["score"] is None else sum(row["score"] >= bound for bound in BOUNDS)


def day(row):
    return row["createdAt"].strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    ("by", "key_of"),
    [
        (["state"], lambda row: (row["state"],)),
        (["done"], lambda row: (row["done"],)),
        ([DayOf("createdAt")], lambda row: (day(row),)),
        ([StepOf("score", BOUNDS)], lambda row: (step(row),)),
        ([StepOf("score", ())], lambda row: (None if row["score"] is None else 0,)),
        (
            [DayOf("createdAt"), "done", StepOf("score", BOUNDS), "state"],
            lambda row: (day(row), row["done"], step(row), row["state"]),
        ),
    ],
)
def test_objects_are_counted_by_their_keys(database, rows, by, key_of, needs):
    if any(isinstance(key, StepOf) for key in by):
        needs("`$type` and `$cond` in pipelines")
    if any(isinstance(key, DayOf) for key in by):
        needs("days in pipelines (`$dateToString`)")
    assert database.tallies.tally(SCHEMA, EVERYTHING, by) == Counter(key_of(row) for row in rows)


def test_only_objects_that_fulfil_the_condition_are_counted(database, rows):
    where = All(
        (
            Compares("createdAt", Order.GREATER_OR_EQUAL, MIDNIGHT),
            Compares("createdAt", Order.LESS, MIDNIGHT + timedelta(days=1)),
            OneOf("state", ("approved", "review")),
            Exists("done", exists=True),
        )
    )
    wanted = Counter(
        (row["state"],)
        for row in rows
        if row["state"] in ("approved", "review")
        and row["done"] is not None
        and day(row) == "2026-02-03"
    )
    assert wanted
    assert database.tallies.tally(SCHEMA, where, ["state"]) == wanted


def test_without_a_key_all_are_counted(database, rows):
    where = Equals("owner", Pointer("_User", "u1"))
    assert database.tallies.tally(SCHEMA, where, []) == {(): len(rows) // 2}


def test_nothing_gives_no_groups(database):
    assert database.tallies.tally(SCHEMA, EVERYTHING, ["state"]) == {}
    assert database.tallies.tally(SCHEMA, EVERYTHING, []) == {(): 0}


@pytest.mark.parametrize(
    "key", ["score", "list", "owner", "createdAt", "unknown", DayOf("state"), StepOf("state", ())]
)
def test_column_of_another_type_is_refused(database, key):
    with pytest.raises(ValueError, match="is no column of"):
        database.tallies.tally(SCHEMA, EVERYTHING, [key])


def test_value_of_another_type_than_its_column_counts_as_none(database, needs):
    needs("`$type` and `$cond` in pipelines")
    for number, value in enumerate(["text", 1, True, None]):
        moment = {"createdAt": MIDNIGHT, "updatedAt": MIDNIGHT}
        document = {"objectId": f"id{number}", **moment, "state": value, "done": value}
        database.objects.insert(SCHEMA, document | {"score": value})
    assert database.tallies.tally(SCHEMA, EVERYTHING, ["state"]) == {("text",): 1, (None,): 3}
    assert database.tallies.tally(SCHEMA, EVERYTHING, ["done"]) == {(True,): 1, (None,): 3}
    steps = [StepOf("score", (0,))]
    assert database.tallies.tally(SCHEMA, EVERYTHING, steps) == {(1,): 1, (None,): 3}


def test_sqlite_refuses_a_condition_that_it_cannot_say(database, database_uri):
    if not database_uri:
        with pytest.raises(ValueError, match="conditions on columns"):
            database.tallies.tally(SCHEMA, ContainsAll("list", ("a",)), ["state"])
