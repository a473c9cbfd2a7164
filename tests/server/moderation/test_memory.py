"""What moderators decided holds for the same image again, and for no other; nothing runs away."""

import hashlib
import socket

import pytest
from moderation_parts import BOB, EVE, NOON, Moderation, predictions

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import Evidence, State
from cloud.moderation.review import Ruling
from cloud.operations import Set
from ml_models.errors import DecodeError
from ml_models.types import Fingerprint, Inspection
from server.moderation.memory import ENTRY, MATCH, StoredMemory
from server.moderation.memory_lists import MemoryLists
from server.moderation.near_copies import NearCopies
from server.objects.schemas import Schemas
from server.storage.mongo.database import MongoDatabase
from server.storage.port import EVERYTHING, Equals, Query

CAT, DOG = "ca" * 32, "35" * 32  # which differ in all bits


def like(pdq, bits):
    """The hash with so many bits flipped."""
    return f"{int(pdq, 16) ^ ((1 << bits) - 1):064x}"


def picture(pdq=CAT, quality=100, porn=0.1, nonce=0):
    """The bytes of a picture that the classifier sees so."""
    return f"{porn} {pdq} {quality} {nonce}".encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class SeeingClassifier:
    """Finds in a `picture` what it was made with; in other bytes it finds no image."""

    def __init__(self, model):
        self.model = model

    def classify(self, data):
        try:
            porn, pdq, quality, _ = data.decode().split()
        except ValueError:
            raise DecodeError("scripted") from None
        return Inspection(predictions(float(porn)), Fingerprint(pdq, int(quality)))


class Process(Moderation):
    """One process with a memory, which reads anew what others learn at each look."""

    def __init__(self, database, *, enabled=True, clock=None):
        schemas = Schemas(database.schemas, clients_make_classes=False)
        near = NearCopies(
            database.objects, ENTRY, max_distance=31, min_quality=50, refresh_every_s=0
        )
        memory = StoredMemory(database, schemas, near if enabled else None)
        super().__init__(database, memory=memory, clock=clock)
        self.classifier.classify = SeeingClassifier(self.classifier.model).classify
        self.lists = MemoryLists(database, schemas)

    def upload(self, data, name="object"):
        """Save an image and have it judged."""
        self.clock.advance(1)
        item = self.image(data, object_id=f"{name}{self.clock().timestamp()}")
        self.pipeline.process(item.item_id)
        return item

    def decided(self, data, after, by="user:bob"):
        """Upload an image and have a moderator decide."""
        item = self.upload(data)
        self.clock.advance(1)
        return item, self.decide(item, after, by)

    def outcome(self, data):
        """What becomes of the image, and by whom."""
        row = self.row(self.upload(data))
        return row["state"], row["decidedBy"]

    def entries(self, **columns):
        rows = self.objects.find(ENTRY, Query())
        return [r for r in rows if all(r.get(name) == v for name, v in columns.items())]


@pytest.fixture
def process(database):
    return Process(database)


BY_RULES, DENIED = ("approved", "rules"), ("rejected", "memory")


# --- the same again -------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["user:bob", "master key"])
@pytest.mark.parametrize(
    ("porn", "after"), [(0.1, State.REJECTED), (0.6, State.APPROVED), (0.9, State.APPROVED)]
)
def test_same_bytes_are_decided_as_before(process, by, porn, after):
    data = picture(porn=porn, quality=0)
    _, decision = process.decided(data, after, by)
    again = process.upload(data)
    row = process.row(again)
    assert (row["state"], row["decidedBy"]) == (after, "memory")
    [reason] = row["reasons"]
    entry_id = process.entries()[0]["objectId"]
    assert reason == (
        f"the same bytes: {after} by {by} in decision {decision.decision_id}, "
        f"remembered as {entry_id}"
    )
    assert row["predictions"][0]["probability"] == pytest.approx(max(porn, (1 - porn) / 4))


def test_near_copy_is_decided_as_before_and_says_how_near(process):
    process.decided(picture(), State.REJECTED)
    row = process.row(process.upload(picture(like(CAT, 12))))
    assert (row["state"], row["decidedBy"]) == DENIED
    assert row["reasons"][0].startswith("a near copy, 12 of 256 bits differ: rejected by user:bob")
    assert (row["pdqHash"], row["pdqQuality"]) == (like(CAT, 12), 100)


@pytest.mark.parametrize(("bits", "outcome"), [(0, DENIED), (31, DENIED), (32, BY_RULES)])
def test_near_is_up_to_the_threshold(process, bits, outcome):
    process.decided(picture(), State.REJECTED)
    assert process.outcome(picture(like(CAT, bits), nonce=1)) == outcome


@pytest.mark.parametrize(
    ("known", "seen", "outcome"),
    [(50, 50, DENIED), (49, 100, BY_RULES), (100, 49, BY_RULES), (0, 0, BY_RULES)],
)
def test_fingerprint_of_low_quality_says_nothing(process, known, seen, outcome):
    process.decided(picture(quality=known), State.REJECTED)
    assert process.outcome(picture(quality=seen, nonce=1)) == outcome


def test_other_image_is_judged_by_the_rules(process):
    process.decided(picture(), State.REJECTED)
    assert process.outcome(picture(DOG)) == BY_RULES


def test_what_the_rules_decided_is_not_remembered(process):
    process.upload(picture(porn=0.9))
    process.upload(picture(porn=0.9))
    assert process.entries() == []


def test_what_was_known_again_is_not_remembered_anew(process):
    process.decided(picture(), State.REJECTED)
    process.upload(picture(like(CAT, 30)))
    assert len(process.entries()) == 1
    assert process.outcome(picture(like(CAT, 60))) == BY_RULES


def test_image_that_no_decoder_reads_is_known_by_its_bytes(process):
    assert process.outcome(b"no image") == ("review", "system")
    process.decided(b"no image", State.REJECTED)
    assert process.outcome(b"no image") == DENIED


def test_image_decided_before_it_was_classified_is_known_by_its_bytes(process):
    item = process.image(picture())
    process.decide(item, State.REJECTED)
    assert process.outcome(picture()) == DENIED


def test_nothing_is_recalled_where_memory_is_switched_off_but_all_is_learnt(database):
    forgetful = Process(database, enabled=False)
    forgetful.decided(picture(), State.REJECTED)
    assert forgetful.outcome(picture()) == BY_RULES
    assert Process(database, clock=forgetful.clock).outcome(picture()) == DENIED


# --- who wins -------------------------------------------------------------------------------------


def test_rejection_goes_before_an_approval_that_is_nearer(process):
    process.decided(picture(like(CAT, 20), porn=0.6), State.APPROVED)
    process.decided(picture(porn=0.6, nonce=1), State.REJECTED)
    assert process.outcome(picture(like(CAT, 18), porn=0.6)) == DENIED


def test_list_that_denies_goes_before_one_that_allows(process):
    data = picture()
    process.lists.add("approved", sha256(data), None, None)
    process.decided(data, State.APPROVED)
    assert process.outcome(data) == ("approved", "memory")
    process.lists.add("rejected", sha256(data), Fingerprint(DOG, 100), "bad")
    assert process.outcome(data) == DENIED


def test_same_bytes_go_before_a_near_copy(process):
    process.decided(picture(), State.REJECTED)
    copy, _ = process.decided(picture(like(CAT, 3)), State.APPROVED)
    assert process.state(copy) is State.APPROVED
    assert process.outcome(picture(like(CAT, 3))) == ("approved", "memory")


def test_later_decision_about_the_same_bytes_takes_the_place_of_the_earlier(process):
    process.decided(picture(), State.REJECTED)
    process.decided(picture(), State.APPROVED, "user:eve")
    assert process.outcome(picture()) == ("approved", "memory")
    [entry] = process.entries()
    assert entry["decidedBy"] == "user:eve"


def test_decision_that_is_settled_late_does_not_undo_a_later_one(process):
    _, first = process.decided(picture(), State.REJECTED)
    _, second = process.decided(picture(), State.APPROVED)
    for decision in (first, second, first):
        process.pipeline.settle(decision)
    assert process.outcome(picture()) == ("approved", "memory")
    assert len(process.entries()) == 1


# --- forgetting -----------------------------------------------------------------------------------


def test_reversed_decision_holds_the_other_way_round(process):
    item, _ = process.decided(picture(), State.REJECTED)
    process.decide(item, State.APPROVED, "user:eve")
    assert process.outcome(picture(porn=0.5)) == ("approved", "memory")


def test_decision_that_is_taken_back_is_forgotten(process):
    item, rejected = process.decided(picture(), State.REJECTED)
    process.decide(item, State.REVIEW, "user:eve")
    [entry] = process.entries(active=False)
    assert entry["forgottenBy"] == "user:eve"
    assert process.outcome(picture()) == BY_RULES
    process.pipeline.settle(rejected)  # by a sweeper that comes late
    assert process.outcome(picture(like(CAT, 3))) == BY_RULES


def test_appeal_of_the_owner_takes_nothing_back(process):
    item, _ = process.decided(picture(), State.REJECTED)
    process.decide(item, State.REVIEW, "owner:alice")
    assert process.outcome(picture()) == DENIED


def test_decision_holds_when_its_image_is_gone(process):
    item, _ = process.decided(picture(), State.REJECTED)
    process.delete(item)
    assert process.state(item) is State.ENDED
    assert process.outcome(picture()) == DENIED


def test_forgotten_entry_holds_no_longer_and_says_who_forgot_it(process):
    process.decided(picture(), State.REJECTED)
    assert process.outcome(picture(like(CAT, 3))) == DENIED
    [entry] = process.entries()
    assert process.lists.forget(entry["objectId"])
    assert not process.lists.forget(entry["objectId"])
    for data in (picture(), picture(like(CAT, 3))):
        assert process.outcome(data) == BY_RULES
    [entry] = process.entries(active=False)
    assert entry["forgottenBy"] == "operator"
    assert entry["forgottenAt"] is not None


def test_forgotten_image_can_be_decided_again(process):
    process.decided(picture(), State.REJECTED)
    process.lists.forget(process.entries()[0]["objectId"])
    process.decided(picture(), State.REJECTED)
    assert process.outcome(picture(like(CAT, 3))) == DENIED
    assert "forgottenBy" not in process.entries()[0]


def test_deleted_entry_is_passed_over_for_the_next_nearest(process):
    process.decided(picture(like(CAT, 1)), State.REJECTED)
    process.lists.add("rejected", None, Fingerprint(like(CAT, 9), 100), None)
    assert process.outcome(picture()) == DENIED
    nearest = process.entries(source="decision")[0]
    process.objects.delete(ENTRY, Equals("objectId", nearest["objectId"]))
    row = process.row(process.upload(picture(nonce=1)))
    assert row["decidedBy"] == "memory"
    assert row["reasons"][0].startswith("a near copy, 9 of 256 bits differ: rejected by operator")


# --- undoing --------------------------------------------------------------------------------------


class Undoing:
    """A moderator who rules and takes back, the clock going on."""

    def __init__(self, process):
        self.process, self.desk = process, process.desk()

    def rule(self, item, after, reviewer=BOB):
        self.process.clock.advance(1801)  # so that there is no flood
        return self.desk.rule(reviewer, item.item_id, Ruling(after))

    def undo(self, decision, reviewer=BOB):
        self.process.clock.advance(1801)
        return self.desk.undo(reviewer, decision.decision_id)

    def settle_late(self, *decisions):
        """As processes do that stood still for long."""
        self.process.clock.advance(3601)
        for decision in decisions * 2:
            self.process.pipeline.settle(decision)


@pytest.fixture
def undoing(process):
    return Undoing(process)


def test_undone_decision_is_forgotten(process, undoing):
    item = process.upload(picture(porn=0.6))
    rejected = undoing.rule(item, State.REJECTED)
    assert process.outcome(picture(like(CAT, 3), porn=0.6)) == DENIED
    undo = undoing.undo(rejected)
    for _ in range(2):
        assert process.outcome(picture(like(CAT, 3), porn=0.6)) == ("review", "rules")
        undoing.settle_late(undo, rejected)
    [entry] = process.entries()
    assert (entry["active"], entry["forgottenBy"]) == (False, "user:bob")


def test_undo_that_leads_back_to_the_rules_decision_teaches_nothing(process, undoing):
    for porn, after in ((0.1, State.REJECTED), (0.9, State.APPROVED)):
        item = process.upload(picture(porn=porn))
        rules_said = process.outcome(picture(DOG, porn=porn))
        undo = undoing.undo(undoing.rule(item, after))
        assert process.state(item) == rules_said[0]
        assert process.outcome(picture(porn=porn, nonce=1)) == rules_said
        undoing.settle_late(undo)
        assert process.entries(active=True) == []


def test_undone_reversal_leaves_what_another_moderator_taught(process, undoing):
    item = process.upload(picture(porn=0.6))
    eves = undoing.rule(item, State.REJECTED, EVE)
    bobs = undoing.rule(item, State.APPROVED)
    assert process.outcome(picture(porn=0.6)) == ("approved", "memory")
    undo = undoing.undo(bobs)
    for _ in range(2):
        row = process.row(process.upload(picture(porn=0.6)))
        assert (row["state"], row["decidedBy"]) == DENIED
        assert f"rejected by user:eve in decision {eves.decision_id}," in row["reasons"][0]
        undoing.settle_late(eves, undo, bobs)


def test_undone_decision_gives_back_what_the_same_bytes_had_taught_elsewhere(process, undoing):
    _, eves = process.decided(picture(), State.REJECTED, "user:eve")
    item = process.upload(picture())
    assert process.row(item)["decidedBy"] == "memory"
    bobs = undoing.rule(item, State.APPROVED)
    assert process.outcome(picture()) == ("approved", "memory")
    undo = undoing.undo(bobs)
    for _ in range(2):
        row = process.row(process.upload(picture()))
        assert f"rejected by user:eve in decision {eves.decision_id}," in row["reasons"][0]
        assert process.outcome(picture(like(CAT, 3))) == DENIED
        undoing.settle_late(bobs, eves, undo)
    again = undoing.rule(item, State.APPROVED)
    assert process.outcome(picture()) == ("approved", "memory")
    undoing.settle_late(undo, again)
    assert process.outcome(picture()) == ("approved", "memory")


def test_undone_taking_back_is_remembered_again(process, undoing):
    item = process.upload(picture())
    undoing.rule(item, State.REJECTED, EVE)
    back = undoing.rule(item, State.REVIEW)
    assert process.outcome(picture(like(CAT, 3))) == BY_RULES
    undo = undoing.undo(back)
    for _ in range(2):
        assert process.outcome(picture(like(CAT, 3))) == DENIED
        undoing.settle_late(undo, back)
    [entry] = process.entries()
    assert "forgottenBy" not in entry


def test_what_the_operator_forgot_stays_forgotten_after_an_undo(process, undoing):
    item = process.upload(picture())
    undoing.rule(item, State.REJECTED, EVE)
    process.lists.forget(process.entries()[0]["objectId"])
    undoing.undo(undoing.rule(item, State.REVIEW))
    assert process.outcome(picture()) == BY_RULES
    undoing.undo(undoing.rule(item, State.APPROVED))
    assert process.outcome(picture(porn=0.9)) == ("rejected", "rules")


def test_what_was_taught_since_stays_when_an_earlier_decision_is_undone(process, undoing):
    bobs = undoing.rule(process.upload(picture()), State.REJECTED)
    undoing.rule(process.upload(picture()), State.APPROVED, EVE)
    undoing.undo(bobs)
    assert process.outcome(picture()) == ("approved", "memory")


def test_several_decisions_are_undone_to_what_held_before_all(process, undoing):
    _, eves = process.decided(picture(porn=0.6), State.REJECTED, "user:eve")
    item = process.upload(picture(porn=0.6))
    made = [undoing.rule(item, after) for after in (State.APPROVED, State.REJECTED, State.APPROVED)]
    for decision in reversed(made):
        undoing.undo(decision)
    row = process.row(process.upload(picture(porn=0.6)))
    assert f"in decision {eves.decision_id}," in row["reasons"][0]
    [entry] = process.entries()
    assert entry["displaced"] == []


def test_entry_keeps_ten_of_the_decisions_that_were_displaced(process, undoing):
    item = process.upload(picture(porn=0.6))
    for _ in range(7):
        for after in (State.APPROVED, State.REJECTED):
            undoing.rule(item, after)
    [entry] = process.entries()
    assert len(entry["displaced"]) == 10


# --- floods ---------------------------------------------------------------------------------------


def test_entry_that_matches_more_than_allowed_sends_the_rest_to_review(process):
    process.decided(picture(), State.REJECTED)
    outcomes = [process.outcome(picture(nonce=number)) for number in range(5)]
    assert outcomes == [DENIED] * 3 + [("review", "memory")] * 2
    row = process.row(process.upload(picture()))
    assert row["reasons"][0] == (
        "the entry matched 6 images within an hour, more than 3: it may be a mistake"
    )
    assert process.outcome(picture(DOG)) == BY_RULES
    process.clock.advance(3600)
    assert process.outcome(picture()) == DENIED


def test_several_processes_count_one_flood_together(database):
    one = Process(database)
    other = Process(database, clock=one.clock)
    one.decided(picture(), State.REJECTED)
    outcomes = [p.outcome(picture(nonce=n)) for n, p in enumerate([one, other, one, other])]
    assert outcomes == [DENIED] * 3 + [("review", "memory")]


def test_item_that_is_judged_twice_counts_once(process):
    process.decided(picture(), State.REJECTED)
    evidence = Evidence(content_sha256=sha256(picture()))
    for _ in range(5):
        recollection = process.memory.recall(evidence, "item1", process.clock())
        assert recollection.matches == 1
    assert process.objects.count(MATCH, EVERYTHING) == 1


# --- other processes, and none --------------------------------------------------------------------


def test_what_one_process_learns_and_forgets_the_other_knows(database):
    one = Process(database)
    other = Process(database, clock=one.clock)
    assert other.outcome(picture(nonce=7)) == BY_RULES
    one.decided(picture(nonce=8), State.REJECTED)
    assert other.outcome(picture(like(CAT, 5))) == DENIED
    one.lists.forget(one.entries()[0]["objectId"])
    assert other.outcome(picture(like(CAT, 6))) == BY_RULES
    one.decided(picture(porn=0.6), State.APPROVED)
    assert other.outcome(picture(like(CAT, 6), porn=0.6)) == ("approved", "memory")


def test_fingerprints_are_read_anew_after_a_while_only(process):
    patient = NearCopies(process.objects, ENTRY, max_distance=31, min_quality=50)
    seen = Fingerprint(like(CAT, 2), 100)
    assert patient.nearest(seen) is None
    process.decided(picture(), State.REJECTED)
    assert patient.nearest(seen) is None


def test_many_fingerprints_are_read_in_pages(process):
    for number in range(30):
        process.lists.add("rejected", None, Fingerprint(f"{number * 2**100:064x}", 100), None)
    near = NearCopies(
        process.objects, ENTRY, max_distance=0, min_quality=50, refresh_every_s=0, page_size=7
    )
    for _ in range(2):
        for number in range(30):
            assert near.nearest(Fingerprint(f"{number * 2**100:064x}", 100)) is not None


def test_entry_that_nobody_can_use_spoils_nothing(process):
    process.decided(picture(), State.REJECTED)
    entry_id = process.lists.add("rejected", None, Fingerprint(DOG, 100), None)
    process.objects.update(ENTRY, Equals("objectId", entry_id), {"pdqHash": Set("nonsense")})
    assert process.outcome(picture(like(CAT, 3))) == DENIED


@pytest.mark.parametrize(
    "evidence", [Evidence((), "ab" * 32), Evidence((), None, Fingerprint(CAT, 100))]
)
def test_without_the_database_nothing_is_taken_for_unknown(evidence):
    with socket.socket() as reserved:  # bound but not listening: every connection is refused
        reserved.bind(("127.0.0.1", 0))
        database = MongoDatabase(
            f"mongodb://127.0.0.1:{reserved.getsockname()[1]}/test?timeoutMS=50"
        )
        schemas = Schemas(database.schemas, clients_make_classes=False)
        near = NearCopies(database.objects, ENTRY, max_distance=31, min_quality=50)
        with pytest.raises(StoreUnavailable):
            StoredMemory(database, schemas, near).recall(evidence, "item1", NOON)
        database.close()
