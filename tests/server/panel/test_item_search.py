"""Searching items on each database: every filter, all at once, and page by page."""

from datetime import timedelta

import pytest
from item_rows import DAY, NOON, ItemRows

from admin.ports.history import ScoreRange, Search, Span
from cloud.moderation.items import State
from ml_models.types import Label
from server.panel.searching import ItemSearch


@pytest.fixture
def rows(database):
    return ItemRows(database)


def names(rows, after=None, limit=50, **search):
    page = ItemSearch(rows.objects).page(Search(**search), after, limit)
    return [found.item.item_id for found in page.found]


def test_newest_decisions_come_first_and_what_nobody_decided_last(rows):
    rows.item("older", at=NOON)
    rows.pending("waits", uploaded=NOON + 2 * DAY)
    rows.pending("waits-longer", uploaded=NOON)
    rows.item("newer", at=NOON + DAY)
    assert names(rows) == ["newer", "older", "waits", "waits-longer"]


@pytest.fixture
def various(rows):
    """Six items, of which each search finds some."""
    bob, carol = "user:bob", "user:carol"
    rows.item("a", at=NOON, uploader="alice", scores={"porn": 0.9}, policy=1)
    rejected = State.REJECTED
    rows.item("b", rejected, by=bob, at=NOON + DAY, uploader="dave", category="nudity", policy=1)
    rows.item(
        "c", rejected, by=bob, at=NOON + 2 * DAY, uploader="alice", category="spam",
        scores={"porn": 0.5}, policy=2,
    )  # fmt: skip
    rows.item("d", State.REVIEW, at=NOON + 3 * DAY, scores={"sexy": 0.8}, policy=2)
    rows.item("e", by=carol, at=NOON + 4 * DAY, uploaded=NOON - DAY, scores={"porn": 0.4})
    rows.pending("f", uploader="alice", uploaded=NOON + 9 * DAY)
    rows.flag("c")
    return rows


SEARCHES = [
    ({"uploader": "alice"}, "c a f"),
    ({"uploader": "nobody"}, ""),
    ({"state": State.REJECTED}, "c b"),
    ({"state": State.PENDING}, "f"),
    ({"state": State.PENDING, "uploader": "alice"}, "f"),
    ({"category": "nudity"}, "b"),
    ({"decided_by": "user:bob"}, "c b"),
    ({"decided_by": "rules"}, "d a"),
    ({"policy_version": 2}, "d c"),
    ({"scores": ScoreRange(Label.PORN, 0.4, 0.5)}, "e c"),
    ({"scores": ScoreRange(Label.PORN, 0.41, 0.9)}, "c a"),
    ({"scores": ScoreRange(Label.SEXY, 0.8)}, "d"),
    ({"decided": Span(NOON + DAY, NOON + 3 * DAY)}, "c b"),
    ({"decided": Span(end=NOON + DAY)}, "a"),
    ({"uploaded": Span(NOON)}, "d c b a f"),
    ({"uploaded": Span(end=NOON)}, "e"),
    ({"held": True}, "c"),
    ({"name": "c"}, "c"),
    ({"name": "of-c"}, "c"),
    ({"name": "of-c", "state": State.APPROVED}, ""),
    ({"name": "f"}, "f"),
    (
        {
            "uploader": "alice", "state": State.REJECTED, "category": "spam", "policy_version": 2,
            "decided_by": "user:bob", "scores": ScoreRange(Label.PORN, 0.5, 0.5), "held": True,
            "decided": Span(NOON + 2 * DAY, NOON + 3 * DAY), "uploaded": Span(NOON, NOON + DAY),
        },
        "c",
    ),
]  # fmt: skip


def test_each_filter_finds_what_fulfils_it_and_nothing_else(various):
    for search, expected in SEARCHES:
        assert names(various, **search) == expected.split(), search


def test_all_items_of_an_object_are_found_by_its_id_ended_ones_too(rows):
    rows.item("first", State.ENDED, object_id="photo", at=NOON)
    rows.item("second", State.REVIEW, object_id="photo", at=NOON + DAY)
    rows.item("other", at=NOON)
    assert names(rows, name="photo") == ["second", "first"]


@pytest.mark.parametrize("limit", [1, 3, 4, 8])
def test_pages_together_are_every_item_once(rows, limit):
    for number in range(5):  # the same moment: their ids tell them apart
        rows.item(f"decided{number}", at=NOON)
    for number in range(3):
        rows.pending(f"pending{number}", uploaded=NOON + timedelta(seconds=number // 2))
    seen, place = [], None
    while True:
        page = ItemSearch(rows.objects).page(Search(), place, limit)
        seen += [found.item.item_id for found in page.found]
        place = page.following
        if place is None:
            break
    assert seen == [
        *("decided4", "decided3", "decided2", "decided1", "decided0"),
        *("pending2", "pending1", "pending0"),
    ]


def test_what_is_decided_between_two_pages_moves_nothing(rows):
    for number in range(4):
        rows.item(f"item{number}", at=NOON + number * DAY)
    first = ItemSearch(rows.objects).page(Search(), None, 2)
    rows.item("new", at=NOON + 9 * DAY)
    assert names(rows, after=first.following) == ["item1", "item0"]


def test_a_hold_is_told_with_the_item(various):
    page = ItemSearch(various.objects).page(Search(decided_by="user:bob"), None, 9)
    assert [(found.item.item_id, found.is_held) for found in page.found] == [
        ("c", True),
        ("b", False),
    ]
