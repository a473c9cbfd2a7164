"""Items and decisions: the object's columns, and what a transition is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloud.moderation.items import (
    Evidence,
    Item,
    State,
    Subject,
    decision_id,
    item_of,
    mirror,
    mirror_columns,
    next_decision,
)
from ml_models.types import Label, Prediction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBJECT = Subject("UserImage", "object1", "image", "a.jpg")
EVIDENCE = Evidence((Prediction(Label.NEUTRAL, 0.75),), content_sha256="ab" * 32)
ARRAY = [{"className": "Neutral", "probability": 0.75}]


@pytest.mark.parametrize(
    ("state", "safe", "deleted", "review", "array"),
    [
        (State.PENDING, False, False, False, None),
        (State.APPROVED, True, False, False, ARRAY),
        (State.REJECTED, False, True, False, ARRAY),
        (State.REVIEW, False, False, True, ARRAY),
    ],
)
def test_columns_are_those_of_the_table(state, safe, deleted, review, array):
    assert mirror(SUBJECT, state, EVIDENCE) == {
        "isSafe": safe,
        "deleted": deleted,
        "moderationRequired": review,
        "NSFWPredictions": array,
    }


def test_an_image_in_review_that_could_not_be_classified_has_an_empty_array():
    assert mirror(SUBJECT, State.REVIEW, Evidence())["NSFWPredictions"] == []


@pytest.mark.parametrize(
    ("class_name", "column", "names"),
    [
        ("UserImage", "image", ("isSafe", "deleted", "moderationRequired", "NSFWPredictions")),
        (
            "_User",
            "avatar",
            ("avatarIsSafe", "avatarDeleted", "avatarModerationRequired", "avatarNSFWPredictions"),
        ),
        (
            "UserImage",
            "thumb",
            ("thumbIsSafe", "thumbDeleted", "thumbModerationRequired", "thumbNSFWPredictions"),
        ),
        (
            "Post",
            "image",
            ("imageIsSafe", "imageDeleted", "imageModerationRequired", "imageNSFWPredictions"),
        ),
    ],
)
def test_columns_have_the_originals_names_for_the_originals_column_alone(class_name, column, names):
    assert mirror_columns(class_name, column) == names


def test_a_decision_begins_where_the_item_stands():
    item = Item("item1", SUBJECT, State.REVIEW, NOON, transitions=2, evidence=EVIDENCE)
    decision = next_decision(
        item, State.REJECTED, decided_by="user:bob", reasons=["seen"], evidence=None, now=NOON
    )
    assert (decision.number, decision.before, decision.after) == (3, State.REVIEW, State.REJECTED)
    assert (decision.evidence, decision.reasons) == (EVIDENCE, ("seen",))


def test_an_orphaned_decision_is_followed_by_the_end_of_its_item():
    item = Item("item1", SUBJECT, State.PENDING, NOON)
    decision = next_decision(
        item, State.APPROVED, decided_by="rules", reasons=[], evidence=EVIDENCE, now=NOON
    )
    later = NOON + timedelta(seconds=1)
    assert decision.orphaned("gone", later) == replace(
        decision,
        number=2,
        before=State.APPROVED,
        after=State.ENDED,
        decided_by="system",
        reasons=("gone",),
        decided_at=later,
        waited=timedelta(seconds=1),
    )


def test_a_decisions_name_tells_its_item():
    assert item_of(decision_id("aB3-x", 12)) == "aB3-x"


@pytest.mark.parametrize(
    ("decided_by", "is_person"),
    [(None, False), ("rules", False), ("system", False), ("master key", True), ("user:bob", True)],
)
def test_rules_and_system_are_no_persons(decided_by, is_person):
    item = Item("item1", SUBJECT, State.REVIEW, NOON, decided_by=decided_by)
    assert item.decided_by_person is is_person
