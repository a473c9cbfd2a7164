"""How many others are reviewing, on each database."""

import pytest
from moderation_parts import Moderation

from cloud.moderation.items import Lane
from cloud.moderation.review import CLAIM_LENGTH, Reviewer


@pytest.fixture
def moderation(database):
    return Moderation(database)


def reviewer(name, session=None):
    return Reviewer(name, name, session or f"session of {name}")


def test_moderators_with_claims_are_counted_once_each_but_oneself(moderation):
    moderation.queue(0.5, 0.5, 0.5, 0.5)
    desk = moderation.desk()
    assert desk.others(reviewer("alice"), Lane.REVIEW) == 0
    desk.claim(reviewer("alice"), count=1)
    desk.claim(reviewer("bob"), count=1)
    desk.claim(reviewer("bob", "on his phone"), count=1)
    assert desk.others(reviewer("alice"), Lane.REVIEW) == 1
    assert desk.others(reviewer("carol"), Lane.REVIEW) == 2
    assert desk.others(reviewer("carol"), Lane.ESCALATED) == 0


def test_whose_claims_ran_out_does_not_count(moderation):
    moderation.queue(0.5)
    desk = moderation.desk()
    desk.claim(reviewer("bob"), count=1)
    moderation.clock.advance(CLAIM_LENGTH.total_seconds())
    assert desk.others(reviewer("alice"), Lane.REVIEW) == 0
