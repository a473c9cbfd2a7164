"""Items and the log on each database: what is kept, who gets an item, and what happens once."""

import threading
from datetime import timedelta

import pytest
from moderation_parts import NOON, Moderation, predictions

from cloud.moderation.items import Evidence, State, next_decision
from server.objects.system_classes import NOBODY

EVIDENCE = Evidence(
    predictions=predictions(0.25),
    content_sha256="ab" * 32,
    model_name="Mid",
    model_version="1",
    policy_version=3,
)
LATER = NOON + timedelta(seconds=30)


@pytest.fixture
def moderation(database):
    return Moderation(database)


def decision_on(item, after=State.REVIEW, **changes):
    given = {"decided_by": "rules", "reasons": ["because"], "evidence": EVIDENCE, "now": NOON}
    return next_decision(item, after, **{**given, **changes})


def at_once(call, times=6):
    """Call in so many threads at the same moment; returns what they returned."""
    results, barrier = [], threading.Barrier(times)

    def run():
        barrier.wait()
        results.append(call())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_an_item_comes_back_as_it_was_added(moderation):
    item = moderation.item()
    assert moderation.items.get(item.item_id) == item
    assert moderation.items.get("nobody") is None


def test_an_item_comes_back_with_its_unsettled_decision(moderation):
    item = moderation.item()
    decision = decision_on(item)
    assert moderation.items.decide(decision) is True
    found = moderation.items.get(item.item_id)
    assert (found.state, found.transitions, found.decided_by) == (State.REVIEW, 1, "rules")
    assert (found.evidence, found.unsettled) == (EVIDENCE, decision)
    moderation.items.settled(decision)
    assert moderation.items.get(item.item_id).unsettled is None


def test_one_of_many_gets_the_lease(moderation):
    item = moderation.item()
    leased = at_once(lambda: moderation.items.lease(item.item_id, NOON, LATER))
    (lease,) = [found for found in leased if found is not None]
    assert lease.attempts == 1
    assert moderation.items.due(NOON, 10) == []
    assert moderation.items.lease(item.item_id, LATER, LATER).attempts == 2


def test_one_of_many_makes_the_transition(moderation):
    item = moderation.item()
    made = at_once(lambda: moderation.items.decide(decision_on(item)))
    assert sorted(made) == [False] * 5 + [True]


def test_no_transition_is_made_while_one_is_unsettled(moderation):
    item = moderation.item()
    first = decision_on(item)
    moderation.items.decide(first)
    second = decision_on(moderation.items.get(item.item_id), State.APPROVED)
    assert moderation.items.decide(second) is False
    moderation.items.settled(first)
    assert moderation.items.decide(second) is True


def test_a_decision_is_logged_once(moderation):
    decision = decision_on(moderation.item())
    at_once(lambda: moderation.items.log(decision))
    (row,) = moderation.decisions()
    assert (row["objectId"], row["createdAt"]) == (decision.decision_id, NOON)
    assert (row["number"], row["before"], row["after"]) == (1, "pending", "review")
    assert (row["reasons"], row["policyVersion"]) == (["because"], 3)
    assert row["ACL"] == {}


def test_an_older_decision_does_not_settle_a_newer_one(moderation):
    item = moderation.item()
    first = decision_on(item)
    moderation.items.decide(first)
    moderation.items.settled(first)
    second = decision_on(moderation.items.get(item.item_id), State.APPROVED)
    moderation.items.decide(second)
    moderation.items.settled(first)
    assert moderation.items.get(item.item_id).unsettled == second


def test_due_are_those_that_wait_for_nothing_oldest_first(moderation):
    ids = []
    for seconds in (3, 1, 2):
        moderation.clock.time = NOON + timedelta(seconds=seconds)
        ids.append(moderation.item().item_id)
    leased = moderation.item()
    moderation.items.lease(leased.item_id, LATER, LATER + timedelta(seconds=1))
    decided = moderation.item()
    moderation.items.decide(decision_on(decided))
    assert moderation.items.due(NOON + timedelta(seconds=2), 10) == [ids[1], ids[2]]
    assert moderation.items.due(LATER, 10) == [ids[1], ids[2], ids[0]]
    assert moderation.items.due(LATER, 2) == [ids[1], ids[2]]


def test_put_off_counts_the_attempt_or_takes_it_back(moderation):
    item = moderation.item()
    lease = moderation.items.lease(item.item_id, NOON, NOON)
    moderation.items.put_off(lease, LATER, "busy", counts=False)
    assert moderation.row(item)["attempts"] == 0
    assert moderation.items.lease(item.item_id, NOON, LATER) is None
    lease = moderation.items.lease(item.item_id, LATER, LATER)
    moderation.items.put_off(lease, LATER, "missing", counts=True)
    assert (moderation.row(item)["attempts"], moderation.row(item)["problem"]) == (1, "missing")


def test_unsettled_are_those_whose_decider_had_his_time(moderation):
    item = moderation.item()
    moderation.items.decide(decision_on(item))
    assert moderation.items.unsettled(NOON, 10) == []
    assert [found.item_id for found in moderation.items.unsettled(LATER, 10)] == [item.item_id]
    assert [found.item_id for found in moderation.items.unsettled(NOON - timedelta(days=1), 10)]


def test_items_of_an_object_are_those_that_have_not_ended(moderation):
    first, second = moderation.item(), moderation.item(column="thumb")
    moderation.item(object_id="object2")
    moderation.items.decide(decision_on(first, State.ENDED))
    found = moderation.items.of_object("UserImage", "object1")
    assert [item.item_id for item in found] == [second.item_id]


def test_items_and_log_belong_to_the_master_key(moderation, database):
    moderation.item()
    schemas = {schema.class_name: schema for schema in database.schemas.all()}
    for name in ("ModerationItem", "ModerationDecision"):
        assert schemas[name].permissions == NOBODY
