"""Every operator of `where`, with its refusals."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.values import File, GeoPoint, Pointer
from server.parse.errors import ParseError
from server.parse.where import read_where
from server.storage.port import (
    EVERYTHING,
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
    Regex,
)

MOMENT = datetime(2020, 1, 2, tzinfo=UTC)
DATE = {"__type": "Date", "iso": "2020-01-02T00:00:00.000Z"}
ALICE = Pointer("_User", "alice")
POINTER = {"__type": "Pointer", "className": "_User", "objectId": "alice"}


class Answers:
    """Answers every subquery with two objects, and remembers what was asked."""

    def __init__(self):
        self.asked = []

    def in_query(self, class_name, where):
        self.asked.append((class_name, where))
        return (Pointer(class_name, "1"), Pointer(class_name, "2"))

    def select(self, class_name, where, key):
        self.asked.append((class_name, where, key))
        return (f"{key}1", None)

    def related_to(self, owner, key):
        self.asked.append((owner, key))
        return ("r1", "r2")


def condition(where, *, master=False):
    return read_where(where, Answers(), master=master)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, EVERYTHING),
        ({"f": 1}, Equals("f", 1)),
        ({"f": None}, Equals("f", None)),
        ({"f": "x"}, Equals("f", "x")),
        ({"f": False}, Equals("f", False)),
        ({"f": POINTER}, Equals("f", ALICE)),
        ({"f": DATE}, Equals("f", MOMENT)),
        ({"f": MOMENT}, Equals("f", MOMENT)),
        ({"f": ALICE}, Equals("f", ALICE)),
        ({"f": {"__type": "File", "name": "a"}}, Equals("f", File("a"))),
        ({"f": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}},
         Equals("f", GeoPoint(1, 2))),
        ({"f": {"k": 1, "sub": {"v": [POINTER]}}}, Equals("f", {"k": 1, "sub": {"v": [ALICE]}})),
        ({"f": {}}, Equals("f", {})),
        ({"f.a.0.b_c": 1}, Equals("f.a.0.b_c", 1)),
        ({"objectId": "x"}, Equals("objectId", "x")),
        ({"createdAt": "2020-01-02T00:00:00.000Z"}, Equals("createdAt", MOMENT)),
        ({"updatedAt": {"$gt": "2020-01-02"}}, Compares("updatedAt", Order.GREATER, MOMENT)),
        ({"createdAt": {"$in": ["2020-01-02", DATE]}}, OneOf("createdAt", (MOMENT, MOMENT))),
        ({"f": "2020-01-02"}, Equals("f", "2020-01-02")),
        ({"a": 1, "b": 2}, All((Equals("a", 1), Equals("b", 2)))),
        # operators
        ({"f": {"$eq": [1]}}, Equals("f", [1])),
        ({"f": {"$eq": None}}, Equals("f", None)),
        ({"f": {"$ne": POINTER}}, Differs("f", ALICE)),
        ({"f": {"$lt": 1}}, Compares("f", Order.LESS, 1)),
        ({"f": {"$lte": "x"}}, Compares("f", Order.LESS_OR_EQUAL, "x")),
        ({"f": {"$gt": DATE}}, Compares("f", Order.GREATER, MOMENT)),
        ({"f": {"$gte": POINTER}}, Compares("f", Order.GREATER_OR_EQUAL, ALICE)),
        ({"f": {"$gt": 1, "$lte": 5}},
         All((Compares("f", Order.GREATER, 1), Compares("f", Order.LESS_OR_EQUAL, 5)))),
        ({"f": {"$in": [1, None, POINTER]}}, OneOf("f", (1, None, ALICE))),
        ({"f": {"$in": [[1, 2], 3]}}, OneOf("f", (1, 2, 3))),
        ({"f": {"$in": []}}, OneOf("f", ())),
        ({"f": {"$nin": ["a", {"b": 1}]}}, NoneOf("f", ("a", {"b": 1}))),
        ({"f": {"$exists": True}}, Exists("f", True)),
        ({"f": {"$exists": False}}, Exists("f", False)),
        ({"f": {"$all": [1, POINTER]}}, ContainsAll("f", (1, ALICE))),
        ({"f": {"$all": []}}, ContainsAll("f", ())),
        ({"f": {"$all": [{"$regex": "^\\Qa\\E"}, {"$regex": "b", "$options": "i"}]}},
         ContainsAll("f", (Regex("^\\Qa\\E"), Regex("b", "i")))),
        ({"f": {"$containedBy": [1, "a"]}}, ContainedBy("f", (1, "a"))),
        ({"f": {"$regex": "^\\Qa.b\\E"}}, Matches("f", Regex("^\\Qa.b\\E"))),
        ({"f": {"$options": "xiim", "$regex": "a"}}, Matches("f", Regex("a", "imx"))),
        ({"f": {"$regex": "a", "$ne": "ab"}}, All((Matches("f", Regex("a")), Differs("f", "ab")))),
        # a value and operators mixed
        ({"f": {"a": 1, "$exists": True}}, All((Equals("f", {"a": 1}), Exists("f", True)))),
        ({"f": {**POINTER, "$exists": True}}, All((Equals("f", ALICE), Exists("f", True)))),
        # combinations
        ({"$or": [{"a": 1}, {"b": 2, "c": 3}]},
         Either((Equals("a", 1), All((Equals("b", 2), Equals("c", 3)))))),
        ({"$and": [{"a": 1}, {"a": {"$ne": 2}}], "b": 1},
         All((All((Equals("a", 1), Differs("a", 2))), Equals("b", 1)))),
        ({"$and": []}, EVERYTHING),
        ({"$nor": [{"$or": [{"a": 1}]}]}, Neither((Either((Equals("a", 1),)),))),
        ({"$or": [{}]}, Either((EVERYTHING,))),
    ],
)  # fmt: skip
def test_where_becomes_a_condition(where, found):
    assert condition(where) == found


@pytest.mark.parametrize(
    ("where", "code", "sentence"),
    [
        # names
        ({"a-b": 1}, 105, "Invalid key name: a-b"),
        ({"$where": "1"}, 105, "Invalid key name: $where"),
        ({"$expr": {}}, 105, "Invalid key name: $expr"),
        ({"_rperm": "x"}, 105, "Invalid key name: _rperm"),
        ({"_hashed_password": {"$regex": "^a"}}, 105, "Invalid key name: _hashed_password"),
        ({"__proto__": 1}, 105, "Invalid key name: __proto__"),
        ({"a..b": 1}, 105, "Invalid key name: a..b"),
        ({"a.$": 1}, 105, "Invalid key name: a.$"),
        ({"a\n": 1}, 105, "Invalid key name: a\n"),
        ({"ä": 1}, 105, "Invalid key name: ä"),
        ({"": 1}, 105, "Invalid key name: "),
        ({"0a": 1}, 105, "Invalid key name: 0a"),
        ({".".join("a" * 21): 1}, 105, "Invalid key name: a.a."),
        ({"$or": [{"_session_token": "r:x"}]}, 105, "Invalid key name: _session_token"),
        ({"ACL": {"*": {"read": True}}}, 102, "Cannot query on ACL."),
        ({"ACL": None}, 102, "Cannot query on ACL."),
        ({"ACL.role": 1}, 102, "Cannot query on ACL."),
        ({"$nor": [{"$and": [{"ACL": 1}]}]}, 102, "Cannot query on ACL."),
        # operators that are none
        ({"f": {"$foo": 1}}, 107, "bad constraint: $foo"),
        ({"f": {"$where": "sleep(1)"}}, 107, "bad constraint: $where"),
        ({"f": {"$not": {"$eq": 1}}}, 107, "bad constraint: $not"),
        ({"f": {"$elemMatch": {}}}, 107, "bad constraint: $elemMatch"),
        ({"f": {"$or": [{"a": 1}]}}, 107, "bad constraint: $or"),
        ({"f": {"$minDistance": 1}}, 107, "bad constraint: $minDistance"),
        ({"f": {"$options": "i"}}, 107, "bad constraint: $options"),
        ({"f": {"a": 1, "$foo": 1}}, 107, "bad constraint: $foo"),
        # operators as values
        ({"f": {"a": {"$gt": 1}}}, 107, 'bad atom: {"a":{"$gt":1}}'),
        ({"f": {"a": [{"$gt": 1}]}}, 107, "bad atom: "),
        ({"f": {"a.b": 1}}, 107, 'bad atom: {"a.b":1}'),
        ({"f": {"$eq": {"$gt": 1}}}, 107, 'bad atom: {"$gt":1}'),
        ({"f": {"$ne": {"$gt": 1}}}, 107, 'bad atom: {"$gt":1}'),
        ({"f": {"$in": [{"$gt": 1}]}}, 107, 'bad atom: {"$gt":1}'),
        ({"f": {"$nin": [[{"$regex": "a"}]]}}, 107, 'bad atom: {"$regex":"a"}'),
        ({"f": {"$all": [{"$gt": 1}]}}, 107, 'bad atom: {"$gt":1}'),
        ({"f": {"$containedBy": [{"$gt": 1}]}}, 107, 'bad atom: {"$gt":1}'),
        ({"f": {"$all": [{"$regex": "a", "$where": "1"}]}}, 107, "bad atom: "),
        ({"f": {**POINTER, "objectId": {"$ne": None}}}, 107, "bad atom: "),
        ({"f": {"$eq": {"constructor": 1}}}, 105, "Prohibited keyword in request data"),
        # values
        ({"f": [1, 2]}, 107, "You cannot use [1,2] as a query parameter."),
        ({"f": {"__type": "Date", "iso": "x"}}, 111, "This is not a valid Date"),
        ({"f": {"__type": "Nope"}}, 111, "This is not a valid Nope"),
        ({"createdAt": "yesterday"}, 111, "This is not a valid Date"),
        ({"f": {"$gt": [1]}}, 107, "bad atom: [1]"),
        ({"f": {"$lte": {"a": 1}}}, 107, 'bad atom: {"a":1}'),
        ({"f": {"$lt": {"__type": "File", "name": "a"}}}, 107, "bad atom: "),
        ({"f": {"$in": 5}}, 107, "bad $in value"),
        ({"f": {"$in": "x"}}, 107, "bad $in value"),
        ({"f": {"$nin": {"0": 1}}}, 107, "bad $nin value"),
        ({"f": {"$all": 5}}, 107, "bad $all value"),
        ({"f": {"$all": [{"$regex": "a"}, "b"]}}, 107,
         'All $all values must be of regex type or none: [{"$regex":"a"},"b"]'),
        ({"f": {"$containedBy": 5}}, 107, "bad $containedBy: should be an array"),
        ({"f": {"$exists": "true"}}, 107, "bad $exists value"),
        ({"f": {"$exists": {"$gt": 1}}}, 107, "bad $exists value"),
        ({"f": {"$regex": 5}}, 102, "$regex value must be a string"),
        ({"f": {"$regex": {"$ne": 1}}}, 102, "$regex value must be a string"),
        ({"f": {"$regex": "a\0"}}, 107, "bad regex: "),
        ({"f": {"$regex": "a" * 10_001}}, 107, "bad regex: "),
        ({"f": {"$regex": "a", "$options": "z"}}, 102, "Bad $options value for query: z"),
        ({"f": {"$regex": "a", "$options": ""}}, 102, "Bad $options value for query: "),
        ({"f": {"$regex": "a", "$options": 5}}, 102, "Bad $options value for query: 5"),
        ({"f": {"$regex": "a", "$options": "i\n"}}, 102, "Bad $options value for query: i\n"),
        # combinations
        ({"$or": {"a": 1}}, 102, "Bad $or format - use an array value."),
        ({"$and": "x"}, 102, "Bad $and format - use an array value."),
        ({"$nor": 5}, 102, "Bad $nor format - use an array value."),
        ({"$or": [1]}, 102, "Bad $or format - use an array value."),
        ({"$or": [[{"a": 1}]]}, 102, "Bad $or format - use an array value."),
        ({"$or": []}, 102, "Bad $or format - use an array of at least 1 value."),
        ({"$nor": []}, 102, "Bad $nor format - use an array of at least 1 value."),
    ],
)  # fmt: skip
def test_bad_where_is_refused(where, code, sentence):
    with pytest.raises(ParseError) as refusal:
        condition(where)
    assert (refusal.value.code, refusal.value.status) == (code, 400)
    assert refusal.value.message.startswith(sentence)


def test_names_with_underscores_are_for_the_master_key():
    assert condition({"_email_verify_token": "t"}, master=True) == Equals(
        "_email_verify_token", "t"
    )
    for name in ("$where", "_a-b", "_", "_a.$"):
        with pytest.raises(ParseError, match="Invalid key name"):
            condition({name: 1}, master=True)


# --- relative time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("now", timedelta()),
        (" NOW ", timedelta()),
        ("in 2 hours", timedelta(hours=2)),
        ("3 days ago", timedelta(days=-3)),
        ("in 1 year 2 weeks 3 d 4 hrs 5 mins 6 secs",
         timedelta(days=365 + 14 + 3, hours=4, minutes=5, seconds=6)),
        ("-1 day ago", timedelta(days=1)),
        ("ago", timedelta()),
    ],
)  # fmt: skip
def test_relative_time_is_reckoned_from_now(text, offset):
    before = datetime.now(UTC)
    found = condition({"f": {"$lt": {"$relativeTime": text}}})
    assert (found.path, found.order) == ("f", Order.LESS)
    assert abs(found.value - offset - before) < timedelta(minutes=1)
    assert found.value.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3 days", "Time should either start with 'in' or end with 'ago'"),
        ("", "Time should either start with 'in' or end with 'ago'"),
        (5, "Time should either start with 'in' or end with 'ago'"),
        ("in 3 days ago", "Time cannot have both 'in' and 'ago'"),
        ("in 3", "Invalid time string. Dangling unit or number."),
        ("1.5 days ago", "'1.5' is not an integer."),
        ("in x days", "'x' is not an integer."),
        ("2 fortnights ago", "Invalid interval: 'fortnights'"),
        ("in 999999 years", "date value out of range"),
        ("in 999999999999999 years", ""),
    ],
)
def test_bad_relative_time_is_107(text, reason):
    with pytest.raises(ParseError) as refusal:
        condition({"f": {"$gte": {"$relativeTime": text}}})
    assert refusal.value.code == 107
    assert refusal.value.message.startswith(f"bad $relativeTime ($gte) value. {reason}")


@pytest.mark.parametrize("operator", ["$eq", "$ne", "$exists"])
def test_relative_time_is_for_ranges_alone(operator):
    sentence = r"\$relativeTime can only be used with the \$lt, \$lte, \$gt, and \$gte operators"
    with pytest.raises(ParseError, match=sentence) as refusal:
        condition({"f": {operator: {"$relativeTime": "now"}}})
    assert refusal.value.code == 107


# --- subqueries -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "found", "asked"),
    [
        ({"f": {"$inQuery": {"className": "C", "where": {"a": {"$gt": 1}}}}},
         OneOf("f", (Pointer("C", "1"), Pointer("C", "2"))), ("C", {"a": {"$gt": 1}})),
        ({"f": {"$notInQuery": {"className": "C", "where": {}, "limit": 5, "order": "a"}}},
         NoneOf("f", (Pointer("C", "1"), Pointer("C", "2"))), ("C", {})),
        ({"f": {"$inQuery": {"className": "C", "where": []}}},
         OneOf("f", (Pointer("C", "1"), Pointer("C", "2"))), ("C", {})),
        ({"f": {"$select": {"query": {"className": "C", "where": {"a": 1}}, "key": "k.l"}}},
         OneOf("f", ("k.l1", None)), ("C", {"a": 1}, "k.l")),
        ({"f": {"$dontSelect": {"query": {"className": "C"}, "key": "k"}}},
         NoneOf("f", ("k1", None)), ("C", {}, "k")),
        ({"$relatedTo": {"object": POINTER, "key": "likes"}},
         OneOf("objectId", ("r1", "r2")), (ALICE, "likes")),
        ({"$relatedTo": {"object": ALICE, "key": "likes"}},
         OneOf("objectId", ("r1", "r2")), (ALICE, "likes")),
    ],
)  # fmt: skip
def test_subquery_is_asked_and_its_answer_taken(where, found, asked):
    answers = Answers()
    assert read_where(where, answers, master=False) == found
    assert answers.asked == [asked]


@pytest.mark.parametrize("operator", ["$inQuery", "$notInQuery"])
@pytest.mark.parametrize(
    "operand",
    [5, [], {}, {"className": "C"}, {"where": {}}, {"className": 5, "where": {}},
     {"className": "", "where": {}}, {"className": {"$ne": 1}, "where": {}},
     {"className": "C", "where": None}],
)  # fmt: skip
def test_improper_in_query_is_102(operator, operand):
    with pytest.raises(ParseError) as refusal:
        condition({"f": {operator: operand}})
    assert (refusal.value.code, refusal.value.message) == (102, f"improper usage of {operator}")


@pytest.mark.parametrize("operator", ["$select", "$dontSelect"])
@pytest.mark.parametrize(
    "operand",
    [5, {}, {"key": "k"}, {"query": {"className": "C"}}, {"query": 5, "key": "k"},
     {"query": {"where": {}}, "key": "k"}, {"query": {"className": "C"}, "key": 5},
     {"query": {"className": "C"}, "key": "$k"}, {"query": {"className": "C"}, "key": "_k"},
     {"query": {"className": "C"}, "key": "k", "more": 1}],
)  # fmt: skip
def test_improper_select_is_102(operator, operand):
    with pytest.raises(ParseError) as refusal:
        condition({"f": {operator: operand}})
    assert (refusal.value.code, refusal.value.message) == (102, f"improper usage of {operator}")


@pytest.mark.parametrize(
    "operand",
    [5, {}, {"object": POINTER}, {"key": "likes"}, {"object": "alice", "key": "likes"},
     {"object": {"__type": "Pointer"}, "key": "likes"}, {"object": POINTER, "key": 5}],
)  # fmt: skip
def test_improper_related_to_is_102(operand):
    with pytest.raises(ParseError, match=r"improper usage of \$relatedTo"):
        condition({"$relatedTo": operand})


@pytest.mark.parametrize("key", ["_hashed_password", "a:b", "a.b", ""])
def test_relation_of_a_bad_name_is_105(key):
    with pytest.raises(ParseError) as refusal:
        condition({"$relatedTo": {"object": POINTER, "key": key}})
    assert refusal.value.code == 105


def test_where_of_a_subquery_that_is_no_object_is_107():
    with pytest.raises(ParseError, match="where parameter is not valid JSON"):
        condition({"f": {"$inQuery": {"className": "C", "where": 5}}})


def test_subquery_of_another_class_than_it_says_is_refused():
    query = {"className": "C", "where": {}, "redirectClassNameForKey": "likes"}
    with pytest.raises(ParseError, match="is not supported yet"):
        condition({"f": {"$inQuery": query}})


# --- bounds ---------------------------------------------------------------------------------------


def nested(levels):
    where = {"a": 1}
    for _ in range(levels):
        where = {"$or": [where]}
    return where


def test_query_is_20_deep_at_most():
    condition(nested(20))
    with pytest.raises(ParseError, match="nested too deeply") as refusal:
        condition(nested(21))
    assert refusal.value.code == 102


def test_query_has_500_conditions_at_most():
    condition({"$or": [{"a": n} for n in range(499)]})
    with pytest.raises(ParseError, match="more than 500 conditions") as refusal:
        condition({"$or": [{"a": n} for n in range(501)]})
    assert refusal.value.code == 102
    condition({"a": {"$in": list(range(10_000))}})


def test_no_subquery_runs_when_there_are_more_than_20():
    inner = {"f": {"$inQuery": {"className": "C", "where": {}}}}
    outer = {"f": {"$inQuery": {"className": "C", "where": {"$or": [inner] * 20}}}}
    answers = Answers()
    with pytest.raises(ParseError, match="more than 20 subqueries") as refusal:
        read_where(outer, answers, master=False)
    assert refusal.value.code == 102
    assert answers.asked == []


def test_error_repeats_no_more_than_the_beginning_of_a_value():
    with pytest.raises(ParseError) as refusal:
        condition({"f": {"$eq": {"$a": "x" * 100_000}}})
    assert len(refusal.value.message) < 300


# --- properties -----------------------------------------------------------------------------------

OPERATORS = st.sampled_from(
    ["$eq", "$ne", "$lt", "$in", "$nin", "$all", "$exists", "$regex", "$options", "$or", "$and",
     "$nor", "$inQuery", "$select", "$relatedTo", "$where", "$foo", "__type", "iso", "a", "a.b",
     "className", "where", "key", "query", "object"]
)  # fmt: skip
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(OPERATORS, inner, max_size=4),
)


def names_in(value):
    if isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from names_in(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from names_in(member)


def values_in(found):
    match found:
        case All(parts) | Either(parts) | Neither(parts):
            for part in parts:
                yield from values_in(part)
        case Equals(value=value) | Differs(value=value) | Compares(value=value):
            yield value
        case OneOf(values=values) | NoneOf(values=values) | ContainsAll(values=values):
            yield from values


@given(st.dictionaries(OPERATORS, JSON_VALUES, max_size=4))
def test_no_operator_is_ever_a_value(where):
    with suppress(ParseError):
        for value in values_in(condition(where)):
            assert not any("$" in name or "." in name for name in names_in(value))
