"""All that is known of an item, on each database."""

import pytest
from item_rows import DAY, NOON, ItemRows

from cloud.moderation.items import State
from cloud.operations import Set
from cloud.values import File
from server.moderation.holds import HOLD, LegalHolds
from server.moderation.items import ITEM
from server.moderation.subjects import shown_column, shows, subject_schema
from server.panel.dossiers import Dossiers
from server.storage.port import EVERYTHING, Equals, Query
from server.webhooks.deliveries import SCHEMA as DELIVERY
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import parse_receivers

USER_IMAGE = subject_schema("UserImage", "image")


@pytest.fixture
def rows(database):
    made = ItemRows(database)
    made.item("a", State.REVIEW, at=NOON, object_id="photo", scores={"porn": 0.6})
    return made


@pytest.fixture
def holds(rows):
    return LegalHolds(rows.database, rows.schemas)


@pytest.fixture
def dossiers(rows, holds):
    return Dossiers(rows.database, rows.schemas, holds)


def test_there_is_none_of_what_is_no_item(dossiers):
    assert dossiers.of("nothing") is None


def test_it_holds_the_whole_log_in_order(rows, dossiers):
    rows.decide("a", State.REJECTED, "user:bob", NOON + DAY, category="nudity", note="clear")
    found = dossiers.of("a")
    assert [(each.number, each.after.value) for each in found.log] == [
        (1, "review"),
        (2, "rejected"),
    ]
    assert found.log[1].remark.note == "clear"
    assert found.item.state is State.REJECTED


def test_it_shows_the_columns_of_the_object_as_they_are_now(rows, dossiers):
    document = {
        "objectId": "photo", "createdAt": NOON, "updatedAt": NOON, "ACL": {},
        "image": File("a.jpg"), "isSafe": False, "deleted": False, "moderationRequired": True,
        "NSFWPredictions": [], shown_column("image"): shows("a", 1), "caption": "private",
    }  # fmt: skip
    rows.objects.insert(USER_IMAGE, document)
    columns = dossiers.of("a").columns
    assert (columns["isSafe"], columns["moderationRequired"]) == (False, True)
    assert columns["image"] == File("a.jpg")
    assert "caption" not in columns
    assert not [name for name in columns if name.startswith("_")], "the server's own"


def test_it_says_when_there_is_no_object(dossiers):
    assert dossiers.of("a").columns is None


def test_it_tells_how_each_webhook_fared(rows, dossiers):
    receivers = parse_receivers(["https://one.example/hook?token=x", "https://two.example/"])
    deliveries = StoredDeliveries(rows.database, rows.schemas, receivers)
    decision = rows.decide("a", State.REJECTED, "user:bob", NOON + DAY)
    deliveries.announce(decision)
    (first, second) = [deliveries.due(receiver.shown, NOON + DAY, 9)[0] for receiver in receivers]
    leased = deliveries.lease(first, NOON + DAY, NOON + 2 * DAY)
    deliveries.delivered(leased, 204, NOON + DAY)
    leased = deliveries.lease(second, NOON + DAY, NOON + 2 * DAY)
    deliveries.failed(leased, None, "no route", NOON + DAY, None)
    told = {each.url: each for each in dossiers.of("a").deliveries["a-2"]}
    assert told["https://one.example/hook"].state == "delivered"
    assert told["https://one.example/hook"].delivered_at == NOON + DAY
    assert told["https://two.example/"].problem == "no route"
    assert told["https://two.example/"].attempts == 1
    assert rows.objects.count(DELIVERY, EVERYTHING) == 2


# --- legal holds ----------------------------------------------------------------------------------


def hold(holds, item_id="a", *, is_held=True, by="user:alice", reason="case 12", at=NOON):
    return holds.change(item_id, by, reason, at, is_held=is_held)


def test_a_hold_is_a_flag_and_an_entry_in_the_log(rows, holds, dossiers):
    assert hold(holds)
    found = dossiers.of("a")
    assert found.is_held
    (change,) = found.holds
    assert (change.is_held, change.by, change.reason, change.at) == (
        True, "user:alice", "case 12", NOON,
    )  # fmt: skip


def test_lifting_a_hold_is_noted_and_takes_nothing_away(holds, dossiers):
    hold(holds)
    assert hold(holds, is_held=False, reason="case closed", at=NOON + DAY)
    found = dossiers.of("a")
    assert not found.is_held
    assert [change.reason for change in found.holds] == ["case 12", "case closed"]


def test_repeating_it_notes_nothing_twice(holds):
    for _ in range(2):
        assert hold(holds)
    assert len(holds.log("a")) == 1
    assert hold(holds, is_held=False)
    assert hold(holds, is_held=False)
    assert len(holds.log("a")) == 2


def test_no_hold_on_what_is_no_item_and_nothing_is_noted(rows, holds):
    assert not hold(holds, "nothing")
    assert rows.objects.find(HOLD, Query()) == []


def test_a_hold_whose_process_ended_before_the_log_is_noted_by_the_next(rows, holds):
    rows.flag("a")
    assert hold(holds)
    assert len(holds.log("a")) == 1


def test_a_hold_whose_lifting_was_cut_short_still_holds(rows, holds, dossiers):
    hold(holds)
    hold(holds, is_held=False)
    rows.objects.update(ITEM, Equals("objectId", "a"), {"legalHold": Set(True)})
    assert dossiers.of("a").is_held
    assert hold(holds, reason="again")
    assert [change.is_held for change in holds.log("a")] == [True, False, True]
