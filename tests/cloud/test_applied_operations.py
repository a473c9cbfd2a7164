"""What equals what, and what an operation makes of an array."""

import itertools
import time
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.operations import AddUnique, Remove, apply, identity, same
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
RING = ((0, 0), (0, 1), (1, 1), (0, 0))


class Outcome(StrEnum):
    APPROVED = "approved"


SAMENESS = [
    # one, other, the same
    (1, 1.0, True),
    (0.0, -0.0, True),
    (2**53 + 1, float(2**53), False),
    (1e300, int(1e300), True),
    (0.5, 0.5, True),
    (1, True, False),
    (0, False, False),
    (0, None, False),
    ("1", 1, False),
    ("None", None, False),
    ("a'b", 'a"b', False),
    ("approved", Outcome.APPROVED, True),
    ("ab", b"ab", False),
    ([1, [True]], [1.0, [True]], True),
    ([1, 2], [2, 1], False),
    (["a,b"], ["a", "b"], False),
    (["a','b"], ["a", "b"], False),
    ([], {}, False),
    ([[]], [], False),
    ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
    ({"a": 1}, {"a": 1, "b": None}, False),
    ({"a:1,b": 2}, {"a": 1, "b": 2}, False),
    (MOMENT, MOMENT.astimezone(timezone(timedelta(hours=2))), True),
    (MOMENT, MOMENT + timedelta(milliseconds=1), False),
    (MOMENT, MOMENT.isoformat(), False),
    (Pointer("A", "b"), Pointer("A", "b"), True),
    (Pointer("A", "b"), Pointer("A", "c"), False),
    (Pointer("A", "b"), "Pointer(class_name='A', object_id='b')", False),
    (Pointer("A', object_id='b", "c"), Pointer("A", "b', object_id='c"), False),
    (File("a"), File("a", "http://one"), False),
    (Relation("a"), File("a"), False),
    (GeoPoint(1, 2), GeoPoint(1.0, 2.0), True),
    (GeoPoint(1, 2), [1, 2], False),
    (Polygon(RING), Polygon(tuple((float(x), float(y)) for x, y in RING)), True),
    (Polygon(RING), Polygon(RING[1:]), False),
]


@pytest.mark.parametrize(("one", "other", "is_same"), SAMENESS)
def test_what_is_the_same(one, other, is_same):
    assert same(one, other) is same(other, one) is is_same
    assert same([one], [other]) is same({"c": one}, {"c": other}) is is_same
    assert apply({"c": [one]}, {"c": AddUnique((other,))})["c"] == (
        [one] if is_same else [one, other]
    )
    assert apply({"c": [one]}, {"c": Remove((other,))})["c"] == ([] if is_same else [one])


texts = st.text(alphabet="ab'\",:[]{}()\\\n", max_size=4)
values = st.recursive(
    texts | st.binary(max_size=2) | st.builds(Pointer, texts, texts) | st.builds(File, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


@given(values, values)
def test_identities_tell_apart_whatever_python_does(one, other):
    assert (identity(one) == identity(other)) is (one == other)


def test_arrays_made_to_collide_are_told_apart_as_fast_as_others():
    assert hash((-1,)) == hash((-2,))
    arrays = [list(array) for array in itertools.product((-1, -2), repeat=14)]
    started = time.process_time()
    apply({"c": arrays}, {"c": AddUnique((1, [-1] * 12))})
    apply({"c": arrays}, {"c": Remove((1, [-1] * 12))})
    assert time.process_time() - started < 2
