"""What becomes of an image that is known again."""

import pytest

from cloud.moderation.items import State
from cloud.moderation.memory import Recollection, opinion


def recollection(after, distance, matches=1):
    return Recollection("entry", after, "user:bob", "decision", distance, matches)


@pytest.mark.parametrize(
    ("after", "distance", "rules_say", "expected"),
    [
        (State.APPROVED, None, State.REJECTED, State.APPROVED),  # the very bytes a person saw
        (State.APPROVED, 0, State.REJECTED, State.REVIEW),
        (State.APPROVED, 31, State.REJECTED, State.REVIEW),
        (State.APPROVED, 31, State.REVIEW, State.APPROVED),
        (State.REJECTED, 31, State.APPROVED, State.REJECTED),
    ],
)
def test_near_copy_is_not_approved_over_rules_that_reject_it(after, distance, rules_say, expected):
    said, reasons = opinion(recollection(after, distance), 100, rules_say=rules_say)
    assert said is expected
    assert "decision decision" in reasons[0]


@pytest.mark.parametrize(
    ("distance", "rules_say", "expected"),
    [
        (31, State.REVIEW, State.REVIEW),
        (31, State.APPROVED, State.APPROVED),
        (None, State.REVIEW, State.APPROVED),  # the very bytes a person saw
    ],
)
def test_near_copy_that_one_can_see_through_is_not_approved_over_a_review(
    distance, rules_say, expected
):
    known = recollection(State.APPROVED, distance)
    said, _ = opinion(known, 100, rules_say=rules_say, is_seen_through=True)
    assert said is expected
