"""What becomes a typed value, what stays a dict, and what is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.parse.decode import decode, decode_acl, decode_column, parse_date
from server.parse.encode import to_json
from server.parse.errors import ParseError
from server.parse.request import parse_body, read_json

DAY = datetime(2020, 1, 2, 3, 4, 5, 6000, UTC)
TYPED = [
    ({"__type": "Date", "iso": "2020-01-02T03:04:05.006Z"}, DAY),
    ({"__type": "Bytes", "base64": "AAEC/w=="}, b"\x00\x01\x02\xff"),
    ({"__type": "Bytes", "base64": ""}, b""),
    ({"__type": "Pointer", "className": "C", "objectId": "x"}, Pointer("C", "x")),
    ({"__type": "File", "name": "a.png"}, File("a.png")),
    ({"__type": "File", "name": "a.png", "url": "http://h/a.png"}, File("a.png", "http://h/a.png")),
    ({"__type": "GeoPoint", "latitude": 40, "longitude": -30.5}, GeoPoint(40, -30.5)),
    ({"__type": "GeoPoint", "latitude": -90, "longitude": 180}, GeoPoint(-90, 180)),
    (
        {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1]]},
        Polygon(((0, 0), (0, 1), (1, 1), (0, 0))),
    ),
    (
        {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        Polygon(((0, 0), (0, 1), (1, 1), (0, 0))),
    ),
    ({"__type": "Relation", "className": "C"}, Relation("C")),
]
MALFORMED = [
    {"__type": "Date"},
    {"__type": "Date", "iso": "nonsense"},
    {"__type": "Date", "iso": 5},
    {"__type": "Date", "iso": {"$gt": ""}},
    {"__type": "Date", "iso": "0001-01-01T00:00:00+14:00"},
    {"__type": "Bytes"},
    {"__type": "Bytes", "base64": "###"},
    {"__type": "Bytes", "base64": "ü"},
    {"__type": "Pointer", "className": "C"},
    {"__type": "Pointer", "className": "C", "objectId": 5},
    {"__type": "Pointer", "className": "", "objectId": "x"},
    {"__type": "Pointer", "className": "_User$alice", "objectId": "x"},
    {"__type": "Pointer", "className": "_Join:users:_Role", "objectId": "x"},
    {"__type": "File", "url": "http://h/a.png"},
    {"__type": "File", "name": "a", "url": 5},
    {"__type": "GeoPoint", "latitude": 1},
    {"__type": "GeoPoint", "latitude": 90.1, "longitude": 0},
    {"__type": "GeoPoint", "latitude": 0, "longitude": -180.1},
    {"__type": "GeoPoint", "latitude": True, "longitude": 0},
    {"__type": "GeoPoint", "latitude": "1", "longitude": 0},
    {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 91.0, 2]]},
    {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [91, 1]]},
    {"__type": "Polygon", "coordinates": "x"},
    {"__type": "Relation"},
    {"__type": "Relation", "className": "$C"},
    {"__type": "Nope"},
    {"__type": "Object", "className": "C", "objectId": "x"},
]


@pytest.mark.parametrize(("wire", "value"), TYPED)
def test_typed_value_is_read_in_a_column_and_inside_it(wire, value):
    assert decode_column("f", wire) == value
    assert decode_column("f", {"a": [wire]}) == {"a": [value]}
    assert decode({"a": [wire]}) == {"a": [value]}


@pytest.mark.parametrize("wire", MALFORMED)
def test_malformed_typed_value_is_111_as_a_column_and_stays_a_dict_inside(wire):
    with pytest.raises(ParseError) as refusal:
        decode_column("f", wire)
    assert refusal.value.code == 111
    assert refusal.value.message == f"This is not a valid {wire['__type']}"
    assert decode({"a": wire}) == {"a": wire}


@pytest.mark.parametrize(
    "wire",
    [
        {"__type": "Pointer", "className": "C", "objectId": "x", "more": 1},
        {"__type": ["Pointer"]},
        {"__type": None, "iso": "2020-01-02"},
        {"__type": "GeoPoint", "latitude": 1, "longitude": 1, "name": "home"},
    ],
)
def test_dict_that_says_more_than_a_typed_value_loses_nothing(wire):
    assert decode([wire]) == [wire]


def test_column_may_say_more_than_its_typed_value():
    wire = {"__type": "File", "name": "a", "url": "u", "more": 1}
    assert decode_column("f", wire) == File("a", "u")


def test_flat_polygon_is_code_1_but_no_500():
    with pytest.raises(ParseError, match="at least 3 different vertices") as refusal:
        decode_column("f", {"__type": "Polygon", "coordinates": [[0, 0], [1, 1], [0, 0]]})
    assert (refusal.value.code, refusal.value.status) == (1, 400)


def test_a_polygon_column_has_a_thousand_corners_at_most():
    def polygon(corners):
        return {"__type": "Polygon", "coordinates": [[n / 1000, n % 7] for n in range(corners)]}

    assert len(decode_column("f", polygon(1000)).points) == 1001
    with pytest.raises(ParseError, match="at most 1000 GeoPoints") as refusal:
        decode_column("f", polygon(1001))
    assert refusal.value.code == 111
    assert len(decode(polygon(1001)).points) == 1002  # what others have stored can be read


def test_values_of_cloud_code_pass_through():
    here = timezone(timedelta(hours=2))
    values = (Pointer("C", "x"), b"\0", GeoPoint(1, 2), datetime(2020, 1, 1, 2, 0, 0, 1999, here))
    moment = datetime(2020, 1, 1, 0, 0, 0, 1000, UTC)
    assert decode(values) == [Pointer("C", "x"), b"\0", GeoPoint(1, 2), moment]
    with pytest.raises(TypeError, match="set is no Parse value"):
        decode({"a": {1}})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-02T03:04:05.006Z", DAY),
        ("2020-01-02T03:04:05.006", DAY),
        ("2020-01-02T03:04:05.006999Z", DAY),
        ("2020-01-02T04:04:05.006+01:00", DAY),
        ("2020-01-02 03:04:05.006Z", DAY),
        ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2020-01-02T03:04Z", datetime(2020, 1, 2, 3, 4, tzinfo=UTC)),
    ],
)
def test_date_is_read_leniently(text, moment):
    assert parse_date(text) == moment


@pytest.mark.parametrize("text", ["", "x", "2020-13-01", "2020-01-01T25:00:00Z", "9" * 10_000])
def test_date_that_is_none_is_111(text):
    with pytest.raises(ParseError, match="This is not a valid Date"):
        parse_date(text)


@pytest.mark.parametrize(
    ("value", "code", "sentence"),
    [
        ({"$a": 1}, 121, "Nested keys should not contain the '$' or '.' characters"),
        ({"a.b": 1}, 121, "Nested keys should not contain the '$' or '.' characters"),
        ([[{"a": [{"b": {"x$y": 1}}]}]], 121, "Nested keys should not"),
        ({"a": {"b\0": 1}}, 121, "NUL"),
        ({"constructor": 1}, 105,
         'Prohibited keyword in request data: {"key":"constructor"}.'),
        ([{"a": {"__proto__": None}}], 105,
         'Prohibited keyword in request data: {"key":"__proto__"}.'),
        ({"a": [{"_bsontype": "Code"}]}, 105,
         'Prohibited keyword in request data: {"key":"_bsontype","value":"Code"}.'),
        ({"__type": "Pointer", "className": "C", "objectId": "x", "constructor": 1}, 105,
         "Prohibited keyword"),
    ],
)  # fmt: skip
def test_hostile_names_inside_a_column_are_refused(value, code, sentence):
    with pytest.raises(ParseError) as refusal:
        decode_column("f", value)
    assert refusal.value.code == code
    assert sentence in refusal.value.message


def test_words_that_only_look_prohibited_are_fine():
    value = {"_bsontype": "ObjectID", "a": "constructor", "proto": ["__proto__"], "": 1}
    assert decode_column("f", value) == value


def test_deepest_body_decodes():
    body = parse_body(b'{"a":' * 100 + b"1" + b"}" * 100, "")
    assert decode_column("f", body) == body


@pytest.mark.parametrize(
    ("wire", "acl"),
    [
        ({}, {}),
        ({"*": {"read": True}}, {"*": {"read": True}}),
        ({"u": {"read": True, "write": False}, "role:M": {"write": True}},
         {"u": {"read": True}, "role:M": {"write": True}}),
        ({"*": {}, "u": {"read": False, "write": None}}, {}),
    ],
)  # fmt: skip
def test_acl_keeps_what_is_true(wire, acl):
    assert decode_acl(wire) == acl
    assert decode_column("ACL", wire) == acl


@pytest.mark.parametrize(
    "wire",
    [
        "x",
        None,
        ["*"],
        {"__op": "Delete"},
        {"*": True},
        {"*": {"read": "false"}},
        {"*": {"read": 1}},
        {"": {"read": True}},
        {"u\0": {"read": True}},
    ],
)
def test_malformed_acl_is_111(wire):
    with pytest.raises(ParseError, match="This is not a valid ACL") as refusal:
        decode_acl(wire)
    assert refusal.value.code == 111


def test_acl_of_a_user_not_saved_is_123():
    with pytest.raises(ParseError, match=r"Invalid ACL\.") as refusal:
        decode_acl({"*unresolved": {"read": True}})
    assert refusal.value.code == 123


def test_prohibited_keyword_as_a_principal_is_105():
    with pytest.raises(ParseError) as refusal:
        decode_acl({"__proto__": {"read": True}})
    assert refusal.value.code == 105


# --- round trips ----------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
CLASS_NAME = st.sampled_from(["_User", "A", "A_1b"])
LATITUDE = st.floats(-90, 90)
LONGITUDE = st.floats(-180, 180)
DATES = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
RINGS = st.lists(st.tuples(LATITUDE, LONGITUDE), min_size=3, unique=True)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.binary()
    | DATES
    | st.builds(Pointer, CLASS_NAME, NAME)
    | st.builds(File, NAME, st.none() | TEXT)
    | st.builds(GeoPoint, LATITUDE, LONGITUDE)
    | st.builds(Relation, CLASS_NAME)
    | RINGS.map(lambda ring: Polygon((*ring, ring[0])))
)
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same(value):
    assert decode(read_json(to_json(value).encode())) == value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(TEXT | st.sampled_from(["__type", "iso", "name", "$gt"]), inner)
    ),
)


@given(JSON_VALUES)
def test_no_json_makes_more_than_a_parse_error(value):
    with suppress(ParseError):
        decode_column("f", value)
