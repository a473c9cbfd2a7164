"""Rows as parse-server 9.10 wrote them, read and written again."""

from datetime import UTC, datetime

import bson
import pytest
from bson import Decimal128, Int64, ObjectId, json_util
from hypothesis import given
from hypothesis import strategies as st

from cloud.operations import same
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.storage.mongo.rows import parse_row, stored_row
from server.storage.port import ClassSchema, ColumnType

ANN = "KCiiVZAhTO"
DAY = datetime(2020, 1, 2, 3, 4, 5, 678000, UTC)


def schema(class_name, **kinds):
    columns = {name: ColumnType(*kind.split()) for name, kind in kinds.items()}
    return ClassSchema(class_name, columns)


USER_IMAGE = schema(
    "UserImage", image="File", owner="Pointer _User", loc="GeoPoint", d="Date", o="Object",
    b="Bytes", n="Number", tags="Array", likes="Relation _User", area="Polygon",
)  # fmt: skip
USER = schema("_User", username="String", email="String", authData="Object")
SESSION = schema("_Session", user="Pointer _User", sessionToken="String", expiresAt="Date")
AUDIENCE = schema("_Audience", lastUsed="Date", timesUsed="Number")
THING = schema("Thing")


def date(text):
    return datetime.fromisoformat(text)


# The rows are those that parse-server inserted (parse_transcripts/mongo_commands.md).
RECORDED = [
    (
        USER_IMAGE,
        """{"image":"m_coffee.jpg","_p_owner":"_User$KCiiVZAhTO","loc":[2,1],
        "d":{"$date":"2020-01-02T03:04:05.678Z"},"o":{"k":{"$date":"2020-01-02T03:04:05.678Z"}},
        "b":{"$binary":{"base64":"AAE=","subType":"00"}},"n":1,"tags":["a",{"x":1}],
        "_id":"tUiUTdwFqd","_wperm":["KCiiVZAhTO"],"_rperm":["KCiiVZAhTO","*"],
        "_acl":{"KCiiVZAhTO":{"w":true,"r":true},"*":{"r":true}},
        "_created_at":{"$date":"2026-11-22T18:27:49.690Z"},
        "_updated_at":{"$date":"2026-11-22T18:27:49.690Z"}}""",
        {
            "image": File("m_coffee.jpg"),
            "owner": Pointer("_User", ANN),
            "loc": GeoPoint(1, 2),
            "d": DAY,
            "o": {"k": DAY},
            "b": b"\0\1",
            "n": 1,
            "tags": ["a", {"x": 1}],
            "objectId": "tUiUTdwFqd",
            "createdAt": date("2026-11-22T18:27:49.690Z"),
            "updatedAt": date("2026-11-22T18:27:49.690Z"),
            "ACL": {ANN: {"read": True, "write": True}, "*": {"read": True}},
        },
    ),
    (
        USER,
        """{"username":"ann","email":"ann@example.com","_id":"KCiiVZAhTO",
        "_hashed_password":"$2y$10$6Qee","_wperm":["KCiiVZAhTO"],"_rperm":["KCiiVZAhTO"],
        "_acl":{"KCiiVZAhTO":{"w":true,"r":true}},
        "_created_at":{"$date":"2026-11-22T18:27:48.683Z"},
        "_updated_at":{"$date":"2026-11-22T18:27:48.683Z"}}""",
        {
            "username": "ann",
            "email": "ann@example.com",
            "objectId": ANN,
            "_hashed_password": "$2y$10$6Qee",
            "createdAt": date("2026-11-22T18:27:48.683Z"),
            "updatedAt": date("2026-11-22T18:27:48.683Z"),
            "ACL": {ANN: {"read": True, "write": True}},
        },
    ),
    (
        SESSION,
        """{"_session_token":"r:15081c0da656bd71c90f4ba8927be960","_p_user":"_User$KCiiVZAhTO",
        "createdWith":{"action":"signup","authProvider":"password"},
        "expiresAt":{"$date":"2027-11-22T18:27:48.754Z"},"_id":"YW1dGnZ9jU",
        "_created_at":{"$date":"2026-11-22T18:27:48.754Z"},
        "_updated_at":{"$date":"2026-11-22T18:27:48.754Z"}}""",
        {
            "sessionToken": "r:15081c0da656bd71c90f4ba8927be960",
            "user": Pointer("_User", ANN),
            "createdWith": {"action": "signup", "authProvider": "password"},
            "expiresAt": date("2027-11-22T18:27:48.754Z"),
            "objectId": "YW1dGnZ9jU",
            "createdAt": date("2026-11-22T18:27:48.754Z"),
            "updatedAt": date("2026-11-22T18:27:48.754Z"),
        },
    ),
    (
        schema("_Role", name="String", users="Relation _User", roles="Relation _Role"),
        """{"name":"Moderators","_id":"n61hc0eDwx","_wperm":[],"_rperm":["*"],
        "_acl":{"*":{"r":true}},"_created_at":{"$date":"2026-11-22T18:27:51.550Z"},
        "_updated_at":{"$date":"2026-11-22T18:27:51.550Z"}}""",
        {
            "name": "Moderators",
            "objectId": "n61hc0eDwx",
            "createdAt": date("2026-11-22T18:27:51.550Z"),
            "updatedAt": date("2026-11-22T18:27:51.550Z"),
            "ACL": {"*": {"read": True}},
        },
    ),
    (
        schema("_JobStatus", jobName="String", status="String"),
        """{"_id":"7WO7EG3cAg","jobName":"noopJob","status":"running","_wperm":[],"_rperm":[],
        "_acl":{},"_created_at":{"$date":"2026-11-22T18:27:53.380Z"},
        "_updated_at":{"$date":"1970-01-01T00:00:00Z"}}""",
        {
            "objectId": "7WO7EG3cAg",
            "jobName": "noopJob",
            "status": "running",
            "createdAt": date("2026-11-22T18:27:53.380Z"),
            "updatedAt": date("1970-01-01T00:00:00Z"),
            "ACL": {},
        },
    ),
    (
        schema("_GlobalConfig", params="Object", masterKeyOnly="Object"),
        """{"_id":1,"params":{"moderationAutomation":true,
        "moderationScores":{"Sexy":{"min":0.6,"max":1}}},
        "masterKeyOnly":{"moderationAutomation":false}}""",
        {
            "objectId": 1,
            "params": {
                "moderationAutomation": True,
                "moderationScores": {"Sexy": {"min": 0.6, "max": 1}},
            },
            "masterKeyOnly": {"moderationAutomation": False},
        },
    ),
]
recorded = pytest.mark.parametrize(
    ("schema", "recorded", "document"), RECORDED, ids=[row[0].class_name for row in RECORDED]
)


def read(text):
    return json_util.loads(text, json_options=json_util.JSONOptions(tz_aware=True))


@recorded
def test_row_of_parse_server_is_read(schema, recorded, document):
    assert parse_row(schema, read(recorded)) == document


@recorded
def test_row_is_written_as_parse_server_does_keys_in_its_order(schema, recorded, document):
    written = stored_row(schema, document)
    assert json_util.dumps(written) == json_util.dumps(read(recorded))


def test_polygon_is_geojson():
    ring = Polygon(((0, 1), (2, 3), (4, 0), (0, 1)))
    row = stored_row(USER_IMAGE, {"area": ring})
    coordinates = [[[1, 0], [3, 2], [0, 4], [1, 0]]]
    assert row == {"area": {"type": "Polygon", "coordinates": coordinates}}
    assert parse_row(USER_IMAGE, row) == {"area": ring}


def test_relation_is_no_part_of_a_row():
    assert stored_row(USER_IMAGE, {"likes": Relation("_User"), "n": 1}) == {"n": 1}


def test_auth_data_stand_by_provider():
    document = {"authData": {"anonymous": {"id": "1"}, "facebook": {"id": "2"}}}
    row = {"_auth_data_anonymous": {"id": "1"}, "_auth_data_facebook": {"id": "2"}}
    assert stored_row(USER, document) == row
    assert parse_row(USER, row) == document
    assert parse_row(USER, {"authData": {"legacy": 1}}) == {}


def test_auth_data_of_another_class_are_a_plain_column():
    assert stored_row(THING, {"authData": {"a": 1}}) == {"authData": {"a": 1}}


@pytest.mark.parametrize("provider", ["", "a.b", "$where", "a b", "é"])
def test_name_that_no_provider_can_have_is_refused(provider):
    with pytest.raises(ValueError, match="auth provider"):
        stored_row(USER, {"authData": {provider: {}}})


@pytest.mark.parametrize("name", ["$where", "a.$[]", "a..b", "", "a."])
def test_name_that_mongodb_would_take_for_an_operator_is_refused(name):
    with pytest.raises(ValueError, match="no path"):
        stored_row(THING, {name: 1})


def test_audience_has_names_of_its_own():
    row = stored_row(AUDIENCE, {"lastUsed": DAY, "timesUsed": 2})
    assert row == {"_last_used": DAY, "times_used": 2}
    assert parse_row(AUDIENCE, row) == {"lastUsed": DAY, "timesUsed": 2}


TYPED = [
    (Pointer("_User", "a"), {"__type": "Pointer", "className": "_User", "objectId": "a"}),
    (File("a.jpg"), {"__type": "File", "name": "a.jpg"}),
    (File("a.jpg", "http://x/"), {"__type": "File", "name": "a.jpg", "url": "http://x/"}),
    (GeoPoint(1, 2), {"__type": "GeoPoint", "latitude": 1, "longitude": 2}),
    (
        Polygon(((0, 0), (0, 1), (1, 1), (0, 0))),
        {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
    ),
    (Relation("_User"), {"__type": "Relation", "className": "_User"}),
]


@pytest.mark.parametrize(("value", "stored"), TYPED)
def test_typed_values_within_arrays_and_objects_keep_their_json(value, stored):
    row = stored_row(USER_IMAGE, {"tags": [value], "o": {"k": [value]}})
    assert row == {"tags": [stored], "o": {"k": [stored]}}
    assert list(row["tags"][0]) == list(stored)
    assert parse_row(USER_IMAGE, row) == {"tags": [value], "o": {"k": [value]}}


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ({"__type": "Date", "iso": "2020-01-02T03:04:05.678Z"}, DAY),  # of a dotted update
        ({"__type": "Bytes", "base64": "AAE="}, b"\0\1"),
        ({"__type": "Pointer", "className": "C"}, None),
        ({"__type": "Pointer", "className": "C", "objectId": "a", "x": 1}, None),
        ({"__type": "Date", "iso": "yesterday"}, None),
        ({"__type": "Secret"}, None),
        ({"__type": ["Pointer"]}, None),
    ],
)
def test_json_with_type_is_a_value_only_if_it_is_exactly_one(stored, value):
    document = parse_row(USER_IMAGE, {"o": {"k": stored}})
    assert document == {"o": {"k": stored if value is None else value}}


@pytest.mark.parametrize(
    ("row", "document"),
    [
        ({"_p_gone": "C$a", "_p_n": "C$a"}, {}),
        ({"owner": None}, {}),
        ({"owner": None, "_p_owner": "_User$a"}, {"owner": Pointer("_User", "a")}),
        ({"_p_owner": None}, {"owner": None}),
        ({"b": "AAE="}, {"b": b"\0\1"}),
        ({"b": "not base64"}, {"b": "not base64"}),
        ({"loc": [1], "area": {"type": "Point"}}, {"loc": [1], "area": {"type": "Point"}}),
        ({"area": {"type": "Polygon", "coordinates": [[1, 2]]}}, None),
        ({"n": Int64(7), "o": {"k": Decimal128("1.5")}}, {"n": 7, "o": {"k": 1.5}}),
        ({"_id": ObjectId("0" * 24)}, {"objectId": "0" * 24}),
        ({"_rperm": ["*"]}, {"ACL": {"*": {"read": True}}}),
        ({"_wperm": ["a"]}, {"ACL": {"a": {"write": True}}}),
        ({"_rperm": None, "_wperm": None, "_acl": {"a": {"r": True}}}, {}),
        ({"_tombstone": 1}, {"_tombstone": 1}),
    ],
)
def test_odd_rows_are_read_as_far_as_they_make_sense(row, document):
    assert parse_row(USER_IMAGE, row) == (row if document is None else document)


def test_bson_types_of_numbers_do_not_leave_this_package():
    read_back = parse_row(THING, {"n": Int64(7), "d": Decimal128("1.5"), "list": [Int64(1)]})
    kinds = [type(read_back["n"]), type(read_back["d"]), type(read_back["list"][0])]
    assert kinds == [int, float, int]


def test_number_that_bson_cannot_hold_becomes_the_nearest_double():
    assert stored_row(THING, {"n": 2**63, "list": [-(2**64)]}) == {
        "n": 2.0**63,
        "list": [-(2.0**64)],
    }


texts = st.text(st.characters(exclude_categories=["Cs"]))
milliseconds = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
degrees = st.integers(-90, 90)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | texts | milliseconds | st.binary()
    | st.builds(Pointer, st.sampled_from(["_User", "Thing"]), texts.filter(bool))
    | st.builds(File, texts.filter(bool)) | st.builds(GeoPoint, degrees, degrees)
)  # fmt: skip
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner))


@given(values)
def test_every_value_survives_bson(value):
    options = bson.CodecOptions(tz_aware=True)
    stored = bson.encode(stored_row(USER_IMAGE, {"tags": [value]}))
    read_back = parse_row(USER_IMAGE, bson.decode(stored, options))
    assert same(read_back, {"tags": [value]})
