"""Figures of days: what counts as automatic, and how long images waited."""

from collections import Counter
from datetime import date, timedelta
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.moderation.figures import (
    DayFigures,
    Transition,
    automation,
    automation_by_class,
    wait_step,
    waits,
)
from cloud.moderation.items import State
from cloud.moderation.policy_quality import Proportion

PENDING, APPROVED, REJECTED, REVIEW, ENDED = State
DAY = date(2026, 11, 22)


def day(*transitions):
    """`(before, after, by, top class, count)`."""
    return DayFigures(DAY, transitions={Transition(*t[:4]): t[4] for t in transitions})


ONE = day(
    (PENDING, APPROVED, "rules", "Neutral", 60),
    (PENDING, REJECTED, "rules", "Porn", 5),
    (PENDING, APPROVED, "memory", "Neutral", 2),
    (PENDING, REVIEW, "rules", "Porn", 20),
    (PENDING, REVIEW, "system", None, 3),
    (PENDING, APPROVED, "user:bob", "Neutral", 1),
    (PENDING, ENDED, "system", None, 9),
    (REVIEW, APPROVED, "user:bob", "Porn", 12),
    (REVIEW, REJECTED, "master key", "Porn", 4),
    (APPROVED, REVIEW, "owner:carol", "Porn", 1),
)


def test_outcomes_are_counted_by_who_decided():
    assert ONE.count(APPROVED, by_people=False) == 62
    assert ONE.count(REJECTED, by_people=False) == 5
    assert ONE.count(APPROVED, by_people=True) == 13
    assert ONE.count(REJECTED, by_people=True) == 4
    assert ONE.sent_to_review == 23


def test_automation_is_of_new_images_that_were_not_taken_away():
    assert automation([ONE]) == Proportion(67, 91)
    assert automation([ONE, ONE]) == Proportion(134, 182)
    assert automation([]) == Proportion(0, 0)


def test_automation_is_told_for_each_class():
    assert automation_by_class([ONE]) == {
        "Neutral": Proportion(62, 63),
        "Porn": Proportion(5, 25),
        None: Proportion(0, 3),
    }


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1, 12.3, 60, 3_600, 86_400, 30 * 86_400])
def test_wait_is_told_to_within_five_per_cent(seconds):
    told = waits([{wait_step(timedelta(seconds=seconds)): 7}])
    assert told.count == 7
    assert told.median.total_seconds() == pytest.approx(seconds, rel=0.05)


def test_waits_of_several_days_are_one():
    quick, slow = (wait_step(timedelta(seconds=s)) for s in (1, 1000))
    told = waits([{quick: 94}, {slow: 6}])
    assert told.median.total_seconds() == pytest.approx(1, rel=0.05)
    assert told.p95.total_seconds() == pytest.approx(1000, rel=0.05)


def test_no_waits_are_no_time():
    told = waits([{}, {}])
    assert (told.count, told.median, told.p95) == (0, None, None)


@given(st.lists(st.floats(0.2, 1e6), min_size=20, max_size=60))
def test_quantiles_are_those_of_the_waits_themselves(seconds):
    told = waits([Counter(wait_step(timedelta(seconds=s)) for s in seconds)])
    cuts = quantiles(seconds, n=20, method="inclusive")
    ordered = sorted(seconds)
    for found, at, cut in ((told.median, 0.5, cuts[9]), (told.p95, 0.95, cuts[18])):
        index = round(at * len(ordered))
        low, high = ordered[max(index - 2, 0)], ordered[min(index + 1, len(ordered) - 1)]
        assert min(low, cut) * 0.95 <= found.total_seconds() <= max(high, cut) * 1.05


@pytest.mark.parametrize(("seconds", "step"), [(0, 0), (0.0999, 0), (1e9, 191)])
def test_waits_beyond_the_steps_are_counted_too(seconds, step):
    assert wait_step(timedelta(seconds=seconds)) == step
    assert waits([{step: 1}]).median is not None
