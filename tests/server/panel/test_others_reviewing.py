"""How many others are reviewing, and how many images they hold, on each database."""

import pytest
from moderation_parts import Moderation

from cloud.moderation.items import Lane
from cloud.moderation.review import CLAIM_LENGTH, Elsewhere, Reviewer


@pytest.fixture
def moderation(database):
    return Moderation(database)


def reviewer(name, session=None):
    return Reviewer(name, name, session or f"session of {name}")


def test_moderators_with_claims_are_counted_once_each_but_oneself(moderation):
    moderation.queue(0.5, 0.5, 0.5, 0.5)
    desk = moderation.desk()
    assert desk.elsewhere(reviewer("alice"), Lane.REVIEW) == Elsewhere(0, 0)
    desk.claim(reviewer("alice"), count=1)
    desk.claim(reviewer("bob"), count=1)
    desk.claim(reviewer("bob", "on his phone"), count=1)
    assert desk.elsewhere(reviewer("alice"), Lane.REVIEW) == Elsewhere(1, 2)
    assert desk.elsewhere(reviewer("carol"), Lane.REVIEW) == Elsewhere(2, 3)
    assert desk.elsewhere(reviewer("carol"), Lane.ESCALATED) == Elsewhere(0, 0)


def test_ones_own_images_on_another_device_are_in_other_hands(moderation):
    moderation.queue(0.5)
    desk = moderation.desk()
    desk.claim(reviewer("alice", "on her phone"), count=1)
    assert desk.elsewhere(reviewer("alice"), Lane.REVIEW) == Elsewhere(0, 1)


def test_whose_claims_ran_out_does_not_count(moderation):
    moderation.queue(0.5)
    desk = moderation.desk()
    desk.claim(reviewer("bob"), count=1)
    moderation.clock.advance(CLAIM_LENGTH.total_seconds())
    assert desk.elsewhere(reviewer("alice"), Lane.REVIEW) == Elsewhere(0, 0)
