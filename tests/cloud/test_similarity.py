"""The order in which each picture stands beside what it resembles most."""

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from cloud.moderation.similarity import chain
from ml_models.types import Fingerprint


def seen(bits, quality=100):
    """A fingerprint whose lowest bits are set."""
    return Fingerprint(f"{(1 << bits) - 1:064x}", quality)


def test_nothing_has_no_order():
    assert chain([]) == []


def test_each_is_followed_by_the_one_most_like_it():
    # From 100: the nearest is 90, from there 60, and only then the far side of 100.
    assert chain([seen(100), seen(60), seen(90), seen(150)]) == [0, 2, 1, 3]


def test_near_copies_stand_together():
    alike, others = [seen(200), seen(201), seen(199)], [seen(0), seen(100)]
    mixed = [alike[0], others[0], alike[1], others[1], alike[2]]
    assert set(chain(mixed)[:3]) == {0, 2, 4}


def test_of_two_equally_near_the_earlier_goes_first():
    assert chain([seen(50), seen(60), seen(40)]) == [0, 1, 2]
    assert chain([seen(50), seen(40), seen(60)]) == [0, 1, 2]


def test_what_cannot_be_compared_comes_last_as_it_stood():
    vague = seen(50, quality=49)
    assert chain([None, seen(50), vague, seen(51), None]) == [1, 3, 0, 2, 4]


def test_the_least_quality_that_counts():
    assert chain([None, seen(1, quality=50)]) == [1, 0]
    assert chain([None, seen(1, quality=49)]) == [0, 1]


@given(st.lists(st.none() | st.tuples(st.integers(0, 256), st.integers(0, 100)), max_size=30))
def test_every_picture_comes_once(given_pictures):
    fingerprints = [None if each is None else seen(*each) for each in given_pictures]
    assert sorted(chain(fingerprints)) == list(range(len(fingerprints)))


def test_a_whole_sweep_takes_little():
    rng = random.Random(1)
    pictures = [Fingerprint(f"{rng.getrandbits(256):064x}", 90) for _ in range(48)]
    started = time.process_time()
    chain(pictures)
    assert time.process_time() - started < 0.02
