"""Webhooks and undo, on each database: receivers hear of a decision and its undo, or of neither."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from image_host import MASTER
from moderation_parts import ADA, BOB, EVE, Moderation
from webhook_receiver import SECRET, decision

from cloud.moderation.items import State
from cloud.moderation.review import Ruling
from server.panel.wiring import make_desk
from server.storage.port import Query
from server.webhooks.deliveries import SCHEMA

APPROVE, REJECT = Ruling(State.APPROVED), Ruling(State.REJECTED)


class Shop:
    """A moderation whose decisions are told to receivers, by a deliverer that tests set going."""

    def __init__(self, database, office, clock, undo_window_s):
        self.moderation = Moderation(database, clock=clock)
        self.office, self.clock = office, clock
        clock.advance = lambda seconds: clock.skip(seconds=seconds)
        self.moderation.pipeline = self.moderation.pipeline_of(
            self.moderation.items, self.moderation.subjects, office.deliveries
        )
        self.desk = self.moderation.desk(notifier=office.deliveries, undo_window_s=undo_window_s)

    def review(self):
        """An image in review, of which the receivers know."""
        (item,) = self.moderation.queue(0.5)
        self.office.deliver()
        return item

    def rows(self, item):
        """The delivery log of an item: number and state, by number."""
        found = []
        for row in self.office.rows():
            item_id, _, number = row["decision"].object_id.rpartition("-")
            if item_id == item.item_id:
                found.append((int(number), row["state"]))
        return sorted(found)


@pytest.fixture
def shop(database, office, clock):
    def make(*receivers, undo_window_s=30):
        return Shop(database, office(*[r.url for r in receivers]), clock, undo_window_s)

    return make


def told(receiver):
    return [(body["data"]["number"], body["data"]["to"]) for body in receiver.bodies]


def test_a_moderator_s_decision_is_told_when_it_cannot_be_undone_any_more(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=29)
    assert site.office.deliver() == 0
    clock.skip(seconds=1)
    assert site.office.deliver() == 1
    assert told(receiver) == [(1, "review"), (2, "rejected")]
    row = next(r for r in site.office.rows() if r["decision"].object_id == made.decision_id)
    assert row["notBefore"] == made.decided_at + timedelta(seconds=30)


def test_with_no_window_it_is_told_at_once(shop, receive):
    receiver = receive()
    site = shop(receiver, undo_window_s=0)
    site.desk.rule(BOB, site.review().item_id, REJECT)
    assert site.office.deliver() == 1


def test_decisions_of_rules_sdks_and_master_key_are_told_at_once(shop, receive):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    for after, by in ((State.APPROVED, "user:bob"), (State.REJECTED, "master key")):
        site.moderation.decide(item, after, by)
        site.office.deliver()
    assert told(receiver) == [(1, "review"), (2, "approved"), (3, "rejected")]


def test_what_is_undone_in_time_is_told_to_nobody(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=29)
    undo = site.desk.undo(BOB, made.decision_id)
    site.moderation.pipeline.settle(undo)  # again, by a sweeper
    clock.skip(minutes=2)
    assert site.office.deliver() == 0
    assert site.rows(item) == [(1, "delivered"), (2, "withdrawn")]
    site.desk.rule(BOB, item.item_id, APPROVE)
    clock.skip(seconds=30)
    site.office.deliver()
    assert told(receiver) == [(1, "review"), (4, "approved")]


def test_what_is_undone_after_it_was_told_is_told_at_once(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=30)
    site.office.deliver()
    undo = site.desk.undo(BOB, made.decision_id)
    site.moderation.pipeline.settle(undo)
    assert site.office.deliver() == 1
    assert told(receiver) == [(1, "review"), (2, "rejected"), (3, "review")]
    data = receiver.bodies[-1]["data"]
    assert (data["decidedBy"], data["reasons"][0]) == ("user:bob", "undone")


def test_what_may_have_been_heard_is_not_withdrawn(shop, receive, clock):
    receiver = receive(204, 500, 204)
    site = shop(receiver)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=30)
    site.office.deliver()  # which the receiver answers 500, whatever it did with it
    site.desk.undo(BOB, made.decision_id)
    clock.skip(seconds=5)
    site.office.deliver()
    assert sorted(told(receiver)) == [
        (1, "review"),
        (2, "rejected"),
        (2, "rejected"),
        (3, "review"),
    ]


def test_each_receiver_hears_of_both_or_of_neither(shop, receive, clock):
    quick, slow = receive(), receive()
    site = shop(quick, slow)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=30)
    site.office.deliver(site.office.queues[0])
    site.desk.undo(BOB, made.decision_id)
    site.office.deliver()
    assert told(quick) == [(1, "review"), (2, "rejected"), (3, "review")]
    assert told(slow) == [(1, "review")]


def test_a_delivery_that_is_leased_while_the_undo_comes_is_told_with_its_undo(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    made = site.desk.rule(BOB, item.item_id, REJECT)
    clock.skip(seconds=30)
    deliveries = site.office.deliveries
    (due,) = deliveries.due(receiver.url, clock(), 10)
    leased = deliveries.lease(due, clock(), clock() + timedelta(seconds=60))
    site.desk.undo(BOB, made.decision_id)
    deliveries.delivered(leased, 204, clock())
    assert site.rows(item) == [(1, "delivered"), (2, "delivered"), (3, "waiting")]


def test_a_delivery_that_is_withdrawn_cannot_be_leased(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    made = site.desk.rule(BOB, site.review().item_id, REJECT)
    clock.skip(seconds=30)
    deliveries = site.office.deliveries
    (due,) = deliveries.due(receiver.url, clock(), 10)
    site.desk.undo(BOB, made.decision_id)
    site.office.queues[0].deliver(due)
    assert told(receiver) == [(1, "review")]


def test_undo_and_delivery_at_the_same_moment_agree(shop, receive, clock):
    receiver = receive()
    site = shop(receiver, undo_window_s=3)
    for _ in range(8):
        item = site.review()
        made = site.desk.rule(BOB, item.item_id, REJECT)
        clock.skip(seconds=3)
        (due,) = site.office.deliveries.due(receiver.url, clock(), 10)
        barrier = threading.Barrier(2)

        def deliver(due=due, barrier=barrier):
            barrier.wait()
            site.office.queues[0].deliver(due)

        thread = threading.Thread(target=deliver)
        thread.start()
        barrier.wait()
        site.desk.undo(BOB, made.decision_id)
        thread.join()
        site.office.deliver()
        assert site.rows(item) in (
            [(1, "delivered"), (2, "withdrawn")],
            [(1, "delivered"), (2, "delivered"), (3, "delivered")],
        )


def test_what_was_announced_late_is_not_told_after_its_undo(shop, receive, clock):
    """A process stood still for long between the decision and its announcement."""
    receiver = receive()
    site = shop(receiver)
    made = site.desk.rule(BOB, site.review().item_id, REJECT)
    site.desk.undo(BOB, made.decision_id)
    site.office.deliveries.announce(made)
    clock.skip(minutes=2)
    assert site.office.deliver() == 0


def test_an_undo_over_other_decisions_is_told(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    first, second = (site.desk.rule(BOB, item.item_id, ruling) for ruling in (REJECT, APPROVE))
    for made in (second, first):
        site.desk.undo(BOB, made.decision_id)
    clock.skip(seconds=30)
    site.office.deliver()
    assert sorted(told(receiver)) == [(1, "review"), (2, "rejected"), (5, "review")]


def test_escalations_are_told_to_nobody(shop, receive, clock):
    receiver = receive()
    site = shop(receiver)
    item = site.review()
    site.desk.escalate(EVE, item.item_id, "?")
    site.desk.rule(ADA, item.item_id, Ruling(State.REVIEW))
    site.desk.escalate(EVE, item.item_id, "?")
    site.desk.undo(EVE, f"{item.item_id}-4")
    clock.skip(seconds=30)
    assert site.office.deliver() == 0
    assert site.rows(item) == [(1, "delivered")]


def test_undo_of_what_a_receiver_was_never_told_is_told(office, receive):
    """It was added since, so it takes whatever comes."""
    receiver = receive()
    post = office(receiver.url)
    undo = replace(decision(3), before=State.REJECTED, after=State.REVIEW, undoes=2)
    post.deliveries.announce(undo)
    assert [row["state"] for row in post.rows()] == ["waiting"]


def test_the_panel_s_desk_waits_as_long_as_the_settings_say(make_parse, receive):
    parse = make_parse(
        moderation_webhook_urls=receive().url,
        moderation_webhook_secret=SECRET,
        webhook_allow="127.0.0.1",
        undo_window=7,
    )
    body = {"image": {"__type": "File", "name": "no_such_file.jpg"}}
    image_id = parse.create("UserImage", body, by=MASTER)
    (item,) = parse.find("ModerationItem", by=MASTER)
    desk = make_desk(parse.services)
    made = desk.rule(BOB, item["objectId"], REJECT)
    assert parse.stored("UserImage", image_id)["deleted"] is True
    (row,) = parse.services.database.objects.find(SCHEMA, Query())
    assert row["decision"].object_id == made.decision_id
    assert row["notBefore"] == made.decided_at + timedelta(seconds=7)
    parse.services.webhooks.close()
