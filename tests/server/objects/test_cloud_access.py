"""Objects in the hands of cloud code: the caller's rights, or all of them."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, relate

from cloud.errors import CloudError
from cloud.objects import ParseObject


@pytest.fixture
def run(parse, cloud_code):
    """Run a function as cloud code of a caller; returns the answer's result or its error."""

    def run_as(handler, by=None, **params):
        cloud_code.define("test")(handler)
        answer = parse.post("/functions/test", params, by)
        return answer.json["result"] if answer.status_code == 200 else error(answer)

    return run_as


def test_objects_come_with_the_callers_rights_and_as_master_with_all(parse, run):
    alice = parse.person("alice")
    post = parse.create("Post", {"n": 1, "ACL": {alice.id: {"read": True}}})

    def seen(request):
        return [
            len(request.objects.find("Post")),
            request.objects.count("Post"),
            request.objects.get("Post", post) is not None,
            request.objects.first("Post") is not None,
            len(request.as_master.find("Post")),
        ]

    assert run(seen, alice) == [1, 1, True, True, 1]
    assert run(seen) == [0, 0, False, False, 1]
    assert run(seen, MASTER) == [1, 1, True, True, 1]


def test_a_saved_object_knows_its_id_and_what_a_trigger_made_of_it(parse, run, cloud_code):
    @cloud_code.before_save("Post")
    def change(request):
        request.object["added"] = True

    def save(request):
        post = request.objects.save(ParseObject("Post", {"n": 1}))
        post.increment("n")
        request.objects.save(post)
        return [post.id, post["n"], post["added"], post.dirty()]

    assert run(save) == [parse.find("Post")[0]["objectId"], 2, True, False]


def test_refusals_are_cloud_errors_with_parses_codes(parse, run):
    parse.declare("Closed", {})

    def refused(request):
        codes = []
        for step in (
            lambda: request.objects.find("Closed"),
            lambda: request.objects.get("Closed", "x"),
            lambda: request.objects.count("Closed"),
            lambda: request.objects.save(ParseObject("Closed", {"n": 1})),
            lambda: request.objects.delete(ParseObject("Closed", {"objectId": "x"}, {})),
            lambda: request.objects.find("Post", {"n": {"$bad": 1}}),
            lambda: request.objects.delete(ParseObject("Post", {"objectId": "gone"}, {})),
            lambda: request.objects.delete(ParseObject("Post", {"n": 1})),
        ):
            try:
                step()
            except CloudError as refusal:
                codes.append(refusal.code)
        return codes

    assert run(refused) == [119, 119, 119, 119, 119, 107, 101, 141]


def test_a_refusal_that_nobody_catches_reaches_the_client(parse, run):
    parse.declare("Closed", {})
    expected = (119, "Permission denied for action find on class Closed.")
    assert run(lambda request: request.objects.find("Closed")) == expected


def test_typed_values_order_and_limit_in_queries(parse, run):
    alice = parse.person("alice")
    for n in range(3):
        parse.create("Post", {"n": n, "owner": alice.pointer})

    def find(request):
        where = {"owner": request.user.pointer, "n": {"$lte": 1}}
        return [row["n"] for row in request.objects.find("Post", where, order=["-n"], limit=1)]

    assert run(find, alice) == [1]


def test_included_objects_are_objects(parse, run):
    alice = parse.person("alice")
    album = parse.create("Album", {"title": "x", "owner": alice.pointer})
    pointer = {"__type": "Pointer", "className": "Album", "objectId": album}
    parse.create("Photo", {"album": pointer, "albums": [pointer], "meta": {"best": pointer}})

    def titles(request):
        photo = request.objects.first("Photo", include=["album.owner", "albums"])
        owner = photo["album"].get("owner")
        return [photo["album"]["title"], photo["albums"][0]["title"], owner and owner["username"]]

    assert run(titles, alice) == ["x", "x", "alice"]
    assert run(titles) == ["x", "x", None]


def test_relations_are_saved(parse, run):
    alice = parse.person("alice")

    def like(request):
        post = ParseObject("Post", {"n": 1})
        post.relate("likes", request.user)
        return request.objects.save(post).id

    post = run(like, alice)
    assert [row["objectId"] for row in parse.find("Post", {"likes": alice.pointer})] == [post]


def test_cloud_code_as_the_caller_reads_no_secrets(parse, run):
    charlie = parse.person("charlie")
    everybody = {"*": {"read": True}}
    parse.person("alice", email="a@b", authData={"anonymous": {"id": "a1"}}, ACL=everybody)

    def look(request):
        rows = request.objects.find("_User") + request.as_master.find("_User")
        return [sorted(row.values) for row in rows if row["username"] == "alice"]

    always = ["ACL", "createdAt", "objectId", "updatedAt", "username"]
    assert run(look, charlie) == [always, sorted([*always, "authData", "email"])]


def test_cloud_code_as_the_caller_makes_nobody_a_moderator(parse, run):
    charlie = parse.person("charlie")

    def promote(request):
        user = request.user
        user["isModerator"] = True
        getattr(request, request.params["rights"]).save(user)

    assert run(promote, charlie, rights="objects")[0] == 119
    assert "isModerator" not in parse.stored("_User", charlie.id)
    run(promote, charlie, rights="as_master")
    assert parse.stored("_User", charlie.id)["isModerator"] is True


def test_a_user_that_cloud_code_makes_is_not_logged_in(parse, run):
    def make(request):
        user = ParseObject("_User", {"username": "new", "password": "p"})
        return request.as_master.save(user).id

    user_id = run(make)
    assert parse.find("_Session", by=MASTER) == []
    assert parse.post("/login", {"username": "new", "password": "p"}).json["objectId"] == user_id


def test_a_function_knows_the_roles_of_its_caller(parse, run):
    bob = parse.person("bob")
    role = {"name": "Moderators", "ACL": {}, "users": relate(bob.pointer)}
    parse.create("_Role", role)
    assert run(lambda request: list(request.roles()), bob) == ["Moderators"]
    assert run(lambda request: list(request.roles())) == []


def test_the_read_only_master_key_does_not_write_through_a_function(make_parse, cloud_code):
    parse = make_parse(read_only_master_key="readOnly")

    @cloud_code.define("save")
    def save(request):
        request.objects.save(ParseObject("Post", {"n": 1}))

    answer = parse.post("/functions/save", {}, {**MASTER, "X-Parse-Master-Key": "readOnly"})
    assert outcome(answer) == (400, 119)
