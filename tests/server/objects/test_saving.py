"""Creating, updating and deleting: what is stored, what is answered, and what is never undone."""

import threading

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer, relate

from cloud.operations import Increment, Set
from server.auth import Caller
from server.storage.port import Equals

OWNER = Caller(master=True, ip="127.0.0.1")


def op(name, *objects):
    return {"__op": name, "objects": list(objects)}


def increment(amount=1):
    return {"__op": "Increment", "amount": amount}


# --- what is answered -----------------------------------------------------------------------------


def test_a_new_object_is_answered_by_id_and_time(parse):
    answer = parse.post("/classes/Post", {"n": 1, "s": "x", "p": pointer("Post", "y")})
    assert answer.json.keys() == {"objectId", "createdAt"}
    row = parse.find("Post")[0]
    assert row["createdAt"] == row["updatedAt"] == answer.json["createdAt"]


def test_operations_on_a_new_object_become_values(parse):
    body = {
        "n": increment(3),
        "a": op("Add", 1, 1),
        "u": op("AddUnique", 1, 1, 2),
        "r": op("Remove", 1),
        "d": {"__op": "Delete"},
    }
    answer = parse.post("/classes/Post", body).json
    expected = {"n": 3, "a": [1, 1], "u": [1, 2], "r": []}
    assert {name: answer[name] for name in "naur"} == expected
    assert "d" not in answer
    row = parse.find("Post")[0]
    assert {name: row[name] for name in "naur"} == expected


def test_an_update_answers_results_of_operations_and_no_plain_values(parse):
    path = f"/classes/Post/{parse.create('Post', {'n': 1, 'a': ['x'], 'o': {'k': 1}})}"
    body = {"n": increment(), "a": op("AddUnique", "x", "y"), "s": "new", "o.k": increment()}
    answer = parse.put(path, body).json
    assert answer.pop("updatedAt") > parse.find("Post")[0]["createdAt"]
    assert answer == {"n": 2, "a": ["x", "y"], "o": {"k": 2}}
    assert parse.put(path, {"s": {"__op": "Delete"}}).json.keys() == {"updatedAt"}
    assert "s" not in parse.get(path).json


@pytest.mark.parametrize(
    ("stored", "change"),
    [
        ({"v": "text"}, {"v": op("Add", 1)}),
        ({"v": "text"}, {"v": op("AddUnique", 1)}),
        ({"v": "text"}, {"v": op("Remove", 1)}),
        ({"v": "text"}, {"v": increment()}),
        ({"v": [1]}, {"v": increment()}),
        ({"v": 1}, {"v": op("Add", 1)}),
        ({"v": 1}, {"v.k": 1}),
        ({"v": True}, {"v": increment()}),
        ({"v": 1}, {"v": relate(pointer("Post", "x"))}),
    ],
)
def test_an_operation_that_does_not_fit_is_refused_and_changes_nothing(
    parse_on_each, stored, change
):
    parse = parse_on_each
    path = f"/classes/Post/{parse.create('Post', stored)}"
    before = parse.get(path).json
    answer = parse.put(path, change)
    assert outcome(answer) == (400, 111), answer.json
    assert parse.get(path).json == before


@pytest.mark.parametrize(
    "change",
    [{"v.k": increment()}, {"v.k": op("Add", 1)}, {"v.k.l": 1}, {"v.k.l": increment()}],
)
def test_an_operation_inside_an_object_has_to_fit_too(parse, change):
    """On SQLite alone: nx-27017 answers as if it had been done."""
    path = f"/classes/Post/{parse.create('Post', {'v': {'k': 'text'}})}"
    assert outcome(parse.put(path, change)) == (400, 111)
    assert parse.get(path).json["v"] == {"k": "text"}


def test_operations_on_null_are_refused(parse):
    path = f"/classes/Post/{parse.create('Post', {'n': None, 'a': None})}"
    assert outcome(parse.put(path, {"n": increment()})) == (400, 111)
    assert outcome(parse.put(path, {"a": op("Add", 1)})) == (400, 111)


def test_a_relation_that_a_client_sends_back_is_no_value(parse_on_each):
    parse = parse_on_each
    bob = parse.person("bob")
    path = f"/classes/Post/{parse.create('Post', {'likes': relate(bob.pointer)})}"
    relation = {"__type": "Relation", "className": "_User"}
    assert parse.put(path, {"likes": relation, "n": 1}).status_code == 200
    assert parse.get(path).json["likes"] == relation
    assert parse.post("/classes/Post", {"likes": relation}).status_code == 201
    assert "likes" not in parse.stored("Post", path.rpartition("/")[2])


def test_a_relation_that_is_sent_as_a_value_makes_its_column_and_no_other(parse_on_each):
    parse = parse_on_each
    path = f"/classes/Post/{parse.create('Post', {'n': 1})}"
    relation = {"__type": "Relation", "className": "_User"}
    assert error(parse.put(path, {"n": relation})) == (
        111,
        "schema mismatch for Post.n; expected Number but got Relation<_User>",
    )
    assert parse.put(path, {"likes": relation}).status_code == 200
    assert parse.get(path).json["likes"] == relation
    assert outcome(parse.put(path, {"likes": {**relation, "className": "Post"}})) == (400, 111)


def test_to_remove_from_what_is_not_there_answers_nothing_of_it(parse_on_each):
    path = f"/classes/Post/{parse_on_each.create('Post', {'a': [1]})}"
    answer = parse_on_each.put(path, {"a": op("Remove", 1), "missing": op("Remove", 1)}).json
    assert answer.keys() == {"a", "updatedAt"}


# --- what is required, and defaults ---------------------------------------------------------------


@pytest.fixture
def rules(parse_on_each):
    options = {
        "title": {"required": True},
        "state": {"required": True, "defaultValue": "new"},
        "when": {"defaultValue": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}},
        "owner": {"defaultValue": pointer("_User", "x")},
        "nothing": {"required": False, "defaultValue": None},
    }
    parse_on_each.declare(
        "Post", None, options,
        title="String", state="String", when="Date", owner="Pointer _User", nothing="String",
    )  # fmt: skip
    return parse_on_each


def test_defaults_fill_what_is_missing_and_are_answered(rules):
    answer = rules.post("/classes/Post", {"title": "x"}).json
    defaults = {
        "state": "new",
        "when": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
        "owner": pointer("_User", "x"),
    }
    assert {name: answer.get(name) for name in defaults} == defaults
    row = rules.find("Post", {"owner": pointer("_User", "x")})[0]
    assert {name: row.get(name) for name in defaults} == defaults
    assert "nothing" not in row
    given = rules.post("/classes/Post", {"title": "x", "state": "old"}).json
    assert "state" not in given


@pytest.mark.parametrize("title", ["", None, {"__op": "Delete"}])
def test_a_required_column_is_never_empty(rules, title):
    refusal = (142, "title is required")
    assert error(rules.post("/classes/Post", {"title": title})) == refusal
    assert error(rules.post("/classes/Post", {})) == refusal
    path = f"/classes/Post/{rules.create('Post', {'title': 'x'})}"
    assert error(rules.put(path, {"title": title})) == refusal
    assert rules.put(path, {"state": "old"}).status_code == 200


# --- what is not there, or not for the caller -----------------------------------------------------


def test_what_is_not_there_is_neither_changed_nor_deleted(parse_on_each):
    parse = parse_on_each
    parse.create("Post")
    for answer in (parse.put("/classes/Post/gone", {"n": 1}), parse.delete("/classes/Post/gone")):
        assert error(answer) == (101, "Object not found.")
        assert answer.status_code == 404
    assert "n" not in parse.services.schemas.find("Post").columns


def test_a_deletion_that_is_repeated_finds_nothing(parse):
    path = f"/classes/Post/{parse.create('Post')}"
    assert parse.delete(path).json == {}
    assert outcome(parse.delete(path)) == (404, 101)
    assert outcome(parse.put(path, {"n": 1})) == (404, 101)


@pytest.mark.parametrize("change", ["update", "delete"])
def test_an_acl_that_changes_between_check_and_write_wins(parse_on_each, cloud_code, change):
    """The trigger stands for whatever happens in that moment."""
    parse = parse_on_each
    charlie = parse.person("charlie")
    object_id = parse.create("Post", {"n": 1})
    path = f"/classes/Post/{object_id}"

    def close(request):
        schema = parse.services.schemas.find("Post")
        where = Equals("objectId", object_id)
        parse.services.database.objects.update(schema, where, {"ACL": Set({})})

    cloud_code.before_save("Post")(close)
    cloud_code.before_delete("Post")(close)
    answer = (
        parse.put(path, {"n": 2}, charlie) if change == "update" else parse.delete(path, charlie)
    )
    assert outcome(answer) == (404, 101)
    assert parse.get(path, MASTER).json["n"] == 1


def test_relations_of_what_may_not_be_written_stay_as_they_are(parse):
    charlie = parse.person("charlie")
    body = {"ACL": {"*": {"read": True}}, "likes": relate(pointer("_User", "x"))}
    post = parse.create("Post", body)
    parse.put(f"/classes/Post/{post}", {"likes": relate(charlie.pointer)}, charlie)
    assert parse.find("Post", {"likes": charlie.pointer}) == []


# --- at the same moment ---------------------------------------------------------------------------


def test_increments_of_many_threads_all_count(parse_on_each):
    parse = parse_on_each
    object_id = parse.create("Post", {"n": 0})
    objects = parse.services.objects

    def add_ten():
        for _ in range(10):
            objects.update(OWNER, "Post", object_id, {"n": Increment(1)}, {})

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parse.get(f"/classes/Post/{object_id}").json["n"] == 40


# --- the read-only master key ---------------------------------------------------------------------


def test_the_read_only_master_key_writes_nothing(make_parse):
    parse = make_parse(read_only_master_key="readOnly")
    read_only = {**MASTER, "X-Parse-Master-Key": "readOnly"}
    alice = parse.person("alice", authData={"anonymous": {"id": "a1"}})
    object_id = parse.create("Post", {"ACL": {}})
    assert len(parse.find("Post", by=read_only)) == 1
    refusal = (119, "read-only masterKey isn't allowed to perform this operation.")
    for answer in (
        parse.post("/classes/Post", {}, read_only),
        parse.put(f"/classes/Post/{object_id}", {"n": 1}, read_only),
        parse.delete(f"/classes/Post/{object_id}", read_only),
        parse.post("/users", {"username": "x", "password": "p"}, read_only),
        parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}}, read_only),
        parse.put(f"/users/{alice.id}", {"isModerator": True}, read_only),
        parse.delete(f"/users/{alice.id}", read_only),
        parse.post("/sessions", {"user": alice.pointer}, read_only),
        parse.post("/roles", {"name": "x", "ACL": {}}, read_only),
    ):
        assert error(answer) == refusal
    requests = [{"method": "POST", "path": "/parse/classes/Post", "body": {}}]
    (answer,) = parse.post("/batch", {"requests": requests}, read_only).json
    assert answer["error"]["code"] == 119
