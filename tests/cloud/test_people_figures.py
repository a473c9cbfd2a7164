"""What moderators decided: the last word, agreement with the rules, pace, reversals."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.moderation.items import State
from cloud.moderation.people_figures import (
    PersonsDecision,
    agreed,
    agreement,
    last_words,
    moderator_figures,
    rules_said,
)
from cloud.moderation.policy import read_policy
from cloud.moderation.policy_quality import Proportion
from cloud.moderation.types import Outcome
from ml_models.types import Label, Prediction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POLICY = read_policy({"Porn": {"min": 0.4, "max": 0.8}}, automation=False)
APPROVED, REJECTED, REVIEW = State.APPROVED, State.REJECTED, State.REVIEW


def said(item_id, number, after, by="user:bob", *, at=0.0, porn=None, undoes=None, version=1):
    predictions = () if porn is None else (Prediction(Label.PORN, porn),)
    return PersonsDecision(
        item_id, number, after, by, NOON + timedelta(seconds=at), predictions, version, undoes
    )


def words(*decisions):
    return {word.item_id: word.after for word in last_words(decisions)}


def figures(*decisions):
    return {one.decided_by: one for one in moderator_figures(decisions)}


def test_last_word_counts_whatever_order_they_come_in():
    first, second = said("a", 2, REJECTED), said("a", 3, APPROVED, "user:alice")
    assert words(first, second) == words(second, first) == {"a": APPROVED}


def test_image_that_was_sent_back_has_no_last_word():
    assert words(said("a", 2, REJECTED), said("a", 3, REVIEW)) == {}


def test_undone_word_was_never_said():
    undone, undo = said("a", 2, REJECTED), said("a", 3, REVIEW, undoes=2)
    assert words(undone, undo) == {}
    assert words(said("a", 1, APPROVED), undone, undo) == {"a": APPROVED}
    assert words(undone, undo, said("a", 4, APPROVED)) == {"a": APPROVED}


@pytest.mark.parametrize(
    ("porn", "version", "rules"),
    [
        (0.9, 1, Outcome.REJECTED),
        (0.5, 1, Outcome.REVIEW),
        (0.1, 1, Outcome.APPROVED),
        (None, 1, None),
        (0.9, None, None),
        (0.9, 7, None),
    ],
)
def test_rules_are_asked_what_they_said_at_that_time(porn, version, rules):
    word = said("a", 2, REJECTED, porn=porn, version=version)
    assert rules_said(word, {1: POLICY}.get) is rules
    assert agreement([word], lambda each: rules) == {(rules, REJECTED): 1}


def test_agreement_is_counted_where_the_rules_were_clear():
    counts = {
        (Outcome.APPROVED, APPROVED): 5,
        (Outcome.APPROVED, REJECTED): 1,
        (Outcome.REJECTED, REJECTED): 3,
        (Outcome.REJECTED, APPROVED): 2,
        (Outcome.REVIEW, REJECTED): 50,
        (None, APPROVED): 70,
    }
    assert agreed(counts) == Proportion(8, 11)


def test_decisions_are_counted_for_each_moderator_and_the_busiest_comes_first():
    found = moderator_figures(
        [said("a", 2, APPROVED, "user:x"), said("b", 2, REVIEW), said("c", 2, APPROVED)]
    )
    assert [(one.decided_by, one.decided) for one in found] == [("user:bob", 2), ("user:x", 1)]


def test_time_per_image_is_the_median_between_decisions():
    made = [said(f"i{n}", 2, APPROVED, at=at) for n, at in enumerate([0, 3, 5, 10, 12])]
    assert figures(*made)["user:bob"].time_per_image == timedelta(seconds=3)


def test_pauses_do_not_count_as_looking():
    made = [said(f"i{n}", 2, APPROVED, at=at) for n, at in enumerate([0, 4, 304.5, 308.5])]
    assert figures(*made)["user:bob"].time_per_image == timedelta(seconds=4)
    lonely = figures(said("a", 2, APPROVED), said("b", 2, APPROVED, at=10_000))
    assert lonely["user:bob"].time_per_image is None


def test_images_of_a_sweep_share_its_time():
    sweep = [said(f"s{n}", 2, APPROVED, at=60 + n * 0.01) for n in range(12)]
    found = figures(said("a", 2, APPROVED), *sweep)
    assert found["user:bob"].time_per_image == timedelta(seconds=5)


def test_reversal_is_somebody_elses_other_verdict():
    found = figures(
        said("a", 2, REJECTED), said("a", 3, APPROVED, "user:alice"),  # reversed
        said("b", 2, REJECTED), said("b", 3, REVIEW, "user:alice"),  # looked at again
        said("b", 4, REJECTED, "user:alice"),  # and confirmed
        said("c", 2, REJECTED), said("c", 3, APPROVED),  # his own second thought
        said("d", 2, REJECTED), said("d", 3, REVIEW, "user:x"),
        said("d", 4, APPROVED, "user:alice"),  # reversed after another look
    )  # fmt: skip
    assert found["user:bob"].reversed == Proportion(2, 5)
    assert found["user:alice"].reversed == Proportion(0, 3)


def test_undo_is_no_reversal():
    found = figures(said("a", 2, REJECTED), said("a", 3, REVIEW, undoes=2))
    assert found == {}
