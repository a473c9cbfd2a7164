"""The review desk: whose an image is, who decides, what is taken back, whatever races or dies."""

import threading
from datetime import timedelta

import pytest
from moderation_parts import ADA, BOB, EVE, Killed, Moderation, Mortal, predictions

from cloud.moderation.items import Lane, Remark, State
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.predictions import to_objects
from cloud.moderation.review import (
    CLAIM_LENGTH,
    ClaimedByAnother,
    NoSuchItem,
    NotYours,
    Reviewer,
    ReviewOrder,
    Ruling,
)
from cloud.operations import Set
from server.moderation.items import ITEM
from server.storage.port import Equals
from server.storage.sqlite.database import SqliteDatabase

APPROVE, REJECT, BACK = Ruling(State.APPROVED), Ruling(State.REJECTED), Ruling(State.REVIEW)
LIMIT = CLAIM_LENGTH.total_seconds()
BOBS_DESKTOP = Reviewer("bob", "Bob", "bobs desktop")


@pytest.fixture
def moderation(database):
    return Moderation(database)


@pytest.fixture
def desk(moderation):
    return moderation.desk()


@pytest.fixture
def item(moderation):
    """One image in review."""
    (only,) = moderation.queue(0.5)
    return only


def ids(items):
    return [item.item_id for item in items]


def rejected_for(key, category="nudity", note=None):
    return Ruling(State.REJECTED, Remark(category, note, key))


# --- claims ---------------------------------------------------------------------------------------


def test_the_oldest_image_is_handed_out_to_one_moderator(moderation, desk):
    first, second = moderation.queue(0.5, 0.5)
    assert ids(desk.claim(BOB)) == [first.item_id]
    assert ids(desk.claim(EVE)) == [second.item_id]
    assert desk.claim(Reviewer("dan", "Dan", "dans phone")) == []


def test_a_claim_says_whose_it_is_and_until_when(moderation, desk, item):
    (claimed,) = desk.claim(BOB)
    assert (claimed.claim.moderator_id, claimed.claim.session_id) == ("bob", "bobs phone")
    assert claimed.claim.until == moderation.clock() + CLAIM_LENGTH
    assert desk.item(item.item_id) == claimed


def test_what_a_session_holds_comes_first_and_is_renewed(moderation, desk):
    first, second, third = moderation.queue(0.5, 0.5, 0.5)
    assert ids(desk.claim(BOB, count=2)) == [first.item_id, second.item_id]
    moderation.clock.advance(LIMIT - 1)
    again = desk.claim(BOB, count=3)
    assert ids(again) == [first.item_id, second.item_id, third.item_id]
    assert {item.claim.until for item in again} == {moderation.clock() + CLAIM_LENGTH}
    assert ids(desk.claim(BOB, count=1)) == [first.item_id]
    assert desk.claim(EVE, count=5) == []


def test_riskiest_images_come_first_and_those_without_scores_last(moderation, desk):
    moderation.policies.policy = moderation.policies.policy.__class__({})
    low, high, middle = moderation.queue(0.2, 0.9, 0.5)
    broken = moderation.image(None, object_id="broken")
    moderation.pipeline.decide(
        broken, State.REVIEW, decided_by="system", reasons=("it is no image",)
    )
    order = [high.item_id, middle.item_id, low.item_id, broken.item_id]
    assert ids(desk.claim(BOB, order=ReviewOrder.RISKIEST, count=9)) == order
    assert ids(desk.claim(BOB, order=ReviewOrder.RISKIEST, count=9)) == order
    assert ids(desk.claim(BOB, count=9)) == ids([low, high, middle, broken])


def test_what_is_skipped_is_passed_over_and_let_go(moderation, desk):
    first, second, third = moderation.queue(0.5, 0.5, 0.5)
    desk.claim(BOB)
    skipping = [first.item_id, second.item_id]
    assert ids(desk.claim(BOB, count=3, skipping=skipping)) == [third.item_id]
    assert ids(desk.claim(EVE, count=3)) == skipping


def test_what_is_asked_for_by_name_comes_before_what_is_held(moderation, desk):
    items = moderation.queue(0.5, 0.5, 0.5, 0.5)
    first, _, third, fourth = ids(items)
    desk.claim(BOB, count=3)
    assert ids(desk.claim(BOB, count=2, asked=[fourth])) == [fourth, first]
    assert ids(desk.claim(BOB, count=2, asked=[third])) == [third, first]
    assert desk.claim(EVE, count=4) == []


def test_asking_by_name_gets_nothing_that_is_anothers_or_not_there(moderation, desk):
    first, second, third = ids(moderation.queue(0.5, 0.5, 0.5))
    desk.claim(BOB)
    assert ids(desk.claim(EVE, count=2, asked=[first, "nothing"])) == [second, third]


@pytest.mark.parametrize(("seconds", "whose"), [(LIMIT - 0.001, []), (LIMIT, ["the item"])])
def test_a_claim_runs_out_after_five_minutes(moderation, desk, item, seconds, whose):
    desk.claim(BOB)
    moderation.clock.advance(seconds)
    assert len(desk.claim(EVE)) == len(whose)


def test_a_renewed_claim_lasts(moderation, desk):
    first, second = moderation.queue(0.5, 0.5)
    desk.claim(BOB, count=2)
    moderation.clock.advance(LIMIT - 1)
    assert desk.renew(BOB, [first.item_id, "nothing"]) == [first.item_id]
    moderation.clock.advance(2)
    assert ids(desk.claim(EVE, count=2)) == [second.item_id]
    assert sorted(desk.renew(BOB, ids([first, second]))) == [first.item_id]


def test_nobody_keeps_a_whole_lane_from_the_others(moderation, desk, monkeypatch):
    monkeypatch.setattr("cloud.moderation.review.MOST_HELD", 20)
    names = ids(moderation.queue(*[0.5] * 24))
    for asked in (names[:8], names[8:16], names[16:]):
        desk.claim(BOB, count=8, asked=asked)
        desk.claim(BOB, skipping=asked)  # lets go of them
    assert len(desk.renew(BOB, names)) == 20
    assert len(desk.renew(BOB, names[::-1])) == 20
    for start in range(0, 24, 8):
        desk.claim(BOB, count=8, asked=names[start : start + 8])
    assert len(desk.claim(BOB, count=24)) == 20
    assert len(desk.claim(EVE, count=24)) == 4


def test_a_claim_that_ran_out_is_renewed_unless_somebody_took_it(moderation, desk, item):
    desk.claim(BOB)
    moderation.clock.advance(LIMIT + 60)
    assert desk.renew(BOB, [item.item_id]) == [item.item_id]
    assert desk.claim(EVE) == []


def test_claims_are_let_go_one_by_one_or_all_at_sign_out(moderation, desk):
    items = moderation.queue(0.5, 0.5, 0.5)
    desk.claim(BOB, count=3)
    desk.release(EVE, ids(items))
    desk.release(BOB, [items[1].item_id])
    assert ids(desk.claim(EVE, count=3)) == [items[1].item_id]
    desk.release(BOB)
    assert ids(desk.claim(EVE, count=3)) == ids([items[1], items[0], items[2]])


def test_a_claim_by_a_wrong_clock_counts_as_run_out(moderation, desk, item):
    desk.claim(BOB)
    far = moderation.clock() + timedelta(days=365)
    is_item = Equals("objectId", item.item_id)
    moderation.objects.update(ITEM, is_item, {"claimedUntil": Set(far)})
    assert ids(desk.claim(EVE)) == [item.item_id]


def test_only_what_is_in_review_is_handed_out(moderation, desk):
    moderation.queue(0.1, 0.9)
    moderation.image(b"0.5", object_id="pending")
    assert desk.claim(BOB, count=9) == []


def test_two_devices_of_one_moderator_get_different_images(moderation, desk):
    first, second = moderation.queue(0.5, 0.5)
    assert ids(desk.claim(BOB)) == [first.item_id]
    assert ids(desk.claim(BOBS_DESKTOP)) == [second.item_id]


class TakenMeanwhile:
    """A Claims port after whose first look at the queue somebody else takes what it saw."""

    def __init__(self, claims, meanwhile):
        self.claims, self.meanwhile = claims, [meanwhile]

    def free(self, *arguments, **options):
        found = self.claims.free(*arguments, **options)
        while self.meanwhile:
            self.meanwhile.pop()()
        return found

    def __getattr__(self, name):
        return getattr(self.claims, name)


def test_who_comes_second_gets_the_next_images(moderation, desk):
    items = moderation.queue(*[0.5] * 5)
    claims = TakenMeanwhile(desk._claims, lambda: desk.claim(EVE, count=2))
    assert ids(moderation.desk(claims=claims).claim(BOB, count=2)) == ids(items[2:4])


def test_who_comes_second_to_the_last_image_gets_none(moderation, desk, item):
    claims = TakenMeanwhile(desk._claims, lambda: desk.claim(EVE))
    assert moderation.desk(claims=claims).claim(BOB) == []


# --- rulings --------------------------------------------------------------------------------------


OUTCOMES = [("approved", (True, False)), ("rejected", (False, True))]


@pytest.mark.parametrize(("after", "flags"), OUTCOMES)
def test_a_ruling_decides_and_is_logged_with_its_remark(moderation, desk, item, after, flags):
    desk.claim(BOB)
    decision = desk.rule(BOB, item.item_id, Ruling(State(after), Remark("spam", "again", "key1")))
    assert moderation.shown(item) == (*flags, False, to_objects(predictions(0.5)))
    row = moderation.decisions(item)[-1]
    assert row["objectId"] == decision.decision_id
    assert (row["after"], row["decidedBy"]) == (after, "user:bob")
    assert (row["category"], row["note"], row["requestKey"]) == ("spam", "again", "key1")
    assert row["reasons"] == ["reviewed in the panel"]
    found = desk.item(item.item_id)
    assert (found.claim, found.lane) == (None, None)
    assert desk.log(item.item_id)[-1] == decision


def test_a_ruling_is_held_back_from_others_until_it_cannot_be_undone(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, APPROVE)
    assert decision.held_until == moderation.clock() + timedelta(seconds=30)
    assert desk.log(item.item_id)[-1].held_until == decision.held_until
    assert moderation.announced[-1] == decision


def test_another_moderator_s_claim_is_respected(moderation, desk, item):
    desk.claim(EVE)
    with pytest.raises(ClaimedByAnother) as refusal:
        desk.rule(BOB, item.item_id, APPROVE)
    assert refusal.value.claim.moderator_id == "eve"
    assert moderation.state(item) is State.REVIEW
    moderation.clock.advance(LIMIT)
    assert desk.rule(BOB, item.item_id, APPROVE).after is State.APPROVED


def test_a_claim_of_the_moderator_s_other_device_is_her_own(desk, item):
    desk.claim(BOBS_DESKTOP)
    assert desk.rule(BOB, item.item_id, APPROVE).after is State.APPROVED


def test_an_image_may_be_ruled_after_the_claim_ran_out(moderation, desk, item):
    desk.claim(BOB)
    moderation.clock.advance(3600)
    assert desk.rule(BOB, item.item_id, REJECT).after is State.REJECTED


def test_a_late_ruling_hears_who_decided_instead_of_overruling(moderation, desk, item):
    desk.claim(BOB)
    moderation.clock.advance(LIMIT)
    desk.claim(EVE)
    desk.rule(EVE, item.item_id, REJECT)
    for session in ("bobs phone", "bobs next sign-in"):
        with pytest.raises(AlreadyDecided) as refusal:
            desk.rule(Reviewer("bob", "Bob", session), item.item_id, APPROVE)
        assert refusal.value.item.decided_by == "user:eve"
    assert moderation.path(item) == ["review", "rejected"]


def test_a_ruling_after_a_decision_through_an_sdk_is_late_too(moderation, desk, item):
    desk.claim(BOB)
    moderation.decide(item, State.REJECTED, "master key")
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, APPROVE)


class Meanwhile:
    """A port before whose call of one method, the first time, something else happens."""

    def __init__(self, part, method, happens):
        self._part, self._method, self._happens = part, method, [happens]

    def __getattr__(self, name):
        method = getattr(self._part, name)
        if name != self._method:
            return method

        def call(*arguments, **options):
            while self._happens:
                self._happens.pop()()
            return method(*arguments, **options)

        return call


def test_of_two_rulings_at_the_same_moment_one_wins(moderation, desk, item):
    items = Meanwhile(moderation.items, "decide", lambda: desk.rule(EVE, item.item_id, REJECT))
    with pytest.raises(AlreadyDecided) as refusal:
        moderation.desk(items=items).rule(BOB, item.item_id, APPROVE)
    assert refusal.value.item.decided_by == "user:eve"
    assert moderation.path(item) == ["review", "rejected"]


def test_what_stands_so_already_is_decided_already(moderation, desk, item):
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, BACK)
    desk.rule(BOB, item.item_id, APPROVE)
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, APPROVE)
    assert moderation.path(item) == ["review", "approved"]


@pytest.mark.parametrize("after", [State.PENDING, State.ENDED])
def test_no_moderator_makes_an_image_pending_or_ended(moderation, desk, item, after):
    with pytest.raises(ValueError, match="nobody can decide"):
        desk.rule(BOB, item.item_id, Ruling(after))


def test_an_image_that_nobody_judged_yet_may_be_ruled(moderation, desk):
    item = moderation.image(b"0.1")
    desk.rule(BOB, item.item_id, REJECT)
    moderation.process_all()
    assert moderation.path(item) == ["rejected"]


# --- reversing ------------------------------------------------------------------------------------


def test_a_decision_is_reversed_as_often_as_need_be(moderation, desk):
    (item,) = moderation.queue(0.9)
    for ruling in (APPROVE, REJECT, BACK):
        desk.rule(BOB, item.item_id, ruling)
    assert moderation.path(item) == ["rejected", "approved", "rejected", "review"]
    assert ids(desk.claim(EVE)) == [item.item_id]


def test_who_has_seen_a_decision_may_reverse_it_and_nobody_else(moderation, desk, item):
    desk.claim(BOB)
    desk.release(BOB)
    desk.rule(EVE, item.item_id, REJECT)
    stale, fresh = [Ruling(State.APPROVED, seen=seen) for seen in (1, 2)]
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, stale)
    desk.rule(BOB, item.item_id, fresh)
    assert moderation.path(item) == ["review", "rejected", "approved"]


def test_a_ruling_that_outlives_a_whole_round_of_review_is_late(moderation, desk, item):
    """Of a phone that was offline while others decided, undid, and decided again."""
    desk.claim(BOB)
    desk.release(BOB)
    desk.undo(EVE, desk.rule(EVE, item.item_id, REJECT).decision_id)
    desk.rule(EVE, item.item_id, APPROVE)
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, REJECT)
    assert moderation.state(item) is State.APPROVED


def test_what_waited_on_a_phone_does_not_overrule_what_she_decided_since(moderation, desk, item):
    desk.claim(BOB)
    desk.rule(Reviewer("bob", "Bob", "bobs desktop"), item.item_id, REJECT)
    with pytest.raises(AlreadyDecided):
        desk.rule(BOB, item.item_id, APPROVE)
    desk.rule(BOB, item.item_id, Ruling(State.APPROVED, seen=2))
    assert moderation.path(item) == ["review", "rejected", "approved"]


def test_an_image_that_came_back_to_review_may_be_decided_by_whoever_had_seen_it(desk, item):
    desk.claim(BOB)
    desk.release(BOB)
    desk.rule(EVE, item.item_id, REJECT)
    desk.rule(EVE, item.item_id, BACK)
    assert desk.rule(BOB, item.item_id, REJECT).after is State.REJECTED


# --- repeated requests ----------------------------------------------------------------------------


def test_a_repeated_request_decides_nothing_twice(moderation, desk, item):
    first = desk.rule(BOB, item.item_id, rejected_for("key1"))
    assert desk.rule(BOB, item.item_id, rejected_for("key1")) == first
    assert desk.rule(BOBS_DESKTOP, item.item_id, rejected_for("key1")) == first
    assert moderation.path(item) == ["review", "rejected"]


def test_a_repeated_request_is_answered_whatever_became_of_the_image(moderation, desk, item):
    first = desk.rule(BOB, item.item_id, rejected_for("key1"))
    desk.rule(EVE, item.item_id, APPROVE)
    assert desk.rule(BOB, item.item_id, rejected_for("key1")) == first
    moderation.delete(item)
    assert desk.rule(BOB, item.item_id, rejected_for("key1")) == first
    assert moderation.path(item) == ["review", "rejected", "approved", "ended"]


def test_a_key_is_its_moderator_s_and_its_image_s(moderation, desk):
    first, second = moderation.queue(0.5, 0.5)
    desk.rule(BOB, first.item_id, rejected_for("key1"))
    desk.rule(BOB, second.item_id, rejected_for("key1"))
    assert moderation.path(second) == ["review", "rejected"]
    with pytest.raises(AlreadyDecided):
        desk.rule(EVE, first.item_id, rejected_for("key1"))


def test_a_request_that_comes_twice_at_the_same_moment_decides_once(moderation, desk, item):
    made = []

    def same_request():
        made.append(desk.rule(BOB, item.item_id, rejected_for("key1")))

    items = Meanwhile(moderation.items, "decide", same_request)
    again = moderation.desk(items=items).rule(BOB, item.item_id, rejected_for("key1"))
    assert [again] == made
    assert moderation.path(item) == ["review", "rejected"]


def test_a_request_is_repeated_while_its_first_decision_is_not_logged(moderation, desk, item):
    repeated = []

    def same_request():
        repeated.append(desk.rule(BOB, item.item_id, rejected_for("key1")))

    items = Meanwhile(moderation.items, "log", same_request)
    first = moderation.desk(items=items).rule(BOB, item.item_id, rejected_for("key1"))
    assert repeated == [first]
    assert moderation.path(item) == ["review", "rejected"]


# --- another image --------------------------------------------------------------------------------


def test_a_file_that_was_swapped_is_never_approved(moderation, desk, item):
    desk.claim(BOB)
    swapped = moderation.image(b"0.9 bad", object_id=item.subject.object_id)
    with pytest.raises(AlreadyDecided) as refusal:
        desk.rule(BOB, item.item_id, APPROVE)
    assert refusal.value.item.state is State.ENDED
    assert moderation.shown(swapped) == (False, False, False, None)
    moderation.process_all()
    assert moderation.path(swapped) == ["rejected"]


def test_an_image_that_is_gone_cannot_be_decided(moderation, desk, item):
    moderation.delete(item)
    for act in (desk.rule, desk.escalate):
        with pytest.raises(NoSuchItem):
            act(BOB, item.item_id, APPROVE if act == desk.rule else None)
    assert desk.item(item.item_id).state is State.ENDED


def test_what_there_is_not_is_said(desk, item):
    for act in (
        lambda: desk.item("nothing"),
        lambda: desk.rule(BOB, "nothing", APPROVE),
        lambda: desk.escalate(BOB, "nothing", None),
        lambda: desk.undo(BOB, "nothing-1"),
        lambda: desk.undo(BOB, "nonsense"),
        lambda: desk.undo(BOB, f"{item.item_id}-7"),
    ):
        with pytest.raises(NoSuchItem):
            act()
    assert desk.log("nothing") == []


# --- undo -----------------------------------------------------------------------------------------


def test_an_undone_image_stands_as_before_and_is_hers_again(moderation, desk, item):
    desk.claim(BOB)
    before = desk.item(item.item_id)
    decision = desk.rule(BOB, item.item_id, rejected_for("key1", note="bad"))
    moderation.clock.advance(20)
    undo = desk.undo(BOB, decision.decision_id)
    assert (undo.after, undo.undoes, undo.decided_by) == (State.REVIEW, 2, "user:bob")
    assert undo.reasons == ("undone", *before.reasons)
    assert moderation.path(item) == ["review", "rejected", "review"]
    assert moderation.shown(item) == (False, False, True, to_objects(predictions(0.5)))
    after = desk.item(item.item_id)
    assert after.claim.until == moderation.clock() + CLAIM_LENGTH
    assert (after.state, after.lane, after.claim.session_id) == ("review", "review", "bobs phone")
    for name in ("reasons", "decided_by", "remark", "evidence", "uploader"):
        assert getattr(after, name) == getattr(before, name), name
    assert desk.claim(EVE) == []
    assert desk.rule(BOB, item.item_id, APPROVE).after is State.APPROVED


def test_the_undone_image_is_claimed_in_the_same_step(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, APPROVE)
    claimed = []
    subjects = Meanwhile(moderation.subjects, "mirror", lambda: claimed.extend(desk.claim(EVE)))
    moderation.desk(subjects=subjects).undo(BOB, decision.decision_id)
    assert claimed == []


def test_twelve_decisions_are_undone_in_a_row(moderation, desk):
    items = moderation.queue(*[0.5] * 12)
    made = [desk.rule(BOB, item.item_id, REJECT) for item in desk.claim(BOB, count=12)]
    for decision in reversed(made):
        desk.undo(BOB, decision.decision_id)
    assert ids(desk.claim(BOB, count=20)) == ids(items)
    assert {tuple(moderation.path(item)) for item in items} == {("review", "rejected", "review")}


def test_a_reversal_that_is_undone_leaves_the_rules_decision(moderation, desk):
    (item,) = moderation.queue(0.9)
    before = desk.item(item.item_id)
    decision = desk.rule(BOB, item.item_id, APPROVE)
    undo = desk.undo(BOB, decision.decision_id)
    assert (undo.after, undo.restores) == (State.REJECTED, "rules")
    after = desk.item(item.item_id)
    assert (after.state, after.decided_by, after.claim) == (State.REJECTED, "rules", None)
    assert after.reasons == before.reasons
    assert moderation.shown(item)[:3] == (False, True, False)


def test_what_another_moderator_had_remarked_stands_again(moderation, desk, item):
    desk.rule(EVE, item.item_id, rejected_for("key1", "spam", "third time"))
    undo = desk.undo(BOB, desk.rule(BOB, item.item_id, APPROVE).decision_id)
    after = desk.item(item.item_id)
    assert (after.decided_by, after.remark) == ("user:eve", Remark("spam", "third time"))
    with pytest.raises(NotYours):
        desk.undo(EVE, undo.decision_id)


def test_an_image_ruled_before_it_was_judged_is_judged_after_an_undo(moderation, desk):
    item = moderation.image(b"0.1")
    desk.undo(BOB, desk.rule(BOB, item.item_id, REJECT).decision_id)
    assert moderation.shown(item) == (False, False, False, None)
    assert desk.item(item.item_id).decided_by is None
    moderation.process_all()
    assert moderation.path(item) == ["rejected", "pending", "approved"]


def test_repeating_an_undo_changes_nothing_more(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, rejected_for("key1"))
    first = desk.undo(BOB, decision.decision_id)
    desk.release(BOB)
    assert desk.undo(BOB, decision.decision_id) == first
    assert desk.claim(EVE) == []
    assert desk.rule(BOB, item.item_id, rejected_for("key1")) == decision  # replayed late
    assert moderation.path(item) == ["review", "rejected", "review"]
    desk.rule(BOB, item.item_id, APPROVE)
    assert desk.undo(BOB, decision.decision_id) == first
    assert moderation.path(item) == ["review", "rejected", "review", "approved"]


def test_a_repeated_undo_takes_the_image_from_nobody(desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    desk.undo(BOB, decision.decision_id)
    desk.release(BOB)
    assert ids(desk.claim(EVE)) == [item.item_id]
    desk.undo(BOB, decision.decision_id)
    assert desk.item(item.item_id).claim.moderator_id == "eve"


@pytest.mark.parametrize("method", ["decide", "log", "settled"])
def test_an_undo_that_comes_twice_at_the_same_moment_is_one(moderation, desk, item, method):
    decision, made = desk.rule(BOB, item.item_id, REJECT), []

    def same_undo():
        made.append(desk.undo(BOB, decision.decision_id))

    items = Meanwhile(moderation.items, method, same_undo)
    assert [moderation.desk(items=items).undo(BOB, decision.decision_id)] == made
    assert moderation.path(item) == ["review", "rejected", "review"]


def test_only_her_own_decisions_are_a_moderator_s_to_undo(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    for other in (EVE, ADA):
        with pytest.raises(NotYours):
            desk.undo(other, decision.decision_id)
    with pytest.raises(NotYours):
        desk.undo(BOB, f"{item.item_id}-1")
    assert moderation.path(item) == ["review", "rejected"]


def test_what_was_decided_since_is_not_undone(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    desk.rule(EVE, item.item_id, APPROVE)
    with pytest.raises(AlreadyDecided) as refusal:
        desk.undo(BOB, decision.decision_id)
    assert refusal.value.item.decided_by == "user:eve"


def test_what_is_decided_while_it_is_undone_stands(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    items = Meanwhile(moderation.items, "decide", lambda: desk.rule(EVE, item.item_id, APPROVE))
    with pytest.raises(AlreadyDecided) as refusal:
        moderation.desk(items=items).undo(BOB, decision.decision_id)
    assert refusal.value.item.decided_by == "user:eve"
    assert moderation.path(item) == ["review", "rejected", "approved"]


def test_what_is_decided_while_the_undo_reads_the_log_stands(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    undoing = moderation.desk()
    records = Meanwhile(
        undoing._records, "decisions", lambda: desk.rule(EVE, item.item_id, APPROVE)
    )
    undoing._records = records
    with pytest.raises(AlreadyDecided):
        undoing.undo(BOB, decision.decision_id)
    assert moderation.path(item) == ["review", "rejected", "approved"]


def test_several_decisions_on_one_image_are_undone_last_first(moderation, desk, item):
    first = desk.rule(BOB, item.item_id, REJECT)
    second = desk.rule(BOB, item.item_id, APPROVE)
    with pytest.raises(AlreadyDecided):
        desk.undo(BOB, first.decision_id)
    undo = desk.undo(BOB, second.decision_id)
    with pytest.raises(AlreadyDecided):
        desk.undo(BOB, undo.decision_id)
    assert desk.undo(BOB, first.decision_id).restores == "rules"
    assert moderation.path(item) == ["review", "rejected", "approved", "rejected", "review"]


def test_an_undo_on_a_swapped_file_is_refused(moderation, desk, item):
    decision = desk.rule(BOB, item.item_id, REJECT)
    swapped = moderation.image(b"0.9 bad", object_id=item.subject.object_id)
    for _ in range(2):
        with pytest.raises(AlreadyDecided) as refusal:
            desk.undo(BOB, decision.decision_id)
        assert refusal.value.item.state is State.ENDED
    assert moderation.shown(swapped) == (False, False, False, None)


# --- escalation -----------------------------------------------------------------------------------


def test_an_escalated_image_waits_for_admins_with_its_note(moderation, desk, item):
    desk.claim(BOB)
    desk.escalate(BOB, item.item_id, "is she of age?")
    assert desk.claim(BOB) == desk.claim(EVE) == []
    with pytest.raises(NotYours):
        desk.claim(BOB, lane=Lane.ESCALATED)
    (escalated,) = desk.claim(ADA, lane=Lane.ESCALATED)
    assert (escalated.item_id, escalated.remark.note) == (item.item_id, "is she of age?")
    assert (desk.waiting(Lane.REVIEW), desk.waiting(Lane.ESCALATED)) == (0, 1)
    assert moderation.shown(item) == (False, False, True, to_objects(predictions(0.5)))
    row = moderation.decisions(item)[-1]
    assert (row["before"], row["after"], row["lane"]) == ("review", "review", "escalated")
    assert (row["decidedBy"], row["reasons"]) == ("user:bob", ["escalated"])


def test_an_escalated_image_is_ruled_by_admins_only(moderation, desk, item):
    desk.escalate(BOB, item.item_id, None)
    for reviewer in (BOB, EVE):
        with pytest.raises(NotYours):
            desk.rule(reviewer, item.item_id, APPROVE)
    desk.rule(ADA, item.item_id, APPROVE)
    assert moderation.path(item) == ["review", "review", "approved"]


def test_an_admin_s_undone_ruling_leads_back_to_the_escalated_lane(desk, item):
    desk.escalate(BOB, item.item_id, "?")
    desk.undo(ADA, desk.rule(ADA, item.item_id, APPROVE).decision_id)
    (escalated,) = desk.claim(ADA, lane=Lane.ESCALATED)
    assert (escalated.decided_by, escalated.remark.note) == ("user:bob", "?")
    assert desk.claim(EVE) == []


def test_an_admin_may_send_an_escalated_image_back(desk, item):
    desk.escalate(BOB, item.item_id, "?")
    desk.rule(ADA, item.item_id, BACK)
    assert ids(desk.claim(EVE)) == [item.item_id]


def test_an_escalation_is_repeated_without_effect(moderation, desk, item):
    for _ in range(2):
        desk.escalate(BOB, item.item_id, "?")
    with pytest.raises(AlreadyDecided):
        desk.escalate(EVE, item.item_id, "?")
    assert moderation.path(item) == ["review", "review"]
    (other,) = moderation.queue(0.5)
    desk.escalate(BOB, other.item_id, "?", "key1")
    desk.rule(ADA, other.item_id, BACK)
    desk.escalate(BOB, other.item_id, "?", "key1")
    assert desk.item(other.item_id).lane is Lane.REVIEW


def test_an_escalation_that_comes_twice_at_the_same_moment_is_one(moderation, desk, item):
    items = Meanwhile(moderation.items, "decide", lambda: desk.escalate(BOB, item.item_id, "?"))
    moderation.desk(items=items).escalate(BOB, item.item_id, "?")
    assert moderation.path(item) == ["review", "review"]


def test_only_what_is_in_review_and_not_another_s_is_escalated(moderation, desk, item):
    desk.claim(EVE)
    with pytest.raises(ClaimedByAnother):
        desk.escalate(BOB, item.item_id, None)
    desk.rule(EVE, item.item_id, APPROVE)
    with pytest.raises(AlreadyDecided):
        desk.escalate(BOB, item.item_id, None)
    assert moderation.path(item) == ["review", "approved"]


def test_an_escalation_is_undone_unless_an_admin_looks_at_it(moderation, desk, item):
    desk.escalate(BOB, item.item_id, "?")
    escalation = desk.log(item.item_id)[-1]
    desk.claim(ADA, lane=Lane.ESCALATED)
    with pytest.raises(ClaimedByAnother):
        desk.undo(BOB, escalation.decision_id)
    desk.release(ADA)
    desk.undo(BOB, escalation.decision_id)
    assert ids(desk.claim(BOB)) == [item.item_id]
    assert desk.item(item.item_id).remark == Remark()


# --- a process that ends between any two steps ----------------------------------------------------


def rule_it(desk, item):
    return desk.rule(BOB, item.item_id, rejected_for("key1"))


def rule_and_undo_it(desk, item):
    return desk.undo(BOB, rule_it(desk, item).decision_id)


def escalate_it(desk, item):
    desk.escalate(BOB, item.item_id, "?")


@pytest.mark.parametrize(
    ("work", "path"),
    [
        (rule_it, ["review", "rejected"]),
        (rule_and_undo_it, ["review", "rejected", "review"]),
        (escalate_it, ["review", "review"]),
    ],
)
def test_a_request_that_a_killed_process_left_is_finished_by_its_repetition(tmp_path, work, path):
    for calls in range(40):
        (tmp_path / str(calls)).mkdir()
        database = SqliteDatabase(tmp_path / str(calls))
        moderation = Moderation(database)
        (item,) = moderation.queue(0.5)
        life = {"calls left": calls}
        parts = ("items", "subjects", "announced")
        items, subjects, notifier = [Mortal(getattr(moderation, part), life) for part in parts]
        mortal = moderation.desk(items=items, subjects=subjects, notifier=notifier)
        try:
            work(mortal, item)
        except Killed:
            died = True
        else:
            died = False
        work(moderation.desk(), item)
        assert moderation.path(item) == path, f"after {calls} calls"
        assert moderation.shown(item)[2] is (path[-1] == "review")
        assert "unsettled" not in moderation.row(item)
        told = {decision.decision_id for decision in moderation.announced}
        assert told == {row["objectId"] for row in moderation.decisions()}
        database.close()
        if not died:
            return
    pytest.fail("the work never came to its end")


def test_moderators_at_once_decide_each_image_once(moderation):
    """Eight threads, one image at a time; nobody is shown what another one looks at."""
    items = moderation.queue(*[0.5] * 24)
    looked_at, problems, lock = set(), [], threading.Lock()

    def review(number):
        desk, reviewer = moderation.desk(), Reviewer(f"m{number}", "M", f"s{number}")
        while claimed := desk.claim(reviewer):
            (item,) = claimed
            with lock:
                if item.item_id in looked_at:
                    problems.append(item.item_id)
                looked_at.add(item.item_id)
            desk.rule(reviewer, item.item_id, APPROVE)

    threads = [threading.Thread(target=review, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [moderation.path(item) for item in items] == [["review", "approved"]] * 24
