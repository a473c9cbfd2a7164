"""No query holds more than its budget, on each database."""

import pytest
from test_store_contract import THING, ids, thing

from server.storage.budget import Budget, TooMuchData
from server.storage.pipeline import Apply, Field, Group, Literal, Sort
from server.storage.port import EVERYTHING, Equals, Matches, RefusedQuery, Regex, SortKey
from server.storage.sqlite.database import SqliteDatabase

MEGABYTE = 1_000_000
BUDGET = 18 * MEGABYTE


@pytest.fixture
def store(database):
    """Ten objects with texts of a megabyte."""
    for number in range(10):
        database.objects.insert(THING, thing(f"id{number}", n=number, t="x" * MEGABYTE, o={"k": 1}))
    return database.objects


def found(store, **query):
    return ids(store, **{"budget": Budget(BUDGET), **query})


def test_a_find_is_refused_beyond_its_budget(store):
    with pytest.raises(TooMuchData, match=r"limit.*skip.*keys"):
        found(store)


@pytest.mark.parametrize("order", ["n", "o.k", "list"])  # SQLite sorts by the last two in Python
def test_fewer_objects_and_fewer_columns_are_within(store, order):
    by = (SortKey(order), SortKey("n"))
    assert found(store, limit=2, order=by) == ["id0", "id1"]
    if order == "n":
        assert found(store, skip=8, limit=3, order=by) == ["id8", "id9"]
        assert len(found(store, columns=frozenset(["n"]))) == 10


def test_what_a_condition_leaves_out_takes_nothing(store):
    only = Matches("list", Regex("x")), Equals("o.k", 1)  # SQL says neither
    assert found(store, where=only[0]) == []
    assert found(store, where=Equals("n", 9)) == ["id9"]
    assert found(store, where=only[1], skip=8, order=()) == ["id8", "id9"]
    assert found(store, where=only[1], limit=2) == ["id0", "id1"]


def test_queries_of_one_request_share_its_budget(store):
    budget = Budget(BUDGET)
    ids(store, limit=2, budget=budget)
    with pytest.raises(TooMuchData):
        ids(store, limit=2, budget=budget)
    assert budget.is_spent


def test_a_find_without_a_budget_is_bounded_by_its_limit_alone(store):
    assert len(ids(store)) == 10


def test_many_small_values_take_more_than_a_text(database, needs):
    needs("arrays in arrays")
    for number in range(4):
        database.objects.insert(THING, thing(f"id{number}", list=[[]] * 20_000))
    with pytest.raises(TooMuchData):
        found(database.objects)
    assert found(database.objects, limit=1) == ["id0"]


def test_sorting_many_objects_in_python_keeps_the_first(database):
    for number in range(700):
        row = thing(f"id{number:03}", o={"k": number * 7 % 10}, t="x" * 5000)
        database.objects.insert(THING, row)
    for descending in (False, True):
        order = (SortKey("o.k", descending),)
        asked = {"order": order, "skip": 5, "limit": 20}
        expected = ids(database.objects, order=order)[5:25]
        assert ids(database.objects, **asked) == expected
        assert found(database.objects, **asked) == expected


def run(database, *stages):
    return database.pipelines.run(THING, stages, budget=Budget(BUDGET))


def test_pipelines_are_refused_beyond_their_budget(store, database, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    for stages in ((), (Group(Literal(None), {"all": ("$push", Field("t"))}),)):
        with pytest.raises(TooMuchData):
            run(database, *stages)
    counted = Group(Field("o.k"), {"n": ("$sum", Literal(1))})
    assert run(database, counted) == [{"_id": 1, "n": 10}]


def test_distinct_values_are_refused_beyond_their_budget(database):
    for number in range(10):
        database.objects.insert(THING, thing(f"id{number}", t="abcdefghij"[number] * 400_000))
    with pytest.raises(TooMuchData):
        database.pipelines.distinct(THING, "t", EVERYTHING, Budget(BUDGET))
    assert len(database.pipelines.distinct(THING, "t", Equals("objectId", "id1"))) == 1


def test_sqlite_sorts_and_joins_within_bounds(tmp_path):
    database = SqliteDatabase(tmp_path)
    for number in range(10):
        database.objects.insert(THING, thing(f"id{number}", n=number, t="x" * MEGABYTE))
    with pytest.raises(TooMuchData):
        run(database, Sort((SortKey("n"),)), Group(Literal(None), {"n": ("$sum", Literal(1))}))
    joined = Apply("$concat", (Field("t"),) * 20)
    with pytest.raises(RefusedQuery, match="16 MB"):
        run(database, Group(joined, {}))
    database.close()
