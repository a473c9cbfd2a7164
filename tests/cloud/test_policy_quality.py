"""Precision and recall by what people said: the counts, the intervals, the exact thresholds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.moderation.policy import read_policy
from cloud.moderation.policy_quality import Judged, Proportion, quality_of_policy
from cloud.moderation.rules import judge
from cloud.moderation.types import Outcome
from ml_models.types import Label, Prediction

POLICY = read_policy({"Porn": {"min": 0.4, "max": 0.8}, "Sexy": {"min": 0.6, "max": 0.9}}, True)


def judged(rejected, porn=0.0, sexy=0.0):
    return Judged((Prediction(Label.PORN, porn), Prediction(Label.SEXY, sexy)), rejected)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_the_literature(hits, of, low, high):
    assert Proportion(hits, of).interval == pytest.approx((low, high), abs=0.0001)


def test_nothing_says_nothing():
    assert Proportion(0, 0).value is None
    assert Proportion(0, 0).interval == (0.0, 1.0)


@given(st.integers(0, 50), st.integers(1, 50))
def test_interval_holds_the_share_and_stays_within_bounds(hits, more):
    share = Proportion(hits, hits + more)
    low, high = share.interval
    assert 0 <= low <= share.value <= high <= 1


def test_precision_and_recall_are_counted():
    images = [
        judged(True, porn=0.9),  # would be rejected, and was
        judged(True, porn=0.85),
        judged(False, porn=0.95),  # would be rejected, was approved
        judged(True, porn=0.5),  # would be looked at, was rejected
        judged(False, sexy=0.7),
        judged(True, porn=0.1),  # would pass, was rejected
        judged(False, porn=0.2),
    ]
    quality = quality_of_policy(images, POLICY)
    assert quality.rejecting.precision == Proportion(2, 3)
    assert quality.rejecting.recall == Proportion(2, 4)
    assert quality.stopping.precision == Proportion(3, 5)
    assert quality.stopping.recall == Proportion(3, 4)
    assert quality.points[Label.PORN].above_max.precision == Proportion(2, 3)
    assert quality.points[Label.PORN].from_min.recall == Proportion(3, 4)
    assert quality.points[Label.SEXY].from_min.precision == Proportion(0, 1)
    assert quality.points[Label.SEXY].above_max.precision == Proportion(0, 0)


def test_thresholds_are_those_of_the_rules_to_the_digit():
    images = [judged(True, porn=p) for p in (0.4, 0.8)]
    points = quality_of_policy(images, POLICY).points[Label.PORN]
    assert points.from_min.recall == Proportion(2, 2), "min itself is looked at"
    assert points.above_max.recall == Proportion(0, 2), "max itself is not rejected"


def test_switched_off_automation_changes_nothing_about_the_thresholds():
    images = [judged(True, porn=0.9)]
    off = read_policy({"Porn": {"min": 0.4, "max": 0.8}}, False)
    assert quality_of_policy(images, off).rejecting.recall == Proportion(1, 1)


def test_without_thresholds_everything_is_stopped():
    quality = quality_of_policy([judged(True), judged(False)], read_policy({}))
    assert quality.stopping.recall == Proportion(1, 1)
    assert quality.stopping.precision == Proportion(1, 2)
    assert quality.points == {}


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_choices_are_the_rules_own(drawn):
    images = [judged(*one) for one in drawn]
    quality = quality_of_policy(images, POLICY)
    outcomes = [judge(image.predictions, POLICY).outcome for image in images]
    assert quality.rejecting.precision.of == outcomes.count(Outcome.REJECTED)
    assert quality.stopping.precision.of == len(images) - outcomes.count(Outcome.APPROVED)
