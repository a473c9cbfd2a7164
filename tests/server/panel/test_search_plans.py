"""Every search goes by an index, whatever is combined: as SQLite explains, and as it is sent."""

import itertools

import pytest
from item_rows import DAY, NOON, ItemRows

from admin.ports.history import Place, ScoreRange, Search, Span
from cloud.moderation.items import State
from ml_models.types import Label
from server.moderation.history_indexes import ITEM_INDEXES
from server.moderation.items import ITEM
from server.panel.decision_log import DecisionLog
from server.panel.searching import ItemSearch, conditions, index_for
from server.storage.port import Compares
from server.storage.sqlite.database import SqliteDatabase
from server.storage.sqlite.translate import index_name

FILTERS = {
    "uploader": "alice",
    "state": State.REJECTED,
    "category": "nudity",
    "decided_by": "user:bob",
    "policy_version": 3,
    "scores": ScoreRange(Label.PORN, 0.4, 0.8),
    "decided": Span(NOON, NOON + DAY),
    "uploaded": Span(NOON - DAY, NOON),
    "held": True,
}
COMBINATIONS = [
    dict(chosen)
    for count in range(len(FILTERS) + 1)
    for chosen in itertools.combinations(FILTERS.items(), count)
]
PLACES = [None, Place("abc", NOON, is_decided=True)]


@pytest.fixture
def plans(tmp_path):
    """Say how SQLite finds what a call asks for: `plans(call)`."""
    database = SqliteDatabase(tmp_path)
    rows = ItemRows(database)
    rows.item("a", uploader="alice", category="nudity", by="user:bob")
    statements = []
    with database.objects._connections.reading() as connection:
        connection.set_trace_callback(statements.append)

    def explain(call):
        statements.clear()
        call(database.objects)
        asked = [each for each in statements if each.startswith("SELECT")]
        with database.objects._connections.reading() as connection:
            return [
                [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
                for each in asked
            ]

    yield explain
    database.close()


def search_of(plans, search, place=None):
    return plans(lambda objects: ItemSearch(objects).page(search, place, 50))


def test_there_are_searches_to_explain():
    assert len(COMBINATIONS) == 512


@pytest.mark.parametrize("place", PLACES)
def test_each_combination_reads_one_index_in_the_order_of_the_page(plans, place):
    for chosen in COMBINATIONS:
        search = Search(**chosen)
        first, *of_pending = search_of(plans, search, place)
        name = index_name(ITEM, index_for(search))
        assert first[0].startswith(f"SEARCH objects USING INDEX {name} ("), (chosen, first)
        # Where seven or more are given SQLite expects so little that it may sort it.
        assert len(first) == 1 or len(chosen) >= 7, (chosen, first)
        for plan in of_pending:
            assert plan[0].startswith("SEARCH objects USING INDEX ModerationItem "), (chosen, plan)


def test_an_index_holds_all_that_a_search_may_ask_for():
    """So a row is read only once it is wanted; MongoDB, too, filters on the keys of an index."""
    for chosen in COMBINATIONS:
        search = Search(**chosen)
        index = index_for(search)
        assert {condition.path for condition in conditions(search)} <= {*index.columns}, chosen
        *before, time, name = index.columns[: index.columns.index("objectId") + 1]
        assert (time, name) == ("decidedAt", "objectId")
        fixed = {c.path for c in conditions(search) if not isinstance(c, Compares)}
        assert {*before} <= fixed, chosen


def test_pending_items_are_read_by_an_index_alone(plans):
    (plan,) = search_of(plans, Search(state=State.PENDING))
    assert plan == [
        "SEARCH objects USING INDEX "
        "ModerationItem state_uploaded state,createdAt,objectId (<expr>=?)"
    ]


def test_one_object_is_looked_up_by_index(plans):
    for plan in search_of(plans, Search(name="of-a")):
        assert plan[0].startswith("SEARCH objects USING INDEX "), plan


def test_the_log_of_decisions_is_read_by_time(plans):
    found = plans(lambda objects: list(DecisionLog(objects).matching(Search())))
    assert found[0][0].startswith(
        "SEARCH objects USING INDEX ModerationDecision created_id createdAt,objectId"
    )
    for plan in found[1:]:
        assert plan[0].startswith("SEARCH objects USING INDEX "), plan


def test_indexes_have_names_of_their_own():
    assert len({index.name for index in ITEM_INDEXES}) == len(ITEM_INDEXES)
