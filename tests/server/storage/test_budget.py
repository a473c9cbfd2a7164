"""What stored documents come to in memory, told before they are unpacked."""

import sys
from datetime import UTC, datetime

import bson
import pytest
from bson.errors import InvalidBSON
from hypothesis import given
from hypothesis import strategies as st

from cloud.values import File, GeoPoint, Pointer
from server.storage.budget import Budget, TooMuchData, Weight, weight_of, weight_of_json
from server.storage.mongo.weighing import weight_of_bson
from server.storage.sqlite.documents import dump, load

MEGABYTE = 1_000_000
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)
DOCUMENTS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=8), VALUES, max_size=6)
WORST = {
    "empty lists": [[]] * 1000,
    "empty objects": [{}] * 1000,
    "lists of one number": [[0]] * 1000,
    "small objects": [{"a": 0}] * 1000,
    "small numbers": [0] * 1000,
    "fractions": [0.5] * 1000,
    "short texts": ["ab"] * 1000,
    "many names": {f"n{i}": None for i in range(1000)},
    "a long text": "a" * 10_000,
    "a long text with a smile": "a" * 10_000 + "😀",
    "a long text in Chinese": "文" * 10_000,
}


def size_in_memory(value):
    """As Python has it, each value by itself, though small ones are shared."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(map(size_in_memory, (*value, *value.values())))
    return size + sum(map(size_in_memory, value)) if isinstance(value, list) else size


@given(DOCUMENTS)
def test_no_document_takes_more_than_it_was_weighed(document):
    stored = dump(document)
    assert weight_of_json(stored).held >= 0.9 * size_in_memory(load(stored)) - 500
    raw = bson.encode(document)
    assert weight_of_bson(raw).held >= 0.9 * size_in_memory(bson.decode(raw)) - 500
    assert weight_of(document).held >= 0.9 * size_in_memory(document) - 500


@pytest.mark.parametrize("value", WORST.values(), ids=WORST)
def test_the_worst_documents_are_weighed_with_their_answers(value):
    document = {"a": value}
    answered = size_in_memory(document) + len(dump(document))
    for weight in (weight_of_json(dump(document)), weight_of_bson(bson.encode(document))):
        budget = Budget(10**12)
        budget.take(weight)
        assert answered <= budget.taken < 150 * len(dump(document)) + 1000
        assert not Budget(100_000_000).takes_unseen(10**6)


def test_a_thousand_objects_of_ten_kilobytes_are_little():
    text = {"title": "A title of some words", "text": "word " * 1700, "n": 1}
    numbers = {f"column{i}": [i / 7, i, True, None] for i in range(20)}
    document = {"objectId": "abcdefghij", **text, **numbers}
    assert 9_000 < len(dump(document)) < 11_000
    for weight in (weight_of_json(dump(document)), weight_of_bson(bson.encode(document))):
        Budget(240 * MEGABYTE).take(weight, 1000)


def test_one_wide_character_makes_the_whole_answer_wide():
    narrow, wide = Weight(), Weight()
    narrow.add_text("a" * MEGABYTE)
    wide.add_text("😀")
    budget = Budget(8 * MEGABYTE)
    budget.take(narrow)
    with pytest.raises(TooMuchData):
        budget.take(wide)


@pytest.mark.parametrize(("text", "width"), [("ab", 1), ("é", 1), ("文", 2), ("😀", 4)])
@pytest.mark.parametrize("times", [1, 3, 99, 100, 5000])
def test_a_text_is_as_wide_as_its_widest_character(text, width, times):
    weight = Weight()
    weight.add_text(text * times)
    assert (weight.width, weight.length) == (width, len(text) * times)
    assert weight.encoded == len(text.encode()) * times


def test_values_of_parse_are_weighed():
    for value in (File("a.jpg"), File("a.jpg", "https://x/a.jpg"), Pointer("A", "b"), b"x" * 600):
        assert weight_of([value, GeoPoint(1, 2)]).held > 500


def test_what_is_given_back_can_be_taken_again():
    weight = Weight()
    weight.add_text("a" * MEGABYTE)
    budget = Budget(7 * MEGABYTE)
    for _ in range(10):
        budget.take(weight)
        budget.give_back(weight)
    assert not budget.is_spent


def test_a_spent_budget_begins_anew():
    weight = Weight()
    weight.add_text("a" * MEGABYTE)
    budget = Budget(3 * MEGABYTE)
    with pytest.raises(TooMuchData, match="more than 3 MB"):
        budget.take(weight)
    assert budget.is_spent
    budget.renew()
    assert not budget.is_spent


@pytest.mark.parametrize("raw", [b"", b"\5\0\0\0", b"\x08\0\0\0\x63a\0\0", b"\x07\0\0\0\x02a"])
def test_what_is_no_bson_is_refused(raw):
    with pytest.raises(InvalidBSON):
        weight_of_bson(raw)
