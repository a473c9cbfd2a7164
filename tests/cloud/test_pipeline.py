"""The pipeline: what becomes of an image, whatever fails, repeats, races or dies on the way."""

import threading
from datetime import timedelta

import pytest
from moderation_parts import (
    MODEL,
    POLICY,
    SCORES,
    Forgetful,
    Killed,
    Moderation,
    Mortal,
    predictions,
)

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.moderation.memory import NotReadYet
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.policy import read_policy
from cloud.moderation.predictions import to_objects
from cloud.moderation.types import Policy
from cloud.operations import Set
from ml_models.errors import ClassifierBusy, DecodeError, ModelMissing, TooMuchMemory
from ml_models.types import Fingerprint, Inspection
from server.moderation.checks import SCHEMA as CHECK
from server.moderation.items import ITEM
from server.moderation.memory import ENTRY, MATCH, StoredMemory
from server.moderation.near_copies import NearCopies
from server.moderation.subjects import subject_schema
from server.objects.schemas import Schemas
from server.storage.port import EVERYTHING, Equals, Query
from server.storage.sqlite.database import SqliteDatabase

PENDING = (False, False, False, None)
SUBJECT = subject_schema("UserImage", "image")


@pytest.fixture
def moderation(database):
    return Moderation(database)


def in_thread(call, *arguments):
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


# --- rules ----------------------------------------------------------------------------------------

OFF = "moderationAutomation is not switched on"
NO_POLICY = "no policy: moderationScores is not set"
OUTCOMES = [
    (POLICY, 0.3, State.APPROVED, []),
    (POLICY, 0.4, State.REVIEW, ["Porn 0.4000 is from 0.4 to 0.8"]),
    (POLICY, 0.9, State.REJECTED, ["Porn 0.9000 is above 0.8"]),
    (read_policy(SCORES, False), 0.3, State.REVIEW, [OFF]),
    (read_policy(SCORES), 0.9, State.REVIEW, [OFF, "Porn 0.9000 is above 0.8"]),
    (Policy({}, automation_enabled=True), 0.3, State.REVIEW, [NO_POLICY]),
    (Policy({}), 0.3, State.REVIEW, [OFF, NO_POLICY]),
]


@pytest.mark.parametrize(("policy", "porn", "state", "reasons"), OUTCOMES)
def test_the_rules_decide_and_say_why(moderation, policy, porn, state, reasons):
    moderation.policies.policy = policy
    item = moderation.image(b"%f" % porn)
    moderation.pipeline.process(item.item_id)
    assert moderation.state(item) is state
    (decision,) = moderation.decisions(item)
    assert (decision["after"], decision["decidedBy"]) == (state, "rules")
    assert decision["reasons"] == reasons
    flags = (state is State.APPROVED, state is State.REJECTED, state is State.REVIEW)
    assert moderation.shown(item) == (*flags, to_objects(predictions(porn)))


@pytest.mark.parametrize(
    ("porn", "state", "reason"),
    [
        (0.9, State.REJECTED, "on black: Porn 0.9000 is above 0.8"),
        (0.5, State.REVIEW, "on black: Porn 0.5000 is from 0.4 to 0.8"),
    ],
)
def test_what_only_a_dark_page_shows_is_not_approved(moderation, porn, state, reason):
    seen_through = Inspection(predictions(0.1), Fingerprint("0" * 64, 0), predictions(porn))
    moderation.classifier.classify = lambda data: seen_through
    item = moderation.image()
    moderation.pipeline.process(item.item_id)
    (decision,) = moderation.decisions(item)
    assert (moderation.state(item), decision["reasons"]) == (state, [reason])
    assert moderation.shown(item)[3] == to_objects(predictions(0.1))


def test_a_decision_names_policy_model_and_content(moderation):
    moderation.policies.policy = Policy(POLICY.thresholds, automation_enabled=True, version=7)
    item = moderation.image(b"0.1 x")
    moderation.pipeline.process(item.item_id)
    (decision,) = moderation.decisions(item)
    assert (decision["modelName"], decision["modelVersion"]) == (MODEL.name, MODEL.version)
    assert decision["policyVersion"] == 7
    assert len(decision["contentSha256"]) == 64
    assert [announced.number for announced in moderation.announced] == [1]


# --- what cannot be classified --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (b"0.1", DecodeError("scripted"), DecodeError.public_message),
        (b"0.1", TooMuchMemory(10**6), TooMuchMemory(10**6).public_message),
        (bytes(101), None, "The image has more than 100 bytes, the most that is accepted."),
    ],
)
def test_an_image_that_cannot_be_read_goes_to_review_at_once(moderation, data, error, reason):
    moderation.classifier.error = error
    item = moderation.image(data)
    moderation.pipeline.process(item.item_id)
    assert moderation.shown(item) == (False, False, True, [])
    (decision,) = moderation.decisions(item)
    assert (decision["decidedBy"], decision["reasons"]) == ("system", [reason])


def test_a_missing_file_is_tried_again_and_again_then_goes_to_review(moderation):
    item = moderation.image(None)
    for wait in (2, 4, 8, 16):
        moderation.process_all()
        assert moderation.shown(item) == PENDING
        moderation.clock.advance(wait - 1)
        assert moderation.pipeline.sweep(10) == []
        moderation.clock.advance(1)
    moderation.process_all()
    (decision,) = moderation.decisions(item)
    assert decision["reasons"] == [
        "not classified after 5 attempts: there is no stored file of this name"
    ]
    assert moderation.shown(item) == (False, False, True, [])
    assert "problem" not in moderation.row(item)


@pytest.mark.parametrize(
    ("error", "wait"), [(ClassifierBusy("scripted"), 2), (ModelMissing("scripted"), 30)]
)
def test_an_image_waits_for_classifier_and_model_however_long(moderation, error, wait):
    moderation.classifier.error = error
    item = moderation.image()
    for _ in range(10):
        moderation.process_all()
        assert moderation.shown(item) == PENDING
        assert moderation.pipeline.sweep(10) == []
        moderation.clock.advance(wait)
    assert moderation.row(item)["problem"] == "scripted"
    moderation.classifier.error = None
    moderation.process_all()
    assert moderation.path(item) == ["approved"]


def test_an_image_waits_for_what_is_remembered_to_be_read(moderation):
    class Reading(Forgetful):
        def recall(self, evidence, item_id, now):
            raise NotReadYet("being read")

    item = moderation.image()
    reading = moderation.pipeline_of(
        moderation.items, moderation.subjects, moderation.announced, memory=Reading()
    )
    for _ in range(10):
        reading.process(item.item_id)
        assert moderation.shown(item) == PENDING
        assert moderation.pipeline.sweep(10) == []
        moderation.clock.advance(2)
    assert moderation.row(item)["problem"] == "being read"
    moderation.process_all()
    assert moderation.path(item) == ["approved"]
    assert len(moderation.classifier.inferred) == 1


def test_an_image_whose_attempts_are_all_cut_short_goes_to_review(moderation):
    moderation.classifier.error = RuntimeError("scripted")
    item = moderation.image()
    for _ in range(5):
        with pytest.raises(RuntimeError):
            moderation.pipeline.process(item.item_id)
        moderation.clock.advance(31)
    moderation.pipeline.process(item.item_id)
    (decision,) = moderation.decisions(item)
    assert decision["reasons"] == ["not classified: 5 attempts were cut short"]


def test_an_image_comes_back_after_the_store_was_away(moderation):
    class Away:
        def __getattr__(self, name):
            raise StoreUnavailable("scripted")

    item = moderation.image()
    pipeline = moderation.pipeline_of(moderation.items, Away(), moderation.announced)
    with pytest.raises(StoreUnavailable):
        pipeline.process(item.item_id)
    moderation.process_all()
    assert moderation.shown(item) == PENDING
    moderation.clock.advance(31)
    moderation.process_all()
    assert moderation.path(item) == ["approved"]


# --- one item, several workers --------------------------------------------------------------------


def test_a_lease_is_exclusive_between_threads_and_pipelines(moderation, database):
    others = [
        Moderation(database, clock=moderation.clock, classifier=moderation.classifier)
        for _ in range(3)
    ]
    items = [moderation.image(b"0.1 %d" % n, object_id=f"o{n}") for n in range(5)]
    for item in items:
        racing = [in_thread(m.pipeline.process, item.item_id) for m in (moderation, *others)]
        for thread in racing:
            thread.join()
    assert len(moderation.classifier.inferred) == len(items)
    assert [moderation.path(item) for item in items] == [["approved"]] * 5


def test_two_workers_that_both_have_an_item_make_one_decision(moderation, database):
    slow = Moderation(database, clock=moderation.clock)
    slow.classifier.gate = threading.Event()
    item = moderation.image(b"0.9")
    working = in_thread(slow.pipeline.process, item.item_id)
    assert slow.classifier.started.wait(5)
    moderation.clock.advance(31)  # the first one's lease is over
    moderation.pipeline.process(item.item_id)
    slow.classifier.gate.set()
    working.join()
    assert moderation.path(item) == ["rejected"]
    assert moderation.shown(item)[:3] == (False, True, False)


def test_a_worker_that_lost_its_lease_does_not_put_the_item_off(moderation):
    item = moderation.image()
    first = moderation.items.lease(item.item_id, moderation.clock(), moderation.clock())
    until = moderation.clock() + timedelta(seconds=30)
    assert moderation.items.lease(item.item_id, moderation.clock(), until) is not None
    moderation.items.put_off(first, moderation.clock(), "late", counts=False)
    assert moderation.row(item)["dueAt"] == until


# --- persons --------------------------------------------------------------------------------------


def test_a_decision_can_be_taken_back_and_every_step_is_logged(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()
    for after in (State.APPROVED, State.REJECTED, State.REVIEW, State.APPROVED):
        moderation.decide(item, after)
    assert moderation.path(item) == ["review", "approved", "rejected", "review", "approved"]
    assert moderation.decisions(item)[-1]["decidedBy"] == "user:bob"
    assert moderation.shown(item) == (True, False, False, to_objects(predictions(0.5)))


def test_the_second_of_two_persons_hears_who_was_faster(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()
    as_seen = moderation.items.get(item.item_id)
    decide = moderation.pipeline.decide
    decide(as_seen, State.APPROVED, decided_by="user:bob", reasons=())
    with pytest.raises(AlreadyDecided) as refusal:
        decide(as_seen, State.REJECTED, decided_by="user:charlie", reasons=())
    assert refusal.value.item.decided_by == "user:bob"
    assert moderation.path(item) == ["review", "approved"]
    assert moderation.shown(item)[:3] == (True, False, False)


def test_of_many_persons_at_once_one_decides(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()
    as_seen, refused = moderation.items.get(item.item_id), []

    def decide(n):
        after = State.APPROVED if n % 2 else State.REJECTED
        try:
            moderation.pipeline.decide(as_seen, after, decided_by=f"user:{n}", reasons=())
        except AlreadyDecided:
            refused.append(n)

    for thread in [in_thread(decide, n) for n in range(6)]:
        thread.join()
    assert len(refused) == 5
    review, final = moderation.path(item)
    assert (review, moderation.shown(item)[0]) == ("review", final == "approved")


def test_an_item_that_has_ended_is_decided_no_more(moderation):
    item = moderation.image()
    moderation.pipeline.end_replaced(item.item_id)
    with pytest.raises(AlreadyDecided):
        moderation.decide(item, State.APPROVED)
    moderation.pipeline.end_replaced(item.item_id)
    assert moderation.path(item) == ["ended"]


# --- replaced and deleted -------------------------------------------------------------------------


def test_a_file_replaced_while_it_is_classified_leaves_the_new_one_alone(moderation):
    moderation.classifier.gate = threading.Event()
    old = moderation.image(b"0.1 old")
    working = in_thread(moderation.pipeline.process, old.item_id)
    assert moderation.classifier.started.wait(5)
    new = moderation.image(b"0.9 new")
    moderation.classifier.gate.set()
    working.join()
    assert moderation.shown(new) == PENDING
    assert moderation.path(old) == ["approved", "ended"]
    moderation.process_all()
    assert moderation.shown(new)[:3] == (False, True, False)


class Stalled:
    """Subjects whose first mirror waits, as that of a process that the kernel forgot."""

    def __init__(self, subjects):
        self.subjects, self.reached, self.go_on = subjects, threading.Event(), threading.Event()

    def mirror(self, decision):
        self.reached.set()
        assert self.go_on.wait(10)
        return self.subjects.mirror(decision)

    def __getattr__(self, name):
        return getattr(self.subjects, name)


def stalled_after_deciding(moderation, call):
    """Begin `call(pipeline)`; it has decided and not written to the object yet."""
    subjects = Stalled(moderation.subjects)
    pipeline = moderation.pipeline_of(moderation.items, subjects, moderation.announced)

    def run():
        try:
            call(pipeline)
        except AlreadyDecided:
            return

    thread = in_thread(run)
    assert subjects.reached.wait(5)

    def finish():
        subjects.go_on.set()
        thread.join()

    return finish


def test_the_first_files_verdict_is_not_that_of_the_same_file_set_again(moderation):
    first = moderation.image(b"0.1 a", name="a.jpg")
    finish = stalled_after_deciding(moderation, lambda p: p.process(first.item_id))
    other = moderation.image(b"0.1 b", name="b.jpg")
    again = moderation.image(b"0.1 a", name="a.jpg")
    moderation.decide(again, State.REJECTED)
    finish()
    assert moderation.shown(again)[:3] == (False, True, False)
    moderation.clock.advance(601)
    moderation.process_all()
    assert moderation.path(first) == ["approved", "ended"]
    assert moderation.path(other) == ["ended"]
    assert moderation.path(again) == ["rejected"]


def test_a_decision_that_is_written_late_does_not_undo_a_later_one(moderation):
    item = moderation.image(b"0.1")
    finish = stalled_after_deciding(moderation, lambda p: p.process(item.item_id))
    moderation.decide(item, State.REJECTED)  # settles the rules' decision first
    assert moderation.path(item) == ["approved", "rejected"]
    finish()
    assert moderation.shown(item)[:3] == (False, True, False)
    assert moderation.path(item) == ["approved", "rejected"]
    assert "unsettled" not in moderation.row(item)


def test_a_decision_on_a_replaced_file_is_refused_and_ends_its_item(moderation):
    old = moderation.image(b"0.5")
    moderation.process_all()
    new = moderation.image(b"0.5 new")
    with pytest.raises(AlreadyDecided) as refusal:
        moderation.decide(old, State.APPROVED)
    assert refusal.value.item.state is State.ENDED
    assert moderation.shown(new) == PENDING
    assert moderation.path(old) == ["review", "approved", "ended"]


def test_a_decision_on_a_deleted_object_is_refused_and_ends_its_item(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()
    moderation.remove(item)
    with pytest.raises(AlreadyDecided):
        moderation.decide(item, State.APPROVED)
    ended = moderation.decisions(item)[-1]
    assert (ended["after"], ended["reasons"]) == ("ended", ["the object was deleted"])


def test_the_items_of_a_deleted_object_end(moderation):
    judged = moderation.image(b"0.5")
    moderation.process_all()
    waiting, elsewhere = moderation.item(), moderation.image(object_id="object2")
    moderation.delete(judged)
    assert [moderation.state(i) for i in (judged, waiting)] == [State.ENDED] * 2
    assert moderation.state(elsewhere) is State.PENDING


def test_an_item_waits_for_its_object_and_is_judged_when_it_comes(moderation):
    item = moderation.item()
    for _ in range(20):
        moderation.process_all()
        moderation.clock.advance(20)
    assert moderation.state(item) is State.PENDING
    moderation.show(item)
    moderation.clock.advance(60)
    moderation.process_all()
    assert moderation.path(item) == ["approved"]


def test_an_item_whose_object_never_comes_ends(moderation):
    item = moderation.item()
    for _ in range(20):
        moderation.process_all()
        moderation.clock.advance(60)
    (decision,) = moderation.decisions(item)
    assert (decision["before"], decision["after"]) == ("pending", "ended")
    assert "its save did not succeed" in decision["reasons"][0]


def test_a_replaced_file_whose_save_could_not_end_it_is_ended_by_its_successor(moderation):
    old = moderation.image(b"0.5")
    moderation.process_all()
    new = moderation.image(b"0.1 new")  # and the process dies here
    moderation.process_all()
    assert moderation.path(old) == ["review", "ended"]
    assert moderation.path(new) == ["approved"]


def test_a_replaced_file_is_ended_by_a_person_who_decides_on_its_successor(moderation):
    old = moderation.image(b"0.5")
    moderation.process_all()
    new = moderation.image(b"0.1 new")
    moderation.decide(new, State.REJECTED)
    assert moderation.path(old) == ["review", "ended"]
    assert moderation.path(new) == ["rejected"]


def test_an_item_whose_object_is_about_to_be_written_is_not_ended_by_others(moderation):
    shown = moderation.image(b"0.1 b")
    coming = moderation.item(b"0.9 c")  # another save, which will write the object after
    moderation.process_all()
    moderation.show(coming)
    moderation.clock.advance(3)
    moderation.process_all()
    assert moderation.path(shown) == ["approved", "ended"]
    assert moderation.path(coming) == ["rejected"]
    assert moderation.shown(coming)[:3] == (False, True, False)


def test_columns_of_one_object_are_moderated_each_on_its_own(moderation):
    image = moderation.image(b"0.1")
    moderation.process_all()
    thumb = moderation.item(b"0.9", column="thumb")
    moderation.process_all()
    assert moderation.path(image) == ["approved"]
    assert moderation.state(thumb) is State.PENDING


# --- clocks ---------------------------------------------------------------------------------------


def test_an_item_leased_before_the_clock_was_set_back_is_not_lost(moderation):
    item = moderation.image()
    moderation.items.lease(item.item_id, moderation.clock(), moderation.clock())
    moderation.clock.advance(-3600)
    moderation.process_all()
    assert moderation.path(item) == ["approved"]


def test_a_decision_made_before_the_clock_was_set_back_is_settled(moderation):
    item = moderation.image()
    finish = stalled_after_deciding(moderation, lambda p: p.process(item.item_id))
    moderation.clock.advance(-3600)
    assert moderation.pipeline.sweep(10) == []
    assert moderation.path(item) == ["approved"]
    assert moderation.shown(item)[0] is True
    finish()


def test_a_due_time_far_in_the_future_was_a_wrong_clocks(moderation):
    item = moderation.image()
    far = moderation.clock() + timedelta(days=3650)
    moderation.objects.update(ITEM, Equals("objectId", item.item_id), {"dueAt": Set(far)})
    moderation.process_all()
    assert moderation.path(item) == ["approved"]


# --- the end of a process between any two steps ---------------------------------------------------


def dies(moderation, calls, work):
    """Run `work(pipeline)` in a process that ends after so many calls; say whether it ended."""
    life = {"calls left": calls}

    def mortal(part):
        return Mortal(part, life)

    pipeline = moderation.pipeline_of(
        mortal(moderation.items),
        mortal(moderation.subjects),
        mortal(moderation.announced),
        checks=mortal(moderation.checks),
        memory=mortal(moderation.memory),
        records=mortal(moderation.records),
    )
    try:
        work(pipeline)
    except (Killed, AlreadyDecided):
        return life["calls left"] == 0
    return False


def recover(moderation):
    """What the next process does, until no object can come any more; nothing is left to do then."""
    for _ in range(3):
        moderation.clock.advance(301)
        moderation.process_all()
    moderation.clock.advance(31)
    assert moderation.pipeline.sweep(100) == []
    for row in moderation.objects.find(ITEM, Query()):
        assert "unsettled" not in row
        assert "unsettledSince" not in row
    # Who is told, is told of each decision; twice perhaps, under the same name.
    announced = {decision.decision_id for decision in moderation.announced}
    assert announced == {row["objectId"] for row in moderation.decisions()}


def judge_one(moderation):
    item = moderation.image(b"0.1 x")
    return lambda p: p.process(item.item_id), lambda: (moderation.path(item), ["approved"])


def judge_the_successor(moderation):
    old = moderation.image(b"0.5")
    moderation.process_all()
    new = moderation.image(b"0.1 x")

    def found():
        assert moderation.path(new) == ["approved"]
        return moderation.path(old), ["review", "ended"]

    return lambda p: p.process(new.item_id), found


def decide_on_the_successor(moderation):
    old = moderation.image(b"0.5")
    moderation.process_all()
    new = moderation.image(b"0.9 x")
    seen = moderation.items.get(new.item_id)

    def found():
        assert moderation.path(new) == ["rejected"]  # by the person, or else by the rules
        return moderation.path(old), ["review", "ended"]

    return lambda p: p.decide(seen, State.REJECTED, decided_by="user:bob", reasons=()), found


def judge_what_was_deleted(moderation):
    item = moderation.image(b"0.1 x")
    moderation.remove(item)

    def work(pipeline):
        moderation.clock.advance(601)
        pipeline.process(item.item_id)

    return work, lambda: (moderation.path(item), ["ended"])


def judge_what_is_deleted_meanwhile(moderation):
    item = moderation.image(b"0.1 x")
    moderation.classifier.meanwhile = lambda: moderation.remove(item)

    def found():
        assert moderation.state(item) is State.ENDED
        assert moderation.path(item) in (["ended"], ["approved", "ended"])
        return moderation.path(item)[-1:], ["ended"]

    return lambda p: p.process(item.item_id), found


def judge_what_is_replaced_meanwhile(moderation):
    old, new = moderation.image(b"0.1 x"), []

    def replace():
        if not new:  # the successor is classified as well
            new.append(moderation.image(b"0.9 y"))

    moderation.classifier.meanwhile = replace

    def found():
        assert moderation.state(old) is State.ENDED
        assert moderation.path(new[0]) == ["rejected"]
        assert moderation.shown(new[0])[:3] == (False, True, False)
        return moderation.path(old)[-1:], ["ended"]

    return lambda p: p.process(old.item_id), found


def delete_an_object(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()

    def work(pipeline):
        pipeline.loose_ends.note("note", "UserImage", "object1")
        moderation.remove(item)
        pipeline.loose_ends.tie("note", "UserImage", "object1")

    def found():
        is_there = moderation.objects.count(SUBJECT, EVERYTHING) == 1  # it died before the write
        assert moderation.path(item) == (["review"] if is_there else ["review", "ended"])
        moderation.clock.advance(24 * 3600)
        moderation.process_all()
        return moderation.objects.count(CHECK, EVERYTHING), 0

    return work, found


def write_an_object_too_late(moderation):
    item = moderation.item(b"0.9 x")

    def work(pipeline):
        moderation.clock.advance(601)
        pipeline.process(item.item_id)
        moderation.show(item)
        pipeline.loose_ends.revived(item)

    def found():
        if moderation.objects.count(SUBJECT, EVERYTHING):
            assert moderation.shown(item)[:3] == (False, True, False)
        states = [row["state"] for row in moderation.objects.find(ITEM, Query())]
        return [state for state in states if state != "ended"], (
            ["rejected"] * moderation.objects.count(SUBJECT, EVERYTHING)
        )

    return work, found


def decide_by_hand(moderation):
    item = moderation.image(b"0.5")
    moderation.process_all()
    seen = moderation.items.get(item.item_id)

    def found():
        if moderation.path(item) == ["review"]:  # it died before anything was written
            moderation.decide(item, State.REJECTED)
        (entry,) = moderation.objects.find(ENTRY, Query())
        assert (entry["outcome"], entry["item"].object_id) == ("rejected", item.item_id)
        return moderation.path(item), ["review", "rejected"]

    return lambda p: p.decide(seen, State.REJECTED, decided_by="user:bob", reasons=()), found


def judge_what_is_remembered(moderation):
    known = moderation.image(b"0.1 x", object_id="known")
    moderation.process_all()
    moderation.decide(known, State.REJECTED)
    item = moderation.image(b"0.1 x")

    def found():
        assert moderation.decisions(item)[0]["decidedBy"] == "memory"
        assert moderation.objects.count(MATCH, EVERYTHING) == 1
        return moderation.path(item), ["rejected"]

    return lambda p: p.process(item.item_id), found


def memory_on(database):
    schemas = Schemas(database.schemas, clients_make_classes=False)
    near = NearCopies(database.objects, ENTRY, max_distance=31, min_quality=50)
    return StoredMemory(database, schemas, near)


@pytest.mark.parametrize(
    "scene",
    [
        judge_one,
        judge_the_successor,
        decide_on_the_successor,
        judge_what_was_deleted,
        judge_what_is_deleted_meanwhile,
        judge_what_is_replaced_meanwhile,
        delete_an_object,
        write_an_object_too_late,
        decide_by_hand,
        judge_what_is_remembered,
    ],
)
def test_a_process_may_end_between_any_two_steps(tmp_path, scene):
    for calls in range(40):
        (tmp_path / str(calls)).mkdir()
        database = SqliteDatabase(tmp_path / str(calls))
        moderation = Moderation(database, memory=memory_on(database))
        work, found = scene(moderation)
        died = dies(moderation, calls, work)
        recover(moderation)
        path, expected = found()
        assert path == expected, f"after {calls} calls"
        database.close()
        if not died:
            return
    pytest.fail("the work never came to its end")


def test_a_person_may_decide_at_once_after_a_process_ended(tmp_path):
    """Whatever the rules' decision had written, both are logged and the person's is shown."""
    for calls in range(4, 12):
        (tmp_path / str(calls)).mkdir()
        database = SqliteDatabase(tmp_path / str(calls))
        moderation = Moderation(database)
        item = moderation.image(b"0.1 x")
        dies(moderation, calls, lambda p, item=item: p.process(item.item_id))
        moderation.decide(item, State.REJECTED)
        recover(moderation)
        assert moderation.path(item) in (["rejected"], ["approved", "rejected"])
        assert moderation.shown(item)[:3] == (False, True, False)
        database.close()


class Refuses:
    """A database that cannot take some objects' columns, because they make them too large."""

    def __init__(self, subjects, object_ids):
        self.subjects, self.object_ids = subjects, set(object_ids)

    def mirror(self, decision, *arguments, **options):
        if decision.subject.object_id in self.object_ids:
            raise ValueError("an object may have at most 16 MB")
        return self.subjects.mirror(decision, *arguments, **options)

    def __getattr__(self, name):
        return getattr(self.subjects, name)


def test_decision_that_cannot_be_settled_does_not_stop_the_sweep(moderation):
    def refusing(item):
        refuses = Refuses(moderation.subjects, {item.subject.object_id})
        return moderation.pipeline_of(moderation.items, refuses, moderation.announced)

    bad, good = moderation.image(object_id="bad"), moderation.image(object_id="good")
    for item in (bad, good):
        with pytest.raises(ValueError, match="16 MB"):
            refusing(item).process(item.item_id)
    moderation.clock.advance(31)
    refusing(bad).sweep(10)
    assert moderation.shown(good)[0] is True
    assert moderation.shown(bad)[0] is not True


def test_decisions_that_cannot_be_settled_do_not_keep_others_waiting(moderation):
    bad = [moderation.image(object_id=f"bad{n}") for n in range(3)]
    good = moderation.image(b"0.1 good", object_id="good")
    refuses = Refuses(moderation.subjects, {item.subject.object_id for item in (*bad, good)})
    pipeline = moderation.pipeline_of(moderation.items, refuses, moderation.announced)
    for item in (*bad, good):
        with pytest.raises(ValueError, match="16 MB"):
            pipeline.process(item.item_id)
    refuses.object_ids.remove("good")
    for _ in range(2):
        moderation.clock.advance(11)
        pipeline.sweep(2)
    assert moderation.shown(good)[0] is True
    assert "unsettled" not in moderation.row(good)
    refuses.object_ids.clear()
    moderation.clock.advance(11)
    pipeline.sweep(10)
    assert [moderation.path(item) for item in bad] == [["approved"]] * 3


def test_animation_of_which_one_frame_was_judged_is_for_a_moderator(moderation):
    item = moderation.image(b"0.1 ftypavis")  # how an AVIF of several frames begins
    moderation.process_all()
    assert moderation.path(item) == ["review"]
    assert moderation.shown(item)[0] is False


def test_animation_that_the_rules_reject_is_rejected(moderation):
    item = moderation.image(b"0.9 ftypavis")
    moderation.process_all()
    assert moderation.path(item) == ["rejected"]
