"""The log of decisions as the export reads it, on each database."""

import pytest
from item_rows import DAY, NOON, ItemRows

from admin.ports.history import ScoreRange, Search, Span
from cloud.moderation.items import State
from ml_models.types import Label
from server.moderation.items import ITEM
from server.panel.decision_log import DecisionLog
from server.storage.port import Equals

BOB = "user:bob"


@pytest.fixture
def rows(database):
    """One image that rules rejected and bob approved after an hour, and one by itself."""
    made = ItemRows(database)
    made.item(
        "a", State.REJECTED, at=NOON, uploader="alice", scores={"porn": 0.9}, policy=2,
        object_id="photo",
    )  # fmt: skip
    made.item("b", State.REVIEW, at=NOON + DAY, uploader="dave", uploaded=NOON + DAY)
    made.decide("a", State.APPROVED, BOB, NOON + 2 * DAY, category="other", note="fine")
    return made


def ids(rows, page_size=500, **search):
    log = DecisionLog(rows.objects, page_size=page_size)
    return [each.decision.decision_id for each in log.matching(Search(**search))]


def test_every_decision_comes_oldest_first_whatever_the_page(rows):
    for page_size in (1, 2, 3, 500):
        assert ids(rows, page_size) == ["a-1", "b-1", "a-2"]


def test_decisions_of_one_moment_come_each_once(rows):
    for number in range(5):
        rows.item(f"same{number}", at=NOON + 5 * DAY)
    assert ids(rows, 2)[3:] == [f"same{number}-1" for number in range(5)]


SEARCHES = [
    ({"state": State.REJECTED}, "a-1"),
    ({"decided_by": BOB}, "a-2"),
    ({"category": "other"}, "a-2"),
    ({"policy_version": 2}, "a-1 a-2"),
    ({"scores": ScoreRange(Label.PORN, 0.9, 1)}, "a-1 a-2"),
    ({"scores": ScoreRange(Label.PORN, 0.91, 1)}, ""),
    ({"decided": Span(NOON, NOON + DAY)}, "a-1"),
    ({"decided": Span(NOON + DAY)}, "b-1 a-2"),
    ({"uploader": "alice"}, "a-1 a-2"),
    ({"uploaded": Span(NOON + DAY)}, "b-1"),
    ({"uploaded": Span(end=NOON + DAY)}, "a-1 a-2"),
    ({"name": "photo"}, "a-1 a-2"),
    ({"name": "b"}, "b-1"),
    ({"held": True}, "b-1"),
]


def test_each_filter_holds_of_the_decision_itself(rows):
    rows.flag("b")
    for search, expected in SEARCHES:
        assert ids(rows, **search) == expected.split(), search


def test_a_decision_knows_its_item_and_its_log(rows):
    first, _, last = DecisionLog(rows.objects).matching(Search())
    assert (first.uploader, first.uploaded_at) == ("alice", NOON)
    assert [each.number for each in first.log] == [1, 2]
    assert first.approved_at() == NOON + 2 * DAY
    assert last.earlier() == first.decision
    assert last.decision.remark.note == "fine"


def test_decisions_of_an_item_that_is_being_purged_are_left_out(rows):
    rows.objects.delete(ITEM, Equals("objectId", "a"))
    assert ids(rows) == ["b-1"]
