"""JSON exactly as SDKs expect it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.parse.encode import iso_date, to_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1000.0, "1000"),
        (0.5, "0.5"),
        (7.319686119444668e-05, "7.319686119444668e-05"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        (True, "true"),
        (None, "null"),
        (2**53 - 1, "9007199254740991"),
        (1e300, "1e+300"),
        (1e21, "1e+21"),
        (12345678901234567890.0, "12345678901234567000"),
        ("ü€😀</script>\u2028", '"ü€😀</script>\u2028"'),
        ({"a": [1.0, {"b": ()}]}, '{"a":[1,{"b":[]}]}'),
    ],
)
def test_value_is_written_as_javascript_would(value, text):
    assert to_json(value) == text


def test_date_is_typed_with_three_digits_and_z():
    moment = datetime(2020, 1, 2, 3, 4, 5, 6999, timezone(timedelta(hours=1)))
    assert iso_date(moment) == "2020-01-02T02:04:05.006Z"
    assert json.loads(to_json(datetime(1970, 1, 1, tzinfo=UTC))) == {
        "__type": "Date",
        "iso": "1970-01-01T00:00:00.000Z",
    }


def test_value_without_a_form_is_a_type_error():
    with pytest.raises(TypeError, match="set has no form"):
        to_json({"a": {1}})


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
)


@given(st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner)))
def test_what_is_written_reads_as_the_same_value(value):
    assert json.loads(to_json(value)) == value
