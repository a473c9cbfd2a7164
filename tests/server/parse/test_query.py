"""Parameters of find and get."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.parse.errors import ParseError
from server.parse.query import FindRequest, read_find, read_get
from server.storage.port import SortKey


def test_without_parameters_the_first_hundred_are_found():
    assert read_find({}) == FindRequest()
    assert FindRequest().limit == 100
    assert read_get({}) == FindRequest()


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"where": {"a": 1}}, FindRequest(where={"a": 1})),
        ({"where": '{"a":1}'}, FindRequest(where={"a": 1})),
        ({"where": None}, FindRequest()),
        ({"where": "null"}, FindRequest()),
        ({"where": []}, FindRequest()),
        ({"where": "[]"}, FindRequest()),
        ({"limit": "7"}, FindRequest(limit=7)),
        ({"limit": 7.0}, FindRequest(limit=7)),
        ({"limit": 0}, FindRequest(limit=0)),
        ({"limit": "0"}, FindRequest(limit=0)),
        ({"limit": ""}, FindRequest()),
        ({"limit": None}, FindRequest()),
        ({"limit": 2**31 - 1}, FindRequest(limit=2**31 - 1)),
        ({"skip": "20"}, FindRequest(skip=20)),
        ({"count": 1}, FindRequest(count=True)),
        ({"count": "1"}, FindRequest(count=True)),
        ({"count": "true"}, FindRequest(count=True)),
        ({"count": True}, FindRequest(count=True)),
        ({"count": 0}, FindRequest()),
        ({"count": "0"}, FindRequest()),
        ({"count": "false"}, FindRequest()),
        ({"order": "a,-b, c.d"},
         FindRequest(order=(SortKey("a"), SortKey("b", True), SortKey("c.d")))),
        ({"order": "-_created_at,_updated_at"},
         FindRequest(order=(SortKey("createdAt", True), SortKey("updatedAt")))),
        ({"order": "a,-a"}, FindRequest(order=(SortKey("a"),))),
        ({"order": ""}, FindRequest()),
        ({"order": "$score"}, FindRequest(order=(SortKey("$score"),))),
        ({"order": '"-a"'}, FindRequest(order=(SortKey("a", True),))),
        ({"keys": "a, b,,a"}, FindRequest(keys=("a", "b"))),
        ({"keys": ["a", "b"]}, FindRequest(keys=("a", "b"))),
        ({"keys": '["a","b"]'}, FindRequest(keys=("a", "b"))),
        ({"keys": ""}, FindRequest(keys=())),
        ({"keys": "a.b.c,d"}, FindRequest(keys=("a.b.c", "d"), include=("a", "a.b"))),
        ({"excludeKeys": "a,b"}, FindRequest(exclude_keys=("a", "b"))),
        ({"include": "b.c.d,a"}, FindRequest(include=("a", "b", "b.c", "b.c.d"))),
        ({"include": "*"}, FindRequest(include_all=True)),
        ({"include": "*,a.b"}, FindRequest(include_all=True, include=("a", "a.b"))),
        ({"includeAll": "true"}, FindRequest(include_all=True)),
        ({"includeAll": False}, FindRequest()),
        ({"redirectClassNameForKey": "likes"}, FindRequest(redirect_class_name_for_key="likes")),
        ({"explain": "false", "hint": "", "comment": 5, "readPreference": ""}, FindRequest()),
        ({"comment": "c", "readPreference": "SECONDARY"},
         FindRequest(comment="c", read_preference="SECONDARY")),
        ({"includeReadPreference": "nearest", "subqueryReadPreference": "PRIMARY"},
         FindRequest(include_read_preference="NEAREST", subquery_read_preference="PRIMARY")),
        ({"explain": True}, FindRequest(explain="allPlansExecution")),
        ({"explain": "true"}, FindRequest(explain="allPlansExecution")),
        ({"explain": "queryPlanner"}, FindRequest(explain="queryPlanner")),
        ({"hint": "a_1"}, FindRequest(hint="a_1")),
        ({"hint": {"a": 1, "_p_b": -1}}, FindRequest(hint=(("a", 1), ("_p_b", -1)))),
        ({"hint": '{"a":1}'}, FindRequest(hint=(("a", 1),))),
    ],
)  # fmt: skip
def test_parameter_is_read_as_json_and_as_text(params, found):
    assert read_find(params) == found


@pytest.mark.parametrize(
    ("params", "code", "sentence"),
    [
        ({"foo": 1}, 102, "Invalid parameter for query: foo"),
        ({"distinct": "a"}, 102, "Invalid parameter for query: distinct"),
        ({"where": "{bad"}, 107, "where parameter is not valid JSON"),
        ({"where": '"x"'}, 107, "where parameter is not valid JSON"),
        ({"where": ""}, 107, "where parameter is not valid JSON"),
        ({"where": 5}, 107, "where parameter is not valid JSON"),
        ({"where": [1]}, 107, "where parameter is not valid JSON"),
        ({"where": '{"a":NaN}'}, 107, "where parameter is not valid JSON"),
        ({"where": '{"a":1e999}'}, 107, "where parameter is not valid JSON"),
        ({"where": '{"a":"\\ud800"}'}, 107, "where parameter is not valid JSON"),
        ({"where": '{"a":' * 101 + "1" + "}" * 101}, 107, "where parameter is not valid JSON"),
        ({"limit": -1}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": "abc"}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": 2**31}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": "9" * 400}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": 1.5}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": "nan"}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": True}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"limit": {"$gt": 1}}, 102, "limit must be a whole number from 0 to 2147483647."),
        ({"skip": "-1"}, 102, "skip must be a whole number from 0 to 2147483647."),
        ({"skip": "x"}, 102, "skip must be a whole number from 0 to 2147483647."),
        ({"order": "a$b"}, 105, "Invalid field name: a$b."),
        ({"order": "--a"}, 105, "Invalid field name: -a."),
        ({"order": "_rperm"}, 105, "Invalid field name: _rperm."),
        ({"order": "a."}, 105, "Invalid field name: a.."),
        ({"order": "-$other"}, 105, "Invalid field name: $other."),
        ({"order": ",".join(f"a{n}" for n in range(33))}, 102, "too many fields"),
        ({"order": {"a": 1}}, 102, "order must be a list of names with commas."),
        ({"order": [["a"]]}, 102, "order must be a list of names with commas."),
        ({"order": '["a"'}, 107, "not valid JSON"),
        ({"keys": "_hashed_password"}, 105, "Invalid field name: _hashed_password."),
        ({"keys": "a.$"}, 105, "Invalid field name: a.$."),
        ({"keys": 5}, 102, "keys must be a list of names with commas."),
        ({"keys": ",".join(f"a{n}" for n in range(101))}, 102, "too many fields"),
        ({"excludeKeys": "a b"}, 105, "Invalid field name: a b."),
        ({"include": "a.b$"}, 105, "Invalid field name: a.b$."),
        ({"include": ".".join("a" * 21)}, 102, "too many fields"),
        ({"redirectClassNameForKey": "a.b"}, 105, "Invalid field name: a.b."),
        ({"redirectClassNameForKey": 5}, 102, "redirectClassNameForKey must be a field's name."),
        ({"explain": "all"}, 102, "Invalid value for explain"),
        ({"explain": {"$gt": 1}}, 102, "Invalid value for explain"),
        ({"hint": {"a": 2}}, 102, "hint must be an index's name or its keys."),
        ({"hint": {"$a": 1}}, 102, "hint must be an index's name or its keys."),
        ({"readPreference": "ANY"}, 102, "Not supported read preference."),
    ],
)  # fmt: skip
def test_bad_parameter_is_refused(params, code, sentence):
    with pytest.raises(ParseError) as refusal:
        read_find(params)
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert sentence in refusal.value.message


def test_get_takes_keys_and_includes_alone():
    asked = {"keys": "a", "include": "b", "excludeKeys": "c", "readPreference": "PRIMARY"}
    assert read_get(asked) == FindRequest(
        keys=("a",), exclude_keys=("c",), include=("b",), read_preference="PRIMARY"
    )
    for name in ("where", "limit", "count", "bogus", "includeAll"):
        with pytest.raises(ParseError, match="Improper encode of parameter") as refusal:
            read_get({name: "1"})
        assert refusal.value.code == 102


NAMES = st.sampled_from(["a", "a.b", "_p_x", "$or", "$regex", "__type", ""])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
)
PARAMETERS = st.sampled_from(
    ["where", "limit", "skip", "order", "count", "keys", "excludeKeys", "include", "includeAll",
     "redirectClassNameForKey", "hint"]
)  # fmt: skip


@given(st.dictionaries(PARAMETERS, JSON_VALUES, max_size=3))
def test_no_parameters_make_more_than_a_parse_error(params):
    with suppress(ParseError):
        read_find(params)
    with suppress(ParseError):
        read_find({name: json.dumps(value) for name, value in params.items()})
