"""Rows of the record that cannot be read: they are left out, and end nothing for the others."""

from datetime import timedelta

import pytest
from moderation_parts import BOB, NOON, Moderation

from cloud.moderation.items import Lane, State
from cloud.values import Pointer
from server.moderation.items import DECISION, ITEM

STAMPS = {"createdAt": NOON, "updatedAt": NOON, "ACL": {}}
BAD_ITEMS = [
    {"objectId": "unsettled", "state": "review", "unsettled": {"a": 1}, "unsettledSince": NOON},
    {"objectId": "pending", "state": "pending", "dueAt": NOON, "attempts": 0},
    {"objectId": "decided", "state": "approved", "decidedAt": NOON, "subjectId": "object1",
     "subjectClass": "UserImage", "predictions": [{"className": "Cat", "probability": 2}]},
    {"objectId": "waiting", "state": "review", "lane": "review", "decidedAt": NOON},
]  # fmt: skip
BAD_DECISION = {"objectId": "x-1", "item": Pointer("ModerationItem", "decided"), "number": 1}


def spoil(objects):
    for row in BAD_ITEMS:
        objects.insert(ITEM, {**STAMPS, **row})
    objects.insert(DECISION, {**STAMPS, **BAD_DECISION})


@pytest.fixture
def moderation(database):
    made = Moderation(database)
    made.items.due(NOON, 1)  # which makes the classes
    spoil(made.objects)
    return made


def test_the_sweep_goes_on(moderation, caplog):
    item = moderation.image()
    moderation.clock.advance(60)
    moderation.process_all()
    assert moderation.state(item) is State.APPROVED
    assert moderation.items.lease("pending", NOON, NOON) is None
    assert "row unsettled of moderation cannot be read: KeyError" in caplog.text


def test_rows_that_cannot_be_read_come_after_all_others(moderation):
    item = moderation.image()
    decision = moderation.decide(item, State.REJECTED)
    since = {"unsettledSince": NOON + timedelta(seconds=1)}
    moderation.objects.insert(ITEM, {**moderation.row(item), "objectId": "left", **since})
    later = NOON + timedelta(seconds=2)
    assert moderation.items.unsettled(later, 1) == []
    assert [each.item_id for each in moderation.items.unsettled(later, 1)] == ["left"]
    assert decision.after is State.REJECTED


def test_an_item_that_cannot_be_read_is_none(moderation):
    item = moderation.image()
    assert moderation.items.get("decided") is None
    assert moderation.items.of_object("UserImage", "object1") == [item]


def test_moderators_get_the_others(moderation):
    (item,) = moderation.queue(0.5)
    claimed = moderation.desk().claim(BOB, lane=Lane.REVIEW, count=3)
    assert [each.item_id for each in claimed] == [item.item_id]
