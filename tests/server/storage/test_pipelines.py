"""Pipelines: each operator and stage means what MongoDB means by it, on every database."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from gaps import FERRETDB, GAPS, JAVA
from running_server import REPOSITORY
from test_store_contract import schema, thing

from cloud.values import File, GeoPoint, Pointer
from server.parse.aggregate import STAGES, read_aggregate
from server.parse.errors import ParseError
from server.storage.aggregation import run
from server.storage.expressions import FUNCTIONS
from server.storage.matching import comparable
from server.storage.pipeline import ACCUMULATORS, HIDDEN_KEYS, OPERATORS
from server.storage.port import EVERYTHING, Equals, RefusedQuery
from server.storage.sqlite.database import SqliteDatabase

MOMENT = datetime(2020, 2, 29, 13, 4, 5, 6000, UTC)  # a Saturday
ROWS = schema(
    "Thing", n="Number", f="Number", neg="Number", zero="Number", t="String", b="Boolean",
    list="Array", empty="Array", o="Object", d="Date", nul="String", p="Pointer _User",
    file="File", place="GeoPoint",
)  # fmt: skip
ROW = thing(
    n=7,
    f=2.5,
    neg=-3,
    zero=0,
    t="Ab ü",
    b=True,
    list=[3, 1, 2],
    empty=[],
    o={"k": 1, "l": [{"m": 1}, {"m": 2}, 5]},
    d=MOMENT,
    nul=None,
    p=Pointer("_User", "alice"),
    file=File("a.jpg"),
    place=GeoPoint(1, 2),
)
MISSING = object()

EXPRESSIONS = [
    ({"$add": ["$n", "$f", 1]}, 10.5),
    ({"$add": ["$n", "$nul"]}, None),
    ({"$add": ["$n", "$missing"]}, None),
    ({"$subtract": ["$n", "$neg"]}, 10),
    ({"$multiply": ["$n", "$neg", "$f"]}, -52.5),
    ({"$divide": ["$n", 2]}, 3.5),
    ({"$mod": ["$n", 4]}, 3),
    ({"$mod": ["$neg", 2]}, -1),
    ({"$abs": "$neg"}, 3),
    ({"$ceil": "$f"}, 3),
    ({"$floor": "$f"}, 2),
    ({"$round": ["$f"]}, 2),
    ({"$round": [2.675, 1]}, 2.7),
    ({"$sum": "$list"}, 6),
    ({"$avg": "$list"}, 2),
    ({"$avg": "$empty"}, None),
    ({"$min": "$list"}, 1),
    ({"$and": ["$n", "$t"]}, True),
    ({"$and": ["$n", "$zero"]}, False),
    ({"$or": ["$zero", "$nul", "$missing"]}, False),
    ({"$eq": ["$n", 7.0]}, True),
    ({"$eq": ["$missing", None]}, False),
    ({"$ne": ["$n", "$t"]}, True),
    ({"$gte": ["$d", "$d"]}, True),
    ({"$lte": ["$list", [3, 1, 2]]}, True),
    ({"$cmp": ["$n", 8]}, -1),
    ({"$cond": [{"$gt": ["$n", 5]}, "big", "small"]}, "big"),
    ({"$ifNull": ["$zero", 1]}, 0),
    ({"$concat": ["$t", "-", "x"]}, "Ab ü-x"),
    ({"$concat": ["$t", "$nul"]}, None),
    ({"$toLower": "$t"}, "ab ü"),
    ({"$substr": ["$t", 0, 2]}, "Ab"),
    ({"$substrBytes": ["$t", 1, 2]}, "b "),
    ({"$substrCP": ["$t", 3, 9]}, "ü"),
    ({"$strLenCP": "$t"}, 4),
    ({"$split": ["$_p_p", {"$literal": "$"}]}, ["_User", "alice"]),
    ({"$size": "$list"}, 3),
    ({"$isArray": "$list"}, True),
    ({"$isArray": "$n"}, False),
    ({"$arrayElemAt": ["$list", -1]}, 2),
    ({"$arrayElemAt": ["$nul", 0]}, None),
    ({"$first": "$list"}, 3),
    ({"$last": "$list"}, 2),
    ({"$in": [1, "$list"]}, True),
    ({"$in": ["1", "$list"]}, False),
    ({"$year": "$d"}, 2020),
    ({"$month": "$d"}, 2),
    ({"$dayOfMonth": "$d"}, 29),
    ({"$dayOfWeek": "$d"}, 7),
    ({"$dayOfYear": "$d"}, 60),
    ({"$hour": "$d"}, 13),
    ({"$minute": "$d"}, 4),
    ({"$second": "$d"}, 5),
    ({"$millisecond": "$d"}, 6),
    ({"$year": "$nul"}, None),
    ({"$dateToString": {"date": "$d", "format": "%Y-%m-%d %H:%M:%S.%L %j %%"}},
     "2020-02-29 13:04:05.006 060 %"),
    ({"$dateToString": {"date": "$nul", "format": "%Y"}}, None),
    ("$o.k", 1),
    ("$o.missing", MISSING),
    ("$_p_p", "_User$alice"),
    ("$p", "_User$alice"),
    ("$file", "a.jpg"),
    ("$place", [2, 1]),
    ("$objectId", "abc"),
    ({"$literal": "$n"}, "$n"),
    ({"$literal": 1}, 1),
    ("plain", "plain"),
]  # fmt: skip

# What nx-27017 and mongo-java-server compute otherwise, or refuse.
MONGODB_ALONE = [
    ({"$add": ["$d", 1000]}, MOMENT + timedelta(seconds=1)),
    ({"$subtract": ["$d", "$createdAt"]}, (MOMENT - ROW["createdAt"]) // timedelta(milliseconds=1)),
    ({"$sum": ["$n", "$f", "$t"]}, 9.5),
    ({"$max": ["$n", "$f"]}, 7),
    ({"$or": ["$zero", "$empty"]}, True),
    ({"$not": ["$zero"]}, True),
    ({"$gt": ["$t", "$n"]}, True),
    ({"$lt": [None, 0]}, True),
    ({"$cond": {"if": "$zero", "then": 1, "else": "$missing"}}, MISSING),
    ({"$ifNull": ["$nul", "$missing", "x"]}, "x"),
    ({"$switch": {"branches": [{"case": "$zero", "then": 1}, {"case": "$b", "then": 2}],
                  "default": 3}}, 2),
    ({"$toUpper": "$missing"}, ""),
    ({"$substr": ["$_p_p", 6, -1]}, "alice"),
    ({"$split": ["$nul", "-"]}, None),
    ({"$arrayElemAt": ["$list", 3]}, MISSING),
    ({"$last": "$empty"}, MISSING),
    ({"$concatArrays": ["$list", [9]]}, [3, 1, 2, 9]),
    ({"$concatArrays": ["$list", "$nul"]}, None),
    ("$o.l.m", [1, 2]),
    ("$list.a", []),
    ({"a": "$n", "b": "$missing"}, {"a": 7}),
    (["$n", "$missing"], [7, None]),
]  # fmt: skip

GAPS_OF_JAVA = [{"$eq": ["$missing", None]}, {"$dayOfWeek": "$d"}]


def stages(*pipeline):
    return read_aggregate({"pipeline": list(pipeline)}, ROWS).stages


def answer(database, *pipeline):
    return database.pipelines.run(ROWS, stages(*pipeline))


def is_same(found, expected):
    if expected is MISSING or found is MISSING:
        return found is expected
    return comparable(found) == comparable(expected)


# How servers that are no MongoDB say that they do not know an operator, or so many arguments.
UNKNOWN = re.compile("nrecognized|unknown group operator|not implemented|takes exactly")


def asked_of(database, expected, *pipeline):
    """The answer, or what was expected where the server has nothing of the kind."""
    try:
        return answer(database, *pipeline)
    except RefusedQuery as error:
        if not UNKNOWN.search(str(error)):
            raise
        return expected


def knows_all(store_name):
    return store_name not in GAPS["`/aggregate`: all of it"]


def value_of(database, expression, expected):
    asked = {"$project": {"_id": 0, "x": expression}}
    (row,) = asked_of(database, [{} if expected is MISSING else {"x": expected}], asked)
    return row.get("x", MISSING)


def test_expressions(database, store_name, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    database.objects.insert(ROWS, ROW)
    gaps = GAPS_OF_JAVA if store_name == JAVA else []
    asked = [(each, value) for each, value in EXPRESSIONS if each not in gaps]
    for expression, expected in asked + (MONGODB_ALONE if knows_all(store_name) else []):
        found = value_of(database, expression, expected)
        assert is_same(found, expected), (expression, found)


def test_every_operator_is_computed_and_compared():
    assert FUNCTIONS.keys() | {"$cond"} == OPERATORS.keys()
    shown = str([expression for expression, _ in EXPRESSIONS + MONGODB_ALONE])
    assert {name for name in OPERATORS if f"'{name}'" not in shown} == set()


MANY = [
    {"n": 3, "t": "c", "list": ["x", "y"], "o": {"k": 1, "j": 2}},
    {"n": 1, "t": "a", "list": [], "o": {"k": 2}},
    {"n": 3, "t": "b"},
]


@pytest.fixture
def many(database):
    """A database of three rows."""
    for number, columns in enumerate(MANY):
        database.objects.insert(ROWS, thing(f"id{number}", **columns))
    return database


NO_ID = {"$project": {"_id": 0, "_created_at": 0, "_updated_at": 0}}
BY_N = {"$sort": {"n": 1, "t": 1}}
ONLY_T = {"$project": {"_id": 0, "t": 1}}
# mongo-java-server makes a column `o.m`, FerretDB ends the connection.
SETS_A_MEMBER = {"$addFields": {"o.m": 5}}

PIPELINES = [
    ([BY_N, ONLY_T], [{"t": "a"}, {"t": "b"}, {"t": "c"}]),
    ([{"$sort": {"n": -1, "t": 1}}, ONLY_T], [{"t": "b"}, {"t": "c"}, {"t": "a"}]),
    ([{"$sort": {"n": -1, "t": 1}}, {"$skip": 1}, {"$limit": 1}, ONLY_T], [{"t": "c"}]),
    ([{"$sort": {"n": -1, "t": 1}}, {"$limit": 2}, ONLY_T], [{"t": "b"}, {"t": "c"}]),
    ([{"$match": {"n": 3}}, {"$count": "rows"}], [{"rows": 2}]),
    ([{"$match": {"n": {"$not": {"$gt": 1}}}}, ONLY_T], [{"t": "a"}]),
    ([{"$match": {"$expr": {"$eq": ["$t", "b"]}}}, ONLY_T], [{"t": "b"}]),
    ([{"$match": {"$nor": [{"n": 3}]}}, ONLY_T], [{"t": "a"}]),
    ([{"$match": {"list": {"$all": ["x", "y"]}}}, ONLY_T], [{"t": "c"}]),
    ([BY_N, {"$unwind": "$list"}, {"$project": {"_id": 0, "list": 1, "t": 1}}],
     [{"t": "c", "list": "x"}, {"t": "c", "list": "y"}]),
    ([BY_N, {"$group": {"_id": "$n", "ts": {"$push": "$t"}, "first": {"$first": "$t"},
                        "last": {"$last": "$t"}, "seen": {"$sum": 1}}}, {"$sort": {"_id": 1}}],
     [{"_id": 1, "ts": ["a"], "first": "a", "last": "a", "seen": 1},
      {"_id": 3, "ts": ["b", "c"], "first": "b", "last": "c", "seen": 2}]),
    ([{"$group": {"_id": None, "mean": {"$avg": "$n"},
                  "deviation": {"$stdDevPop": "$n"}}},
      {"$project": {"_id": 0, "mean": {"$floor": "$mean"},
                    "deviation": {"$floor": {"$multiply": ["$deviation", 1000]}}}}],
     [{"mean": 2, "deviation": 942}]),
    ([{"$group": {"_id": None, "each": {"$addToSet": "$n"}}},
      {"$project": {"_id": 0, "each": {"$size": "$each"}}}], [{"each": 2}]),
    ([{"$match": {"t": "a"}}, NO_ID, {"$unset": "list"}, SETS_A_MEMBER],
     [{"n": 1, "t": "a", "o": {"k": 2, "m": 5}}]),
    ([{"$match": {"t": "b"}}, NO_ID, {"$set": {"new": {"$concat": ["$t", "!"]}}}],
     [{"n": 3, "t": "b", "new": "b!"}]),
    ([{"$sortByCount": "$n"}], [{"_id": 3, "count": 2}, {"_id": 1, "count": 1}]),
]  # fmt: skip

PIPELINES_OF_MONGODB = [
    ([{"$match": {"t": "c"}}, {"$replaceRoot": {"newRoot": "$o"}}], [{"k": 1, "j": 2}]),
    ([{"$match": {"t": "c"}}, {"$replaceWith": {"it": "$t"}}], [{"it": "c"}]),
    ([{"$match": {"t": "c"}}, {"$project": {"_id": 0, "is": {"n": "$n"}}}], [{"is": {"n": 3}}]),
    ([{"$match": {"t": "c"}}, {"$project": {"_id": 0, "o.k": 1}}], [{"o": {"k": 1}}]),
    ([{"$match": {"t": "c"}}, {"$project": {"_id": 0, "o": {"k": 1}}}], [{"o": {"k": 1}}]),
    ([BY_N, {"$unwind": {"path": "$list", "includeArrayIndex": "at",
                         "preserveNullAndEmptyArrays": True}},
      {"$project": {"_id": 0, "list": 1, "t": 1, "at": 1}}],
     [{"t": "a", "at": None}, {"t": "b", "at": None}, {"t": "c", "list": "x", "at": 0},
      {"t": "c", "list": "y", "at": 1}]),
    ([{"$group": {"_id": "$missing", "list": {"$push": "$list"}, "o": {"$max": "$missing"},
                  "mean": {"$avg": "$missing"}}},
      {"$project": {"list": {"$size": "$list"}, "o": 1, "mean": 1}}],
     [{"_id": None, "list": 2, "o": None, "mean": None}]),
    ([{"$match": {"t": "c"}}, {"$project": {"_id": 0, "x": "$$ROOT.o.j"}}], [{"x": 2}]),
    ([{"$match": {"n": 99}}, {"$count": "rows"}], []),
    ([{"$match": {"t": "b"}}, {"$group": {"_id": None, "d": {"$stdDevSamp": "$n"}}}],
     [{"_id": None, "d": None}]),
]  # fmt: skip


def test_stages(many, store_name):
    for pipeline, expected in PIPELINES + (PIPELINES_OF_MONGODB if knows_all(store_name) else []):
        if store_name in (JAVA, FERRETDB) and SETS_A_MEMBER in pipeline:
            continue
        assert asked_of(many, expected, *pipeline) == expected, pipeline


def test_every_stage_and_accumulator_is_compared():
    shown = str(PIPELINES + PIPELINES_OF_MONGODB) + "$min"
    assert {name for name in STAGES | ACCUMULATORS if f"'{name}'" not in shown} <= {"$min"}


def test_rows_pass_one_by_one():
    def endless():
        while True:
            yield {"_id": "a", "list": [1, 2]}

    flow = run(stages({"$match": {"list": 1}}, {"$unwind": "$list"}, {"$limit": 3}), endless())
    assert [row["list"] for row in flow] == [1, 2, 1]


def test_distinct_values(many):
    values = many.pipelines.distinct
    assert sorted(values(ROWS, "n", EVERYTHING)) == [1, 3]
    assert values(ROWS, "t", Equals("n", 1)) == ["a"]
    assert sorted(values(ROWS, "list", EVERYTHING)) == ["x", "y"]
    assert sorted(values(ROWS, "o.k", EVERYTHING)) == [1, 2]


def test_distinct_ids(many, needs):
    needs("`distinct` of ids")
    found = many.pipelines.distinct(ROWS, "_id", Equals("n", 3))
    assert sorted(found) == ["id0", "id2"]


WITH_SECRETS = [
    schema(name, username="String")
    for name in ("_User", "ModerationPanelAccount", "ModerationPanelSession")
]
SECRETS = dict.fromkeys(HIDDEN_KEYS, "secret")


@pytest.mark.parametrize("secretive", WITH_SECRETS, ids=lambda one: one.class_name)
def test_no_row_has_hidden_keys(database, secretive):
    database.objects.insert(secretive, thing(username="alice", **SECRETS))
    asked = read_aggregate({"pipeline": [{"$match": {"username": "alice"}}]}, secretive)
    (row,) = database.pipelines.run(secretive, asked.stages)
    assert row.keys() == {"_id", "_created_at", "_updated_at", "username"}
    for name in HIDDEN_KEYS:
        assert database.pipelines.distinct(secretive, name, EVERYTHING) == []


def test_every_secret_that_the_server_keeps_is_hidden():
    kept = {"_id", "_p_", "_id_", "_created_at", "_updated_at", "_rperm", "_wperm", "_acl"}
    for folder in ("panel", "objects", "mail"):
        for path in (REPOSITORY / "server" / folder).rglob("*.py"):
            named = set(re.findall(r'"(_[a-z][a-z0-9_]*)"', path.read_text()))
            assert named <= HIDDEN_KEYS | kept, path


REFUSED = [
    {"$add": ["$t", 1]},
    {"$add": ["$d", "$d"]},
    {"$subtract": [1, "$d"]},
    {"$divide": ["$n", 0]},
    {"$mod": ["$n", 0]},
    {"$round": ["$n", 200]},
    {"$size": "$n"},
    {"$in": [1, "$n"]},
    {"$arrayElemAt": ["$n", 0]},
    {"$arrayElemAt": ["$list", 0.5]},
    {"$first": "$n"},
    {"$concat": ["$t", "$n"]},
    {"$toLower": "$list"},
    {"$substrCP": ["$t", 0, -1]},
    {"$substr": ["$t", 3, 1]},
    {"$split": ["$t", ""]},
    {"$strLenCP": "$nul"},
    {"$year": "$t"},
    {"$dateToString": {"date": "$t"}},
]


@pytest.fixture
def embedded(tmp_path):
    """A SQLite database of one row."""
    database = SqliteDatabase(tmp_path)
    database.objects.insert(ROWS, ROW)
    yield database
    database.close()


@pytest.mark.parametrize("expression", REFUSED)
def test_what_an_operator_does_not_take_is_refused(embedded, expression):
    with pytest.raises(RefusedQuery):
        answer(embedded, {"$project": {"x": expression}})


@pytest.mark.parametrize(
    "stage",
    [
        {"$project": {}},
        {"$project": {"a": 1, "b": 0}},
        {"$project": {"a": 1, "a.b": 1}},
        {"$project": {"$a": 1}},
        {"$project": {"a": {"$add": 1, "$abs": 1}}},
        {"$project": {"a": {"$abs": [1, 2]}}},
        {"$project": {"a": "$$NOW"}},
        {"$project": {"a": "$a..b"}},
        {"$project": {"a": {"$cond": {"if": 1}}}},
        {"$project": {"a": {"$switch": {"branches": []}}}},
        {"$project": {"a": {"$dateToString": {"date": "$d", "format": "%Q"}}}},
        {"$project": {"a": {"$dateToString": {"date": "$d", "timezone": "GMT"}}}},
        {"$addFields": {}},
        {"$addFields": 1},
        {"$unset": []},
        {"$unset": "$a"},
        {"$group": {"_id": 1, "a.b": {"$sum": 1}}},
        {"$group": {"_id": 1, "a": 1}},
        {"$sort": {}},
        {"$sort": {"a": 2}},
        {"$sort": {"a": True}},
        {"$skip": -1},
        {"$limit": 1.5},
        {"$count": "a.b"},
        {"$count": ""},
        {"$unwind": "a"},
        {"$unwind": {"path": "$a", "x": 1}},
        {"$replaceRoot": {}},
        {"$match": 1},
        {"$match": {"$or": []}},
        {"$match": {"a": {"$in": 1}}},
        {"$match": {"a": {"b": {"$gt": 1}}}},
        {"$match": {"a": {"$regex": 1}}},
        {"$match": {"a b": 1}},
    ],
)
def test_bad_stage_is_refused(stage):
    with pytest.raises(ParseError) as refusal:
        stages(stage)
    assert refusal.value.code == 102
