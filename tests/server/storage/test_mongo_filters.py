"""Conditions and operations as parse-server sends them, and no way in for operators."""

from datetime import UTC, datetime
from math import pi

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.operations import Add, AddUnique, Delete, Increment, Remove, Set
from cloud.values import File, GeoPoint, Pointer
from server.storage.geo import Intersects, Near, WithinBox, WithinPolygon, WithinSphere
from server.storage.mongo.filters import to_filter, to_projection, to_sort, without_order
from server.storage.mongo.updates import to_update
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
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

ANN = Pointer("_User", "KCiiVZAhTO")
ANN_JSON = {"__type": "Pointer", "className": "_User", "objectId": "KCiiVZAhTO"}
MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
USER_IMAGE = ClassSchema(
    "UserImage",
    {
        "image": ColumnType("File"),
        "owner": ColumnType("Pointer", "_User"),
        "loc": ColumnType("GeoPoint"),
        "area": ColumnType("Polygon"),
        "tags": ColumnType("Array"),
        "o": ColumnType("Object"),
        "n": ColumnType("Number"),
        "likes": ColumnType("Relation", "_User"),
    },
)
USER = ClassSchema("_User", {"authData": ColumnType("Object")})
SESSION = ClassSchema("_Session", {"user": ColumnType("Pointer", "_User")})


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Equals("objectId", "a"), {"_id": "a"}),
        (Equals("owner", ANN), {"_p_owner": "_User$KCiiVZAhTO"}),
        (Equals("owner", "a"), {"_p_owner": "_User$a"}),
        (Equals("owner", None), {"_p_owner": None}),
        (Equals("image", File("a.jpg", "http://x/")), {"image": "a.jpg"}),
        (Equals("loc", GeoPoint(1, 2)), {"loc": {"$eq": [2, 1]}}),
        (Equals("createdAt", MOMENT), {"_created_at": MOMENT}),
        (Equals("tags", "b"), {"tags": {"$all": ["b"]}}),
        (Equals("tags", ANN), {"tags": {"$all": [ANN_JSON]}}),
        (Equals("tags", ["b"]), {"tags": {"$eq": ["b"]}}),
        (Equals("tags", None), {"tags": None}),
        (Equals("o", {"k": MOMENT}), {"o": {"$eq": {"k": MOMENT}}}),
        (Equals("o.k.l", ANN), {"o.k.l": {"$eq": ANN_JSON}}),
        (Differs("n", 1), {"n": {"$ne": 1}}),
        (Differs("owner", ANN), {"_p_owner": {"$ne": "_User$KCiiVZAhTO"}}),
        (Compares("n", Order.LESS, 1), {"n": {"$lt": 1}}),
        (Compares("updatedAt", Order.GREATER_OR_EQUAL, MOMENT), {"_updated_at": {"$gte": MOMENT}}),
        (OneOf("objectId", ()), {"_id": {"$in": []}}),
        (OneOf("owner", (ANN,)), {"_p_owner": {"$in": ["_User$KCiiVZAhTO"]}}),
        (OneOf("tags", (ANN, "b")), {"tags": {"$in": [ANN_JSON, "b"]}}),
        (NoneOf("n", (1, 2)), {"n": {"$nin": [1, 2]}}),
        (Exists("owner", False), {"_p_owner": {"$exists": False}}),
        (Matches("a", Regex(r"^\Qan\E")), {"a": {"$regex": r"^\Qan\E"}}),
        (Matches("a", Regex("x", "im")), {"a": {"$regex": "x", "$options": "im"}}),
        (ContainsAll("tags", (1, ANN)), {"tags": {"$all": [1, ANN_JSON]}}),
        (
            ContainsAll("tags", (Regex("^a"), Regex("b", "i"))),
            {"tags": {"$all": [bson.Regex("^a"), bson.Regex("b", "i")]}},
        ),
        (
            ContainedBy("tags", (1, 2)),
            {"$nor": [{"tags": {"$elemMatch": {"$nin": [1, 2]}}}]},
        ),
        (Near("loc", GeoPoint(1, 2)), {"loc": {"$nearSphere": [2, 1]}}),
        (Near("loc", GeoPoint(1, 2), 0.5), {"loc": {"$nearSphere": [2, 1], "$maxDistance": 0.5}}),
        (
            WithinBox("loc", GeoPoint(1, 2), GeoPoint(3, 4)),
            {"loc": {"$within": {"$box": [[2, 1], [4, 3]]}}},
        ),
        (
            WithinPolygon("loc", ((1, 2), (3, 4), (5, 6))),
            {"loc": {"$geoWithin": {"$polygon": [[2, 1], [4, 3], [6, 5]]}}},
        ),
        (
            WithinSphere("loc", GeoPoint(1, 2), 0.5),
            {"loc": {"$geoWithin": {"$centerSphere": [[2, 1], 0.5]}}},
        ),
        (
            Intersects("area", GeoPoint(1, 2)),
            {"area": {"$geoIntersects": {"$geometry": {"type": "Point", "coordinates": [2, 1]}}}},
        ),
        (Near("area", GeoPoint(1, 2)), {"_id": {"$in": []}}),
        (Intersects("loc", GeoPoint(1, 2)), {"_id": {"$in": []}}),
        (All(()), {}),
        (Either(()), {"_id": {"$in": []}}),
        (Neither(()), {}),
        (Either((Equals("a", 1), Equals("b", 2))), {"$or": [{"a": 1}, {"b": 2}]}),
        (Neither((Equals("a", 1),)), {"$nor": [{"a": 1}]}),
        (
            All((Equals("moderationRequired", True), Permits("read", ("*", "a")))),
            {"moderationRequired": True, "_rperm": {"$in": [None, "*", "a"]}},
        ),
        (
            All((Equals("objectId", "a"), Permits("write", ("*", "role:x")))),
            {"_id": "a", "_wperm": {"$in": [None, "*", "role:x"]}},
        ),
        (
            All((Compares("n", Order.GREATER, 1), Compares("n", Order.LESS, 3))),
            {"$and": [{"n": {"$gt": 1}}, {"n": {"$lt": 3}}]},
        ),
    ],
)
def test_condition_is_sent_as_parse_server_does(where, expected):
    assert to_filter(USER_IMAGE, where) == expected


def test_a_count_asks_for_no_order():
    readable = Permits("read", ("*",))
    near = All((Near("loc", GeoPoint(1, 2), 0.5), readable))
    assert without_order(near) == All((WithinSphere("loc", GeoPoint(1, 2), 0.5), readable))
    assert without_order(Near("loc", GeoPoint(1, 2))) == WithinSphere("loc", GeoPoint(1, 2), pi)


def test_columns_of_system_classes_are_found_where_parse_server_puts_them():
    anonymous = Equals("authData.anonymous.id", "1")
    assert to_filter(USER, anonymous) == {"_auth_data_anonymous.id": "1"}
    assert to_filter(SESSION, Equals("sessionToken", "r:1")) == {"_session_token": "r:1"}
    assert to_filter(SESSION, Equals("user", ANN)) == {"_p_user": "_User$KCiiVZAhTO"}


def test_sort_keys_are_translated():
    order = (SortKey("createdAt", descending=True), SortKey("owner"), SortKey("o.k"))
    assert to_sort(USER_IMAGE, order) == [("_created_at", -1), ("_p_owner", 1), ("o.k", 1)]
    again = [SortKey("o.k", descending=True), SortKey("createdAt"), SortKey("o.k")]
    assert to_sort(USER_IMAGE, again) == [("o.k", -1), ("_created_at", 1)]


ALWAYS_READ = ["_id", "_created_at", "_updated_at", "_wperm", "_rperm", "_acl"]


def test_only_the_wanted_columns_are_read():
    projection = to_projection(USER_IMAGE, frozenset({"owner", "o", "o.k", "ACL", "objectId"}))
    assert projection == dict.fromkeys([*ALWAYS_READ, "_p_owner", "o"], 1)
    assert to_projection(USER_IMAGE, frozenset()) == dict.fromkeys(ALWAYS_READ, 1)
    assert to_projection(USER_IMAGE, None) is None
    assert to_projection(USER, frozenset({"authData"})) is None


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (
            {
                "n": Increment(2),
                "tags": AddUnique(("b",)),
                "x": Delete(),
                "updatedAt": Set(MOMENT),
            },
            {
                "$inc": {"n": 2},
                "$addToSet": {"tags": {"$each": ["b"]}},
                "$unset": {"x": ""},
                "$set": {"_updated_at": MOMENT},
            },
        ),
        ({"tags": Add(("c", ANN))}, {"$push": {"tags": {"$each": ["c", ANN_JSON]}}}),
        ({"tags": Remove(("a",))}, {"$pullAll": {"tags": ["a"]}}),
        ({"owner": Set(ANN)}, {"$set": {"_p_owner": "_User$KCiiVZAhTO"}}),
        ({"owner": Delete()}, {"$unset": {"_p_owner": ""}}),
        ({"loc": Set(GeoPoint(1, 2)), "o.k": Set(1)}, {"$set": {"loc": [2, 1], "o.k": 1}}),
        (
            {"ACL": Set({"*": {"read": True}})},
            {"$set": {"_wperm": [], "_rperm": ["*"], "_acl": {"*": {"r": True}}}},
        ),
        ({"ACL": Delete()}, {"$unset": {"_wperm": "", "_rperm": "", "_acl": ""}}),
        ({"params.a": Set({"x": 1})}, {"$set": {"params.a": {"x": 1}}}),
        ({}, {"$unset": {"_": ""}}),
    ],
)
def test_operation_is_sent_as_parse_server_does(operations, expected):
    assert to_update(USER_IMAGE, operations) == expected


def test_auth_data_are_set_by_provider():
    assert to_update(USER, {"authData.a": Set({"id": "1"}), "authData.b": Delete()}) == {
        "$set": {"_auth_data_a": {"id": "1"}},
        "$unset": {"_auth_data_b": ""},
    }
    assert to_update(USER, {"authData": Set({"a": {"id": "1"}, "b": None})}) == {
        "$set": {"_auth_data_a": {"id": "1"}},
        "$unset": {"_auth_data_b": ""},
    }


HOSTILE = [{"$gt": ""}, {"$where": "1"}, {"$regex": "."}, {"$elemMatch": {}}, {"$in": [1]}]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("path", ["n", "tags", "o", "o.k", "owner", "image", "objectId"])
def test_object_from_outside_is_compared_and_never_carried_out(path, value):
    key = {"objectId": "_id", "owner": "_p_owner"}.get(path, path)
    asked = {where: to_filter(USER_IMAGE, where(path, value)) for where in (Equals, Differs)}
    assert asked == {Equals: {key: {"$eq": value}}, Differs: {key: {"$ne": value}}}
    less = Compares(path, Order.LESS, value)
    assert to_filter(USER_IMAGE, less) == {key: {"$lt": value}}


@pytest.mark.parametrize("value", HOSTILE)
def test_object_from_outside_never_stands_where_a_list_may_hold_operators(value):
    """MongoDB reads {"$all": [{"$elemMatch": ...}]}, and refuses {"$in": [{"$gt": ...}]}."""
    values = (1, value)
    assert to_filter(USER_IMAGE, ContainsAll("tags", values)) == {
        "$and": [{"tags": {"$all": [1]}}, {"tags": {"$eq": value}}]
    }
    assert to_filter(USER_IMAGE, OneOf("tags", values)) == {"tags": {"$in": [1]}}
    assert to_filter(USER_IMAGE, NoneOf("tags", values)) == {"tags": {"$nin": [1]}}
    assert to_filter(USER_IMAGE, ContainedBy("tags", values)) == {
        "$nor": [{"tags": {"$elemMatch": {"$nin": [1]}}}]
    }


@pytest.mark.parametrize("path", ["$where", "$or", "", "a.", "o.$gt", "tags.$", "tags.$[]"])
def test_path_from_outside_never_becomes_an_operator(path):
    with pytest.raises(ValueError, match="no path"):
        to_filter(USER_IMAGE, Equals(path, 1))
    with pytest.raises(ValueError, match="no path"):
        to_update(USER_IMAGE, {path: Set(1)})
    with pytest.raises(ValueError, match="no path"):
        to_sort(USER_IMAGE, [SortKey(path)])


OPERATORS = {"$eq", "$ne", "$lt", "$in", "$nin", "$all", "$exists"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$gt", "$where", "a", "$"]), inner, max_size=3)
    ),
)


@given(json_values, st.sampled_from(sorted(USER_IMAGE.columns)))
def test_what_stands_beside_a_column_is_a_scalar_or_one_of_our_operators(value, path):
    for where in (
        Equals(path, value),
        Differs(path, value),
        Compares(path, Order.LESS, value),
        OneOf(path, (value,)),
        NoneOf(path, (value,)),
    ):
        ((_, asked),) = to_filter(USER_IMAGE, where).items()
        assert not isinstance(asked, list)
        assert not isinstance(asked, dict) or asked.keys() <= OPERATORS
