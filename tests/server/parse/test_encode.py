"""JSON exactly as SDKs expect it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.parse.encode import IncludedObject, iso_date, object_json, to_json
from server.storage.port import ClassSchema, ColumnType


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
        (2.0**53, "9007199254740992"),
        (-(2.0**53), "-9007199254740992"),
        (1e300, "1e+300"),
        (1e21, "1e+21"),
        (12345678901234567890.0, "12345678901234567000"),
        ("ü€😀</script>\u2028", '"ü€😀</script>\u2028"'),
        ({"a": [1.0, {"b": ()}]}, '{"a":[1,{"b":[]}]}'),
        ({1: 1.0}, '{"1":1}'),
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


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (Pointer("C", "x"), {"__type": "Pointer", "className": "C", "objectId": "x"}),
        (File("a"), {"__type": "File", "name": "a"}),
        (File("a", "u"), {"__type": "File", "name": "a", "url": "u"}),
        (GeoPoint(1.0, -2), {"__type": "GeoPoint", "latitude": 1, "longitude": -2}),
        (Polygon(((0, 0.0), (0, 1), (1, 1), (0, 0))),
         {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]}),
        (Relation("C"), {"__type": "Relation", "className": "C"}),
        (b"\x00\xff", {"__type": "Bytes", "base64": "AP8="}),
    ],
)  # fmt: skip
def test_value_is_typed_wherever_it_stands(value, wire):
    assert json.loads(to_json(value)) == wire
    assert json.loads(to_json({"a": [{"b": value}], "c": (value,)})) == {
        "a": [{"b": wire}],
        "c": [wire],
    }


# --- objects --------------------------------------------------------------------------------------

MOMENT = datetime(2020, 1, 2, 3, 4, 5, 6000, UTC)
ISO = "2020-01-02T03:04:05.006Z"
USER = ClassSchema("_User", {"username": ColumnType("String")})
IMAGE = ClassSchema(
    "UserImage",
    {
        "image": ColumnType("File"),
        "owner": ColumnType("Pointer", "_User"),
        "likes": ColumnType("Relation", "_User"),
        "when": ColumnType("Date"),
    },
)


def file_url(name):
    return f"http://files/{name}"


def shown(document, schema=IMAGE, **options):
    return object_json(document, schema, file_url, **options)


def test_object_is_shown_as_clients_expect_it():
    document = {
        "createdAt": MOMENT,
        "score": 1.0,
        "when": MOMENT,
        "image": File("a.png"),
        "owner": Pointer("_User", "u"),
        "ACL": {"*": {"read": True}},
        "nothing": None,
        "_hashed_password": "secret",
        "_anything": {"a": 1},
        "updatedAt": MOMENT,
        "objectId": "x",
    }
    assert to_json(shown(document)) == to_json(
        {
            "objectId": "x",
            "createdAt": ISO,
            "updatedAt": ISO,
            "score": 1,
            "when": {"__type": "Date", "iso": ISO},
            "image": {"__type": "File", "name": "a.png", "url": "http://files/a.png"},
            "owner": {"__type": "Pointer", "className": "_User", "objectId": "u"},
            "ACL": {"*": {"read": True}},
            "nothing": None,
            "likes": {"__type": "Relation", "className": "_User"},
        }
    )


def test_object_of_no_columns_shows_no_more_than_it_has():
    assert shown({"objectId": "x"}, USER) == {"objectId": "x"}
    assert shown({"objectId": "x", "ACL": {}}, USER) == {"objectId": "x", "ACL": {}}


def test_file_with_a_url_of_its_own_keeps_it():
    document = {"image": File("a", "http://other/a"), "more": [{"f": File("b")}]}
    assert shown(document, USER) == {
        "image": {"__type": "File", "name": "a", "url": "http://other/a"},
        "more": [{"f": {"__type": "File", "name": "b", "url": "http://files/b"}}],
    }


def test_included_objects_are_typed_at_any_depth():
    alice = IncludedObject({"objectId": "u", "createdAt": MOMENT, "_session_token": "r:1"}, USER)
    wire = {"objectId": "u", "createdAt": ISO, "__type": "Object", "className": "_User"}
    assert shown({"owner": alice, "fans": [alice, {"who": alice}]}, USER) == {
        "owner": wire,
        "fans": [wire, {"who": wire}],
    }
    album = IncludedObject({"objectId": "i", "owner": alice}, IMAGE)
    assert shown({"cover": album}, USER)["cover"] == {
        "objectId": "i",
        "owner": wire,
        "likes": {"__type": "Relation", "className": "_User"},
        "__type": "Object",
        "className": "UserImage",
    }


def test_object_inside_another_answer_names_its_class():
    assert shown({"objectId": "u"}, USER, with_type=True) == {
        "objectId": "u",
        "__type": "Object",
        "className": "_User",
    }


def test_included_object_has_no_form_outside_an_object():
    with pytest.raises(TypeError, match="IncludedObject has no form"):
        to_json([IncludedObject({}, USER)])


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
