"""`explain`, `hint`, `comment` and where to read: what a client may say of how it is done."""

import json
import re

import pytest
from image_host import KEYS, MASTER
from mongo_commands import Commands
from parse_app import error, pointer

from server.storage.port import Index


@pytest.fixture
def things(parse_on_each):
    """A ParseApp with three things, and an index over their numbers."""
    parse = parse_on_each
    for n in (1, 2, 3):
        parse.create("Thing", {"n": n})
    schema = parse.services.schemas.find("Thing")
    parse.services.database.objects.ensure_index(schema, Index("by_n", ("n",)))
    return parse


def test_explain_is_for_the_master_key(things):
    for path in ("/classes/Thing", "/users"):
        answer = things.get(path, KEYS, explain="true")
        sentence = "Using the explain query parameter requires the master key"
        assert error(answer) == (102, sentence)


@pytest.mark.parametrize("verbosity", ["queryPlanner", "executionStats", True])
def test_a_plan_is_explained(parse, verbosity):
    parse.create("Thing", {"n": 1})
    answer = parse.get("/classes/Thing", MASTER, where={"n": 1}, explain=verbosity)
    plan = answer.json["results"]
    assert "objects" in json.dumps(plan["queryPlanner"]["plan"])
    assert ("executionStats" in plan) is (verbosity != "queryPlanner")


def test_a_plan_names_the_index(parse):
    user_id = parse.person("alice").id
    assert user_id
    answer = parse.get("/users", MASTER, where={"username": "alice"}, explain="queryPlanner")
    assert "username" in json.dumps(answer.json["results"]["queryPlanner"]["plan"])


def test_a_pipeline_is_explained(parse):
    parse.create("Thing", {"n": 1})
    answer = parse.get("/aggregate/Thing", MASTER, pipeline=[{"$match": {"n": 1}}], explain=True)
    assert answer.json["results"]["queryPlanner"]["plan"]


def test_an_unknown_verbosity_is_refused(things):
    answer = things.get("/classes/Thing", MASTER, explain="everything")
    assert error(answer) == (102, "Invalid value for explain")


@pytest.mark.parametrize("hint", ["by_n", {"n": 1}, "_id_", {"_id": 1}])
def test_an_index_may_be_named(things, hint):
    found = things.find("Thing", {"n": {"$gt": 1}}, hint=hint, order="n")
    assert [row["n"] for row in found] == [2, 3]
    counted = things.get(
        "/aggregate/Thing", MASTER, pipeline=[{"$match": {"n": {"$gt": 1}}}], hint=hint
    )
    assert len(counted.json["results"]) == 2


@pytest.mark.parametrize("hint", ["nothing", {"other": 1}, {"n": 1, "other": 1}])
def test_an_index_that_is_not_there_is_refused(things, needs, hint):
    needs("a `hint` of an index that is not there is refused")
    assert things.get("/classes/Thing", where={"n": 1}, hint=hint).json["code"] == 102
    answer = things.get("/aggregate/Thing", MASTER, pipeline=[], hint=hint)
    assert answer.json["code"] == 102


def test_what_is_no_index_is_refused(things):
    for hint in [["n"], {"n": 2}, {"$n": 1}]:
        answer = things.get("/classes/Thing", hint=hint)
        assert error(answer) == (102, "hint must be an index's name or its keys.")


@pytest.mark.parametrize("preference", ["PRIMARY", "secondary_preferred", "NEAREST"])
def test_where_to_read_and_a_comment_change_no_answer(things, preference):
    found = things.find(
        "Thing",
        {"n": 1},
        readPreference=preference,
        includeReadPreference=preference,
        subqueryReadPreference=preference,
        comment="for the log",
    )
    assert [row["n"] for row in found] == [1]


def test_an_unknown_preference_is_refused(things):
    for name in ("readPreference", "includeReadPreference", "subqueryReadPreference"):
        answer = things.get("/classes/Thing", **{name: "TERTIARY"})
        assert error(answer) == (102, "Not supported read preference.")


@pytest.fixture
def mongodb_uri(mongo_uri, tmp_path):
    return mongo_uri("nx", tmp_path.name)


def test_mongodb_is_sent_the_comment(make_parse, mongodb_uri):
    commands = Commands()
    parse = make_parse(database_uri=mongodb_uri)
    parse.create("Thing", {"n": 1})
    parse.find("Thing", {"n": 1}, comment="of a find")
    parse.get("/aggregate/Thing", MASTER, pipeline=[], comment="of a pipeline")
    comments = {next(iter(each)): each["comment"] for each in commands.sent if "comment" in each}
    assert comments == {"find": "of a find", "aggregate": "of a pipeline"}


def test_mongodb_is_read_where_the_client_says(make_parse, mongodb_uri, caplog):
    """The driver's log tells which servers it looked for."""
    parse = make_parse(database_uri=mongodb_uri)
    album = pointer("Album", parse.create("Album", {"title": "red"}))
    parse.create("Photo", {"album": album})
    where = {"album": {"$inQuery": {"className": "Album", "where": {"title": "red"}}}}
    places = {"readPreference": "NEAREST", "includeReadPreference": "SECONDARY_PREFERRED"}
    places["subqueryReadPreference"] = "PRIMARY_PREFERRED"
    caplog.set_level("DEBUG", "pymongo.serverSelection")
    parse.find("Photo", where, include="album", **places)
    parse.get("/aggregate/Photo", MASTER, pipeline=[], readPreference="SECONDARY")
    looked_for = re.findall(r'started".*?"selector": "(\w+)\(.*?"operation": "(\w+)"', caplog.text)
    assert [each for each in looked_for if each[1] != "ping"] == [
        ("PrimaryPreferred", "find"),
        ("Nearest", "find"),
        ("SecondaryPreferred", "find"),
        ("Secondary", "aggregate"),
    ]
