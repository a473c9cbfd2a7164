"""`GET /aggregate/<class>`: pipelines and distinct values, the same from both databases."""

import json
import re

import pytest
from compatibility_table import ROWS, refused
from image_host import KEYS, MASTER
from parse_app import error, pointer

PEOPLE = [
    {"name": "ann", "age": 31, "tags": ["a", "b"], "meta": {"k": 1}, "owner": "alice"},
    {"name": "bob", "age": 40, "tags": ["b"], "meta": {"k": 2}, "owner": "alice"},
    {"name": "cid", "age": 31, "tags": [], "owner": "bob"},
    {"name": "dot"},
]


@pytest.fixture
def people(parse_on_each):
    """A ParseApp with a class of four people."""
    parse = parse_on_each
    for day, row in enumerate(PEOPLE, start=1):
        owner = {"owner": pointer("_User", row["owner"])} if "owner" in row else {}
        born = {"__type": "Date", "iso": f"2020-01-0{day}T00:00:00.000Z"}
        parse.create("Person", {**row, **owner, "born": born})
    return parse


def aggregate(parse, *stages, **params):
    answer = parse.get("/aggregate/Person", MASTER, pipeline=list(stages), **params)
    assert answer.status_code == 200, answer.json
    return answer.json["results"]


def rows(results, *names):
    """These columns of the rows, in an order of their own."""
    found = [tuple(row.get(name) for name in names) for row in results]
    return sorted(found, key=json.dumps)


def test_the_master_key_alone_aggregates(people):
    answer = people.get("/aggregate/Person", KEYS, pipeline=[])
    assert answer.status_code == 403


def test_an_empty_pipeline_brings_the_objects(people):
    found = aggregate(people)
    assert [row["name"] for row in found] == ["ann", "bob", "cid", "dot"]
    assert found[0]["owner"] == pointer("_User", "alice")
    assert found[0]["born"] == {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}
    assert found[0]["createdAt"].endswith("Z")
    assert "ACL" not in found[0]


def test_groups(people):
    by_age = aggregate(people, {"$group": {"_id": "$age", "n": {"$sum": 1}}})
    assert rows(by_age, "objectId", "n") == [(31, 2), (40, 1), (None, 1)]


def test_accumulators(people, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    fields = {
        "total": {"$sum": "$age"},
        "mean": {"$avg": "$age"},
        "youngest": {"$min": "$age"},
        "oldest": {"$max": "$age"},
        "names": {"$push": "$name"},
    }
    (row,) = aggregate(people, {"$match": {"age": {"$gt": 0}}}, {"$group": {"_id": None, **fields}})
    assert row == {
        "objectId": None,
        "total": 102,
        "mean": 34,
        "youngest": 31,
        "oldest": 40,
        "names": ["ann", "bob", "cid"],
    }


def test_groups_by_a_pointer_have_its_object_id(people):
    by_owner = aggregate(people, {"$group": {"_id": "$owner", "n": {"$sum": 1}}})
    assert rows(by_owner, "objectId", "n") == [("alice", 2), ("bob", 1), (None, 1)]
    assert by_owner == aggregate(people, {"$group": {"_id": "$_p_owner", "n": {"$sum": 1}}})


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({"name": "ann"}, ["ann"]),
        ({"age": {"$gte": 31, "$lt": 40}}, ["ann", "cid"]),
        ({"owner": "alice"}, ["ann", "bob"]),
        ({"owner": pointer("_User", "bob")}, ["cid"]),
        ({"_p_owner": "_User$bob"}, ["cid"]),
        ({"owner": {"$in": ["_User$bob"]}}, ["cid"]),
        ({"born": {"$gt": "2020-01-02T00:00:00.000Z"}}, ["cid", "dot"]),
        ({"born": {"__type": "Date", "iso": "2020-01-02T00:00:00.000Z"}}, ["bob"]),
        ({"createdAt": {"$lt": "2020-01-02T00:00:00.000Z"}}, []),
        ({"$or": [{"name": "ann"}, {"age": 40}]}, ["ann", "bob"]),
        ({"name": {"$regex": "^[ab]"}}, ["ann", "bob"]),
        ({"name": {"$nin": ["ann", "dot"]}}, ["bob", "cid"]),
        ({"tags": "b"}, ["ann", "bob"]),
        ({"meta.k": 2}, ["bob"]),
        ({"age": {"$exists": False}}, ["dot"]),
    ],
)
def test_match(people, where, names):
    found = aggregate(people, {"$match": where})
    assert sorted(row["name"] for row in found) == names


MATCHES = {
    "$eq": ({"age": {"$eq": 40}}, "bob"),
    "$ne": ({"age": {"$ne": 31}}, "bob dot"),
    "$lt": ({"age": {"$lt": 40}}, "ann cid"),
    "$lte": ({"age": {"$lte": 31}}, "ann cid"),
    "$gt": ({"age": {"$gt": 31}}, "bob"),
    "$gte": ({"age": {"$gte": 31}}, "ann bob cid"),
    "$in": ({"tags": {"$in": ["a", "z"]}}, "ann"),
    "$nin": ({"name": {"$nin": ["ann", "dot"]}}, "bob cid"),
    "$all": ({"tags": {"$all": ["b", "a"]}}, "ann"),
    "$exists": ({"owner": {"$exists": True}}, "ann bob cid"),
    "$regex": ({"name": {"$regex": "o"}}, "bob dot"),
    "$not": ({"age": {"$not": {"$gt": 31}}}, "ann cid dot"),
    "$and": ({"$and": [{"age": 31}, {"owner": "bob"}]}, "cid"),
    "$or": ({"$or": [{"age": 40}, {"name": "dot"}]}, "bob dot"),
    "$nor": ({"$nor": [{"age": 31}, {"name": "dot"}]}, "bob"),
    "$expr": ({"$expr": {"$eq": ["$age", 40]}}, "bob"),
}


def test_every_operator_of_match(people, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    for name, (where, names) in MATCHES.items():
        found = aggregate(people, {"$match": where}, {"$sort": {"name": 1}})
        assert " ".join(row["name"] for row in found) == names, name


def test_match_has_the_operators_of_the_docs():
    [row] = [row for row in ROWS if row.name == "$match"]
    assert MATCHES.keys() == set(re.findall(r"\$\w+", row.remark))


def test_match_after_a_group_is_about_the_groups(people, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    group = {"$group": {"_id": "$owner", "n": {"$sum": 1}, "createdAt": {"$max": "$createdAt"}}}
    (row,) = aggregate(people, group, {"$match": {"n": {"$gt": 1}}})
    assert (row["objectId"], row["n"]) == ("alice", 2)
    assert row["createdAt"].endswith("Z")


def test_sort_skip_limit(people):
    by_age = {"$sort": {"age": -1, "name": 1}}
    names = [row["name"] for row in aggregate(people, by_age)]
    assert names == ["bob", "ann", "cid", "dot"]
    page = aggregate(people, by_age, {"$skip": 1}, {"$limit": 2})
    assert [row["name"] for row in page] == ["ann", "cid"]
    first = aggregate(people, by_age, {"$limit": 1})
    assert [row["name"] for row in first] == ["bob"]


def test_project(people, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    first = {"$match": {"name": "ann"}}
    (row,) = aggregate(people, first, {"$project": {"name": 1, "owner": 1}})
    assert row.keys() == {"objectId", "name", "owner"}
    assert row["owner"] == pointer("_User", "alice")
    (row,) = aggregate(people, first, {"$project": {"_id": 0, "age": 1, "createdAt": 1}})
    assert row.keys() == {"age", "createdAt"}
    (row,) = aggregate(people, first, {"$project": {"age": 0, "objectId": 0, "tags": 0}})
    assert row.keys() == {"name", "meta", "owner", "born", "createdAt", "updatedAt"}
    computed = {"_id": 0, "next": {"$add": ["$age", 1]}, "who": {"$toUpper": "$name"}}
    assert aggregate(people, first, {"$project": computed}) == [{"next": 32, "who": "ANN"}]


def test_unwind(people, needs):
    needs("`/aggregate`: plain stages, operators and accumulators")
    found = aggregate(people, {"$unwind": "$tags"}, {"$sortByCount": "$tags"})
    assert [(row["objectId"], row["count"]) for row in found] == [("b", 2), ("a", 1)]


def test_count(people):
    assert aggregate(people, {"$match": {"age": 31}}, {"$count": "n"}) == [{"n": 2}]


def test_a_count_of_nothing_is_no_row(people, needs):
    needs("a count of nothing is no row")
    assert aggregate(people, {"$match": {"age": 99}}, {"$count": "n"}) == []


@pytest.mark.parametrize(
    "params",
    [
        {"pipeline": {"$match": {"name": "bob"}, "$project": {"name": 1}}},
        {"$match": {"name": "bob"}, "$project": {"name": 1}},
        {"pipeline": [{"$match": {"name": "bob"}}, {"$project": {"name": 1}}]},
    ],
)
def test_a_pipeline_may_be_an_object_or_stand_in_the_query(parse, params):
    for row in PEOPLE[:2]:
        parse.create("Person", {"name": row["name"]})
    for answer in [
        parse.get("/aggregate/Person", MASTER, **params),
        parse.post("/aggregate/Person", {**params, "_method": "GET"}, MASTER),
    ]:
        assert [row["name"] for row in answer.json["results"]] == ["bob"]


def test_distinct(people):
    def distinct(path, **params):
        answer = people.get("/aggregate/Person", MASTER, distinct=path, **params)
        assert answer.status_code == 200, answer.json
        return sorted(answer.json["results"], key=json.dumps)

    assert distinct("age") == [31, 40]
    assert distinct("tags") == ["a", "b"]
    assert distinct("meta.k") == [1, 2]
    assert distinct("owner") == [pointer("_User", "alice"), pointer("_User", "bob")]
    assert distinct("name", where={"age": 31}) == ["ann", "cid"]
    assert distinct("age", where={"owner": pointer("_User", "alice")}) == [31, 40]
    assert distinct("unknown") == []


@pytest.mark.parametrize("params", [{"comment": "for the log"}, {"readPreference": "NEAREST"}])
def test_where_to_read_and_a_comment_change_no_answer(people, params):
    assert [row["name"] for row in aggregate(people, {"$match": {"age": 40}}, **params)] == ["bob"]


def test_a_class_that_is_not_there_has_nothing(parse):
    assert parse.get("/aggregate/Nothing", MASTER, pipeline=[]).json == {"results": []}
    assert parse.get("/aggregate/Nothing", MASTER, distinct="a").json == {"results": []}


@pytest.fixture
def secrets(parse_on_each):
    """A ParseApp with a user who has a password and a session."""
    body = {"username": "alice", "password": "secret", "email": "alice@example.com"}
    parse_on_each.token = parse_on_each.post("/users", body).json["sessionToken"]
    return parse_on_each


BCRYPT = "$2b$"  # how each hash begins; a pointer such as _User$2... begins like it with fewer
HIDDEN = ["_hashed_password", "_session_token", "_perishable_token", "_email_verify_token"]


@pytest.mark.parametrize("class_name", ["_User", "_Session"])
@pytest.mark.parametrize(
    "stages",
    [
        [],
        [{"$group": {"_id": None, "all": {"$push": "$$ROOT"}}}],
        [{"$group": {"_id": "$sessionToken"}}],
        [{"$project": {"sessionToken": 1}}],
        [{"$replaceRoot": {"newRoot": {"x": "$$ROOT"}}}],
        [{"$addFields": {"x": "$$ROOT"}}, {"$sort": {"createdAt": 1}}],
    ],
)
def test_hidden_columns_never_come_out(secrets, class_name, stages):
    answer = secrets.get(f"/aggregate/{class_name}", MASTER, pipeline=stages)
    assert answer.json.get("results") is not None or answer.json["code"] == 102
    assert not [word for word in (BCRYPT, secrets.token, *HIDDEN) if word in answer.text]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(
    "stage",
    [
        lambda name: {"$match": {name: {"$regex": "^."}}},
        lambda name: {"$match": {"$expr": {"$gt": [f"${name}", "a"]}}},
        lambda name: {"$project": {"x": f"${name}"}},
        lambda name: {"$group": {"_id": f"${name}"}},
        lambda name: {"$sort": {name: 1}},
        lambda name: {"$unwind": f"${name}"},
        lambda name: {"$addFields": {"x": f"$$ROOT.{name}"}},
    ],
)
def test_nobody_asks_for_hidden_columns(parse, name, stage):
    answer = parse.get("/aggregate/_User", MASTER, pipeline=[stage(name)])
    assert answer.json["code"] == 102
    assert parse.get("/aggregate/_User", MASTER, distinct=name).json["code"] == 102


def test_distinct_has_no_tokens(secrets):
    for class_name in ("_User", "_Session"):
        answer = secrets.get(f"/aggregate/{class_name}", MASTER, distinct="sessionToken")
        assert answer.json == {"results": []}


@pytest.mark.parametrize(
    ("pipeline", "sentence"),
    [
        ([{"group": {"_id": 1}}], "Invalid aggregate stage 'group'."),
        ([{"$skip": 1, "$limit": 1}],
         "Pipeline stages should only have one key but found $skip, $limit."),
        ([{}], "Pipeline stages should only have one key but found ."),
        ([{"$group": {"n": {"$sum": 1}}}],
         "Invalid parameter for query: group. Missing key _id"),
        ([{"$group": {"objectId": "$a", "_id": None}}],
         "Cannot use 'objectId' in aggregation stage $group."),
        ([{"$lookup": {"from": "_User"}}], "The stage $lookup is not supported."),
        ([{"$out": "x"}], "The stage $out is not supported."),
        ([{"$project": {"x": {"$function": {}}}}], "The operator $function is not supported."),
        ([{"$group": {"_id": 1, "x": {"$top": 1}}}], "The accumulator $top is not supported."),
        ([{"$match": {"$where": "1"}}], "$where is not supported in $match."),
        ([{"$match": {"a": {"$elemMatch": {}}}}], "$elemMatch is not supported in $match."),
        ([{"$limit": 0}], "$limit must be a whole number from 1 to 2147483647"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(parse, pipeline, sentence):
    answer = parse.get("/aggregate/Person", MASTER, pipeline=pipeline)
    assert error(answer) == (102, sentence)


@pytest.mark.parametrize("stage", sorted(refused("stage")))
def test_a_stage_that_is_a_no_is_refused_by_name(parse, stage):
    answer = parse.get("/aggregate/Person", MASTER, pipeline=[{stage: {}}])
    assert error(answer) == (102, f"The stage {stage} is not supported.")


def test_what_cannot_be_computed_is_refused(people, needs):
    needs("division by zero is refused")
    asked = [{"$project": {"x": {"$divide": ["$age", 0]}}}]
    assert people.get("/aggregate/Person", MASTER, pipeline=asked).json["code"] == 102
