"""MongoDB's rules for conditions and orders, case by case. The sources are its manual and parts
of its own tests; `test_same_answers` compares with running databases."""

import itertools
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from cloud.values import File, GeoPoint, Pointer, Polygon
from server.storage.matching import matcher, sort_key
from server.storage.port import (
    All,
    Compares,
    ContainedBy,
    ContainsAll,
    Differs,
    Either,
    Equals,
    Exists,
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Permits,
    Regex,
    SortKey,
)
from server.storage.regex import RegexRefused

DAY = datetime(2026, 11, 22, tzinfo=UTC)
LATER = DAY + timedelta(milliseconds=1)
LESS, UP_TO, MORE, FROM = Order.LESS, Order.LESS_OR_EQUAL, Order.GREATER, Order.GREATER_OR_EQUAL
RING = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0))


def matches(document, condition, *, ignore_case=False):
    return matcher(condition, ignore_case=ignore_case)(document)


EQUALITY = [
    # stored, value, equal
    (1, 1, True),
    (1, 1.0, True),
    (2**53 + 1, float(2**53), False),
    (1, True, False),
    (True, 1, False),
    (0, False, False),
    ("1", 1, False),
    ("é", "É", False),
    ("a\0b", "a", False),
    (b"ab", b"ab", True),
    (DAY, DAY, True),
    (DAY, LATER, False),
    (None, None, True),
    (0, None, False),
    ("", None, False),
    ([], None, False),
    ([None], None, True),
    ([1, 2], 2, True),
    ([1, 2], [1, 2], True),
    ([1, 2], [2, 1], False),
    ([[1, 2]], [1, 2], True),
    ([[1, 2]], 1, False),
    ([[[1]]], [1], False),
    ([], [], True),
    ([[]], [], True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),  # MongoDB's objects have an order
    ({"a": 1}, {"a": 1, "b": None}, False),
    ([{"a": 1}], {"a": 1}, True),
    (Pointer("_User", "a"), Pointer("_User", "a"), True),
    (Pointer("_User", "a"), Pointer("Other", "a"), False),
    ([Pointer("_User", "a")], Pointer("_User", "a"), True),
    (File("a.jpg", "http://one"), File("a.jpg"), True),
    (File("a.jpg"), File("b.jpg"), False),
    (GeoPoint(1, 2), GeoPoint(1.0, 2.0), True),
    (Polygon(RING), Polygon(RING), True),
]


@pytest.mark.parametrize(("stored", "value", "equal"), EQUALITY)
def test_equality_and_its_opposite(stored, value, equal):
    document = {"c": stored}
    assert matches(document, Equals("c", value)) is equal
    assert matches(document, OneOf("c", ("other", value))) is equal
    assert matches(document, ContainsAll("c", (value,))) is equal
    assert matches(document, Differs("c", value)) is not equal
    assert matches(document, NoneOf("c", ("other", value))) is not equal


def test_missing_equals_null_and_differs_from_everything_else():
    assert matches({}, Equals("c", None))
    assert not matches({}, Differs("c", None))
    assert matches({}, Differs("c", 1))
    assert matches({}, OneOf("c", (1, None)))
    assert matches({}, NoneOf("c", (1,)))


def test_empty_lists_of_values():
    for document in [{}, {"c": 1}, {"c": []}, {"c": None}]:
        assert not matches(document, OneOf("c", ()))
        assert matches(document, NoneOf("c", ()))
        assert not matches(document, ContainsAll("c", ()))


COMPARISONS = [
    # stored, order, value, holds
    (1, LESS, 1, False),
    (1, UP_TO, 1.0, True),
    (2, MORE, 1.5, True),
    ("b", MORE, "a", True),
    ("B", MORE, "a", False),
    ("", FROM, "", True),
    ("\U0001f600", MORE, "\uffff", True),  # by code point, where UTF-16 would say otherwise
    (False, LESS, True, True),
    (DAY, LESS, LATER, True),
    (DAY, LESS, DAY, False),
    (b"b", LESS, b"aa", True),  # the shorter is the lesser
    ("1", MORE, 0, False),  # another type
    (True, MORE, 0, False),
    (None, UP_TO, 1, False),
    (None, FROM, None, True),
    (None, MORE, None, False),
    (1, UP_TO, None, False),
    ([1, 9], MORE, 8, True),
    ([1, 9], LESS, 2, True),
    ([], LESS, 2, False),
    ([1, 2], LESS, [1, 3], True),
    ([1, 2], MORE, [1], True),
    ({"a": 1}, LESS, {"a": 2}, True),
    ({"b": 1}, MORE, {"a": 2}, True),  # the name counts before the value
    ({"b": 1}, LESS, {"a": "x"}, True),  # and the type before the name
    (Pointer("_User", "a"), LESS, Pointer("_User", "b"), True),
    (File("a"), LESS, File("b"), True),
]


@pytest.mark.parametrize(("stored", "order", "value", "holds"), COMPARISONS)
def test_comparisons_stay_within_a_type(stored, order, value, holds):
    assert matches({"c": stored}, Compares("c", order, value)) is holds


def test_missing_compares_as_null():
    assert matches({}, Compares("c", FROM, None))
    assert not matches({}, Compares("c", LESS, 1))


PATHS = [
    # document, path, a value there or None, exists
    ({"o": {"a": {"b": 1}}}, "o.a.b", 1, True),
    ({"o": {"a": None}}, "o.a", None, True),
    ({"o": {}}, "o.a", None, False),
    ({"o": 5}, "o.a", None, False),
    ({}, "o.a", None, False),
    ({"o": [{"a": 1}, {"a": 2}]}, "o.a", 2, True),
    ({"o": [{"a": 1}, {}]}, "o.a", None, True),
    ({"o": [{"a": [1, 2]}]}, "o.a", 2, True),
    ({"o": [7, 8]}, "o.1", 8, True),
    ({"o": [{"a": 7}]}, "o.0.a", 7, True),
    ({"o": {"0": 7}}, "o.0", 7, True),
    ({"o": [Pointer("_User", "x")]}, "o.objectId", "x", True),
    ({"o": GeoPoint(1, 2)}, "o.latitude", 1, True),
]


@pytest.mark.parametrize(("document", "path", "value", "exists"), PATHS)
def test_paths_lead_through_objects_and_arrays(document, path, value, exists):
    assert matches(document, Equals(path, value))
    assert matches(document, Exists(path, exists))
    assert not matches(document, Exists(path, not exists))
    assert not matches(document, Equals(path, "something else"))


@pytest.mark.parametrize("array", [[], [1, 2], [[{"a": None}]]])
def test_arrays_without_objects_have_not_even_null_within(array):
    assert not matches({"o": array}, Equals("o.a", None))
    assert matches({"o": array}, Differs("o.a", None))
    assert matches({"o": array}, Exists("o.a", False))


def test_index_of_an_array_beyond_every_bound():
    for name in ["9" * 5000, "²", "٣", "-1", "01"]:
        assert not matches({"o": [1, 2]}, Exists(f"o.{name}", True))


def test_regular_expressions_are_found_in_texts_and_their_arrays():
    condition = Matches("c", Regex("^an", "i"))
    assert matches({"c": "Anna"}, condition)
    assert matches({"c": ["other", "Anna"]}, condition)
    assert not matches({"c": ["other", "Hanna"]}, condition)


def test_regular_expressions_find_nothing_in_other_types():
    for value in [None, 1, True, DAY, ["x", 1], {"c": "1"}, [["1"]]]:
        assert not matches({"c": value}, Matches("c", Regex("1")))
    assert not matches({}, Matches("c", Regex("")))


def test_the_patterns_of_one_query_share_its_time():
    hostile = [Regex(f"(?:a|b)*a(?:a|b){{900}}{n}c") for n in range(500)]
    text = "".join(random.Random(1).choices("ab", k=20_000))
    for condition in [
        Either(tuple(Matches("c", one) for one in hostile)),
        ContainsAll("c", hostile),
    ]:
        started = time.monotonic()
        with pytest.raises(RegexRefused, match="takes too long"):
            matches({"c": [text] * 100}, condition)
        assert time.monotonic() - started < 3


def test_contains_all_takes_regular_expressions_too():
    condition = ContainsAll("c", (Regex("^a"), Regex("^b")))
    assert matches({"c": ["bo", "al"]}, condition)
    assert not matches({"c": ["al", "ab"]}, condition)
    assert matches({"c": "same"}, ContainsAll("c", ("same", "same")))


def test_long_lists_on_long_arrays_take_no_time():
    numbers = tuple(range(20_000))
    for condition in [
        ContainsAll("c", numbers),
        OneOf("c", (-1, *numbers)),
        Neither((NoneOf("c", numbers),)),
        ContainedBy("c", numbers),
        All(tuple(Equals("c", number) for number in numbers[:500])),
        All(tuple(Compares("c", UP_TO, number) for number in numbers[:500])),
    ]:
        started = time.process_time()
        assert matches({"c": list(reversed(numbers))}, condition)
        assert time.process_time() - started < 3


def test_arrays_made_to_collide_are_told_apart_as_fast_as_others():
    arrays = [list(array) for array in itertools.product((-1, -2), repeat=13)]
    started = time.process_time()
    assert matches({"c": arrays}, ContainedBy("c", tuple(arrays)))
    assert not matches({"c": arrays}, OneOf("c", ([-1] * 12,)))
    assert time.process_time() - started < 3


def test_contained_by_refuses_strangers_in_an_array():
    condition = ContainedBy("c", (1, "a", Pointer("_User", "x")))
    for array in [[], [1], ["a", 1.0, 1], [Pointer("_User", "x")]]:
        assert matches({"c": array}, condition)
    for array in [[2], [1, "b"], [None], [[1]], [True]]:
        assert not matches({"c": array}, condition)
    assert matches({}, condition)  # there is no stranger, as Parse Server asks it
    assert matches({"c": 7}, condition)


def test_conditions_are_joined():
    yes, no = Equals("c", 1), Equals("c", 2)
    document = {"c": 1}
    assert matches(document, All())
    assert matches(document, All((yes, Either((no, yes)))))
    assert not matches(document, All((yes, no)))
    assert not matches(document, Either((no, no)))
    assert not matches(document, Neither((no, yes)))
    assert matches(document, Neither((no, no)))


PERMISSIONS = [
    # ACL, readable to alice and the public
    (None, True),
    ({}, False),
    ({"*": {"read": True}}, True),
    ({"alice": {"read": True}}, True),
    ({"alice": {"write": True}}, False),
    ({"charlie": {"read": True}}, False),
    ({"role:Moderators": {"read": True}}, False),
]


@pytest.mark.parametrize(("acl", "readable"), PERMISSIONS)
def test_only_whom_the_acl_names_is_permitted(acl, readable):
    document = {} if acl is None else {"ACL": acl}
    assert matches(document, Permits("read", ("*", "alice"))) is readable


def test_without_case_texts_agree():
    for stored, value in [("Straße", "STRASSE"), ("e\u0301", "É"), ("ΣΑΣ", "σας")]:
        assert matches({"c": stored}, Equals("c", value), ignore_case=True)
        assert not matches({"c": stored}, Differs("c", value), ignore_case=True)
        assert not matches({"c": stored}, Equals("c", value))
    assert not matches({"c": "e"}, Equals("c", "é"), ignore_case=True)
    assert not matches({"objectId": "AB"}, Equals("objectId", "ab"), ignore_case=True)


def test_values_of_all_types_have_one_order():
    ascending = [
        [], None, -1, 0.5, 3, "", "A", "a", "b", {}, {"a": 1}, {"b": 1}, {"a": ""},
        [[]], b"", b"b", b"aa", False, True, DAY, LATER,
    ]  # fmt: skip
    keys = [sort_key({"c": value}, SortKey("c")) for value in ascending]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_missing_sorts_as_null():
    assert sort_key({}, SortKey("c")) == sort_key({"c": None}, SortKey("c"))
    assert sort_key({"o": [1]}, SortKey("o.c")) == sort_key({"c": None}, SortKey("c"))


def test_array_sorts_by_its_least_or_its_greatest_element():
    document = {"c": [5, 1, 9]}
    assert sort_key(document, SortKey("c")) == sort_key({"c": 1}, SortKey("c"))
    assert sort_key(document, SortKey("c", True)) == sort_key({"c": 9}, SortKey("c"))
    many = {"o": [{"c": 3}, {"c": [2, 4]}]}
    assert sort_key(many, SortKey("o.c")) == sort_key({"c": 2}, SortKey("c"))


def test_order_without_case():
    key = SortKey("c")
    assert sort_key({"c": "B"}, key) < sort_key({"c": "a"}, key)
    assert sort_key({"c": "a"}, key, ignore_case=True) < sort_key({"c": "B"}, key, ignore_case=True)
