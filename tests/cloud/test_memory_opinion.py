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
