"""Triggers around saves and deletions: what they see, change, refuse and add to the answer."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer, relate

from cloud.errors import CloudError
from cloud.values import Relation

HASH = "$2b$10$x"


def test_before_save_changes_what_is_stored_and_the_answer_says_so(parse, cloud_code):
    @cloud_code.before_save("Post")
    def change(request):
        request.object["added"] = "by beforeSave"
        request.object["n"] = request.object["n"] + 1
        del request.object["drop"]

    answer = parse.post("/classes/Post", {"n": 1, "drop": 1, "kept": 1}).json
    del answer["objectId"], answer["createdAt"]
    assert answer == {"added": "by beforeSave", "n": 2, "drop": {"__op": "Delete"}}
    row = parse.find("Post")[0]
    assert (row["n"], row["added"], row["kept"]) == (2, "by beforeSave", 1)
    assert "drop" not in row


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (None, True),
        ("js1.9.0", True),
        ("js5.3.0", True),
        ("js1.8.5", False),
        ("php1.2", False),
        ("i5.1.1", False),
        ("js", False),
    ],
)
def test_only_some_sdks_are_told_that_a_column_is_gone(parse, cloud_code, version, told):
    @cloud_code.before_save("Post")
    def change(request):
        del request.object["drop"]

    headers = {} if version is None else {"X-Parse-Client-Version": version}
    answer = parse.post("/classes/Post", {"drop": 1}, **headers).json
    assert ("drop" in answer) is told


def test_what_before_save_leaves_alone_is_not_echoed(parse, cloud_code):
    @cloud_code.before_save("Post")
    def look(request):
        request.object["same"] = request.object["same"]
        request.object.get("list")

    body = {"same": "x", "list": [1], "likes": relate(pointer("_User", "x"))}
    assert parse.post("/classes/Post", body).json.keys() == {"objectId", "createdAt"}


def test_before_save_sees_the_object_as_it_will_be_and_as_it_was(parse, cloud_code):
    seen = []

    @cloud_code.before_save("Post")
    def look(request):
        likes = request.object.get("likes")
        seen.append((request.object.is_new, request.object.get("n"), request.original, likes))

    likes = {"likes": relate(pointer("_User", "x"))}
    path = f"/classes/Post/{parse.create('Post', {'n': 1, **likes})}"
    parse.put(path, {"n": {"__op": "Increment", "amount": 5}})
    assert seen[0] == (True, 1, None, Relation("_User"))
    assert seen[1][:2] == (False, 6)
    assert seen[1][2]["n"] == 1


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (CloudError("no"), (400, 141, "no")),
        (CloudError("gone", 101), (404, 101, "gone")),
        (ZeroDivisionError(), (400, 141, "Script failed. The server's log says why.")),
        (SystemExit(), (400, 141, "Script failed. The server's log says why.")),
    ],
)
def test_what_a_before_trigger_raises_keeps_everything_as_it_was(
    parse, cloud_code, raised, expected
):
    object_id = parse.create("Post", {"n": 1})

    def refuse(request):
        raise raised

    cloud_code.before_save("Post")(refuse)
    cloud_code.before_delete("Post")(refuse)
    path = f"/classes/Post/{object_id}"
    for answer in (
        parse.post("/classes/Post", {"m": 1}),
        parse.put(path, {"n": 2}),
        parse.delete(path),
    ):
        assert (answer.status_code, *error(answer)) == expected
    assert [row["n"] for row in parse.find("Post")] == [1]
    assert "m" not in parse.services.schemas.find("Post").columns


def test_a_trigger_runs_only_for_what_is_permitted(parse, cloud_code):
    ran = []
    cloud_code.before_save("Post")(ran.append)
    cloud_code.before_delete("Post")(ran.append)
    parse.declare("Post", {"find": {"*": True}}, n="Number")
    object_id = parse.create("Post", {"ACL": {}})
    ran.clear()
    path = f"/classes/Post/{object_id}"
    for answer in (parse.post("/classes/Post", {}), parse.put(path, {}), parse.delete(path)):
        assert outcome(answer) == (400, 119)
    assert ran == []


def test_the_type_of_what_before_save_sets_is_checked(parse, cloud_code):
    @cloud_code.before_save("Post")
    def spoil(request):
        request.object["n"] = "text"

    parse.declare("Post", None, n="Number")
    assert outcome(parse.post("/classes/Post", {"n": 1})) == (400, 111)
    assert parse.find("Post") == []


def test_an_operation_that_does_not_fit_is_refused_before_the_trigger(parse, cloud_code):
    path = f"/classes/Post/{parse.create('Post', {'o': {'s': 'text'}})}"
    ran = []
    cloud_code.before_save("Post")(ran.append)
    assert outcome(parse.put(path, {"o.s": {"__op": "Increment", "amount": 1}})) == (400, 111)
    assert ran == []


def test_after_save_may_add_to_the_answer(parse, cloud_code):
    @cloud_code.after_save("Post")
    def tell(request):
        request.object["told"] = request.object.id

    answer = parse.post("/classes/Post", {"n": 1}).json
    assert answer["told"] == answer["objectId"]
    assert "told" not in parse.find("Post")[0]


def test_after_save_may_answer_in_its_own_words(parse, cloud_code):
    @cloud_code.after_save("Post")
    def tell(request):
        return {"own": "words", "was": request.original}

    answer = parse.post("/classes/Post", {"n": 1})
    assert (answer.status_code, answer.json) == (201, {"own": "words", "was": None})


@pytest.mark.parametrize("raised", [CloudError("no"), ZeroDivisionError()])
def test_a_save_stands_whatever_after_save_raises(parse, cloud_code, raised):
    @cloud_code.after_save("Post")
    def fail(request):
        raise raised

    assert parse.post("/classes/Post", {"n": 1}).status_code == 201
    assert len(parse.find("Post")) == 1


def test_after_delete_reaches_the_client_and_the_object_is_gone(parse, cloud_code):
    @cloud_code.after_delete("Post")
    def fail(request):
        raise CloudError(f"{request.object['n']} is gone")

    path = f"/classes/Post/{parse.create('Post', {'n': 1})}"
    assert error(parse.delete(path)) == (141, "1 is gone")
    assert parse.find("Post") == []


def test_the_context_goes_from_before_to_after(parse, cloud_code):
    seen = []

    @cloud_code.before_save("Post")
    def note(request):
        request.context["noted"] = request.context.get("given")

    @cloud_code.after_save("Post")
    def look(request):
        seen.append(request.context)

    parse.post("/classes/Post", {"n": 1, "_context": {"given": 5}})
    assert seen == [{"given": 5, "noted": 5}]


def test_triggers_run_for_the_master_key_and_know_the_caller(parse, cloud_code):
    seen = []

    @cloud_code.before_save("Post")
    def look(request):
        seen.append((request.master, request.user and request.user.id))

    alice = parse.person("alice")
    for by in (None, alice, MASTER):
        parse.create("Post", by=by)
    assert seen == [(False, None), (False, alice.id), (True, None)]


def test_triggers_see_nothing_of_the_servers_columns(parse, cloud_code):
    seen = []
    for hook in (cloud_code.before_save, cloud_code.after_save):
        hook("_User")(lambda request: seen.append((request.object.values, request.user.values)))
    alice = parse.person("alice", _hashed_password=HASH)
    parse.put(f"/users/{alice.id}", {"phone": "1"}, alice)
    assert "$2b$" not in str(seen)
    assert len(seen) == 2


def test_a_trigger_that_saves_itself_for_ever_ends(parse, cloud_code):
    @cloud_code.before_save("Post")
    def again(request):
        request.as_master.save(type(request.object)("Post", {"n": 1}))

    assert outcome(parse.post("/classes/Post", {"n": 1})) == (400, 141)
