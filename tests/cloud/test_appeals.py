"""What is told of an image's moderation, and who can appeal when."""

import threading
from dataclasses import replace

import pytest
from moderation_parts import Moderation

from cloud.moderation.appeals import AppealRefused, Appeals, Appellant, NotTheOwner, Standing
from cloud.moderation.items import Remark, State, next_decision
from cloud.moderation.memory import is_lesson, takes_back
from cloud.operations import Set
from server.moderation.items import ITEM
from server.storage.port import Equals

ALICE, CHARLIE = Appellant("alice"), Appellant("charlie")
MASTER, NOBODY = Appellant(None, master=True), Appellant(None)
BY_RULES = "This image was rejected automatically, because it seems to break the rules."
FINAL = "A moderator has looked at this image after an appeal; that decision is final."


class Court:
    """Alice's images, and what is appealed about them."""

    def __init__(self, database):
        self.moderation = Moderation(database)
        self.items, self.pipeline = self.moderation.items, self.moderation.pipeline
        self.words = {}
        self.appeals = self.appeals_of()

    def appeals_of(self, items=None, subjects=None):
        return Appeals(
            items or self.items,
            subjects or self.moderation.subjects,
            self.pipeline,
            {"UserImage": ["image"]},
            lambda code: self.words.get(code),
        )

    def pending(self, data=b"0.9", *, uploader="alice", **subject):
        item = self.moderation.image(data, **subject)
        if uploader is not None:
            where = Equals("objectId", item.item_id)
            self.moderation.objects.update(ITEM, where, {"uploader": Set(uploader)})
        return item

    def image(self, data=b"0.9", **how):
        """An image of alice's that the rules have judged."""
        item = self.pending(data, **how)
        self.pipeline.process(item.item_id)
        return item

    def decide(self, item, after, by="user:bob", undoes=None, **remark):
        now = self.items.get(item.item_id)
        decision = next_decision(
            now,
            after,
            decided_by=by,
            reasons=("seen",),
            evidence=None,
            now=self.moderation.clock(),
            remark=Remark(**remark),
        )
        return self.pipeline.make(now, replace(decision, undoes=undoes))

    def standing(self, item, who=ALICE):
        return self.appeals.standing(item.subject, who)

    def appeal(self, item, who=ALICE, text="It is art."):
        return self.appeals.appeal(item.subject, text, who)

    def refused(self, item, who=ALICE):
        with pytest.raises(AppealRefused) as refusal:
            self.appeal(item, who)
        assert self.standing(item, who) is None or not self.standing(item, who).can_appeal
        return str(refusal.value)


@pytest.fixture
def court(database):
    return Court(database)


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0.1", Standing(State.APPROVED)),
        (b"0.5", Standing(State.REVIEW, "A moderator will look at this image.")),
        (b"0.9", Standing(State.REJECTED, BY_RULES, can_appeal=True)),
    ],
)
def test_what_the_rules_decided_is_told_without_scores(court, data, expected):
    assert court.standing(court.image(data)) == expected


def test_an_image_that_nobody_judged_is_pending(court):
    item = court.pending()
    assert court.standing(item) == Standing(State.PENDING)


@pytest.mark.parametrize(
    ("category", "reason"),
    [
        ("violence", "A moderator rejected this image: violence."),
        ("house-7", "A moderator rejected this image: pictures of cats."),
        ("spam", "A moderator rejected this image: nothing to sell here."),
        ("other", "A moderator rejected this image."),
        ("secret-code", "A moderator rejected this image."),
        (None, "A moderator rejected this image."),
    ],
)
def test_a_moderators_category_is_told_in_the_owners_words_or_the_usual(court, category, reason):
    court.words = {"house-7": "pictures of cats", "spam": "nothing to sell here"}
    item = court.image(b"0.5")
    court.decide(item, State.REJECTED, category=category, note="looks like Bob's cousin")
    assert court.standing(item, CHARLIE) == Standing(State.REJECTED, reason)


def test_only_the_shown_image_is_told_of(court):
    item = court.image()
    assert court.standing(item, CHARLIE) == Standing(State.REJECTED, BY_RULES)
    for other in [
        replace(item.subject, file_name="other.jpg"),
        replace(item.subject, column="avatar"),
        replace(item.subject, object_id="object2"),
    ]:
        assert court.appeals.standing(other, ALICE) is None
    court.image(b"0.1", name="new.jpg")  # replaces it
    assert court.standing(item) is None
    assert "replaced or deleted" in court.refused(item)


def test_columns_that_are_not_moderated_are_not_covered(court):
    assert court.appeals.covers("UserImage", "image")
    assert not court.appeals.covers("UserImage", "avatar")
    assert not court.appeals.covers("Post", "image")


# --- appeals --------------------------------------------------------------------------------------


def test_an_appeal_sends_a_rejected_image_back_to_review_with_its_text(court):
    item = court.image()
    reason = "A moderator will look at this image again, because of an appeal."
    assert court.appeal(item) == Standing(State.REVIEW, reason, appealed=True)
    assert court.moderation.shown(item)[:3] == (False, False, True)
    stored = court.items.get(item.item_id)
    assert (stored.appeal, stored.decided_by, stored.lane) == (
        "It is art.",
        "owner:alice",
        "review",
    )
    assert stored.evidence.predictions  # what the rules saw
    row = court.moderation.decisions(item)[-1]
    assert (row["before"], row["after"], row["decidedBy"]) == ("rejected", "review", "owner:alice")
    assert (row["appeal"], row["reasons"]) == ("It is art.", ["the owner appealed"])
    announced = court.moderation.announced[-1]
    assert announced.remark.appeal == "It is art."
    assert not is_lesson(announced)
    assert not takes_back(announced)


def test_only_the_owner_and_the_master_key_can_appeal(court):
    item = court.image()
    for stranger in (CHARLIE, NOBODY, Appellant("")):
        assert not court.standing(item, stranger).can_appeal
        with pytest.raises(NotTheOwner):
            court.appeal(item, stranger)
    assert court.standing(item, MASTER).can_appeal
    court.appeal(item, MASTER)
    assert court.moderation.decisions(item)[-1]["decidedBy"] == "owner:master key"


def test_an_image_without_a_known_owner_is_the_master_keys_to_appeal_for(court):
    item = court.image(uploader=None)
    with pytest.raises(NotTheOwner):
        court.appeal(item, NOBODY)
    court.appeal(item, MASTER)


@pytest.mark.parametrize(
    ("data", "words"), [(b"0.1", "but approved"), (b"0.5", "but waiting for a moderator")]
)
def test_what_is_not_rejected_cannot_be_appealed(court, data, words):
    item = court.image(data)
    assert words in court.refused(item)
    assert len(court.moderation.decisions(item)) == 1


def test_a_second_appeal_is_refused_before_and_after_the_moderator_decides(court):
    item = court.image()
    court.appeal(item)
    assert court.refused(item) == "An appeal was made already, and waits for a moderator."
    court.decide(item, State.REJECTED)
    assert court.refused(item) == FINAL
    assert court.standing(item).appealed
    assert court.moderation.path(item) == ["rejected", "review", "rejected"]


def test_rejecting_again_over_review_opens_no_new_appeal(court):
    item = court.image()
    court.appeal(item)
    for after in (State.REJECTED, State.REVIEW, State.REJECTED):
        court.decide(item, after)
    assert court.refused(item) == FINAL


@pytest.mark.parametrize("path", [[State.REJECTED], [State.REVIEW, State.REJECTED]])
def test_a_granted_appeal_that_is_revised_can_be_appealed_anew(court, path):
    item = court.image()
    court.appeal(item)
    court.decide(item, State.APPROVED)
    assert court.standing(item) == Standing(State.APPROVED, appealed=True)
    for after in path:
        court.decide(item, after)
    assert court.standing(item).can_appeal
    assert not court.standing(item).appealed
    court.appeal(item, text="Again?")
    assert court.items.get(item.item_id).appeal == "Again?"


def test_an_undone_approval_leaves_the_appeal_as_it_was(court):
    item = court.image()
    court.appeal(item)
    approved = court.decide(item, State.APPROVED)
    court.decide(item, State.REVIEW, undoes=approved.number)
    assert court.items.get(item.item_id).appeal == "It is art."
    court.decide(item, State.REJECTED)
    assert court.refused(item) == FINAL


def test_what_a_moderator_decided_without_an_appeal_can_be_appealed(court):
    item = court.image(b"0.1")
    court.decide(item, State.REJECTED)
    assert court.appeal(item).state is State.REVIEW


def test_of_two_appeals_at_once_one_is_taken(court):
    item = court.image()
    both = threading.Barrier(2)

    class Met:
        """Items whose readers have all read before the first of them decides."""

        def __getattr__(self, name):
            return getattr(court.items, name)

        def of_object(self, *subject):
            found = court.items.of_object(*subject)
            both.wait(5)
            return found

    appeals, answers = court.appeals_of(Met()), []

    def appeal(text):
        try:
            answers.append(appeals.appeal(item.subject, text, ALICE).state)
        except AppealRefused as error:
            answers.append(str(error))

    threads = [threading.Thread(target=appeal, args=[text]) for text in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["An appeal was made already, and waits for a moderator.", "review"]
    assert court.moderation.path(item) == ["rejected", "review"]


def test_a_moderator_who_is_faster_decides_what_can_be_appealed(court):
    item = court.image()

    class Overtaken:
        """Items that a moderator approves right after they were read."""

        def __getattr__(self, name):
            return getattr(court.items, name)

        def of_object(self, *subject):
            found = court.items.of_object(*subject)
            court.decide(item, State.APPROVED)
            return found

    with pytest.raises(AppealRefused, match="but approved"):
        court.appeals_of(Overtaken()).appeal(item.subject, "It is art.", ALICE)
    assert court.moderation.path(item) == ["rejected", "approved"]


def test_an_object_that_is_deleted_meanwhile_ends_the_appeal(court):
    item = court.image()

    class Gone:
        """Subjects whose object goes away right after it was looked at."""

        def __getattr__(self, name):
            return getattr(court.moderation.subjects, name)

        def find(self, found):
            answer = court.moderation.subjects.find(found)
            court.moderation.remove(item)
            return answer

    with pytest.raises(AppealRefused, match="replaced or deleted"):
        court.appeals_of(subjects=Gone()).appeal(item.subject, "It is art.", ALICE)
    assert court.moderation.state(item) is State.ENDED


def test_a_file_that_is_replaced_right_after_an_appeal_is_no_failure(court):
    item = court.image()

    class Replaced:
        """Items of which one ends before it is read again."""

        def __getattr__(self, name):
            return getattr(court.items, name)

        def get(self, item_id):
            court.moderation.pipeline.end_replaced(item_id)
            return court.items.get(item_id)

    with pytest.raises(AppealRefused, match="replaced or deleted"):
        court.appeals_of(Replaced()).appeal(item.subject, "It is art.", ALICE)
    assert court.moderation.path(item) == ["rejected", "review", "ended"]
