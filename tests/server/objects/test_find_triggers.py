"""Triggers around finds: what they see and change, at every door that leads to objects."""

import pytest
from image_host import MASTER
from parse_app import error, pointer, relate

from cloud.code import CloudError, Query, Validator
from cloud.objects import ParseObject
from cloud.values import Pointer

READ_ONLY = {**MASTER, "X-Parse-Master-Key": "readOnly"}


@pytest.fixture
def only_published(cloud_code):
    """Nobody finds what is not published."""

    @cloud_code.before_find("Post")
    def restrict(request):
        request.query.where["published"] = True


def names(rows):
    return sorted(row["name"] for row in rows)


def test_before_find_restricts_what_is_found_and_counted(parse, only_published):
    parse.create("Post", {"name": "a", "published": True})
    parse.create("Post", {"name": "b", "published": False})
    assert names(parse.find("Post")) == ["a"]
    assert names(parse.find("Post", {"published": False})) == ["a"]
    assert names(parse.find("Post", by=MASTER)) == ["a"]
    answer = parse.get("/classes/Post", count=1, limit=0).json
    assert answer == {"results": [], "count": 1}


def test_a_get_of_what_before_find_keeps_back_is_not_found(parse, only_published):
    post = parse.create("Post", {"published": False})
    assert error(parse.get(f"/classes/Post/{post}")) == (101, "Object not found.")
    assert error(parse.get(f"/classes/Post/{post}", MASTER)) == (101, "Object not found.")


def test_before_find_holds_for_includes_and_for_queries_inside_queries(parse, only_published):
    shown = parse.create("Post", {"name": "a", "published": True})
    hidden = parse.create("Post", {"name": "b", "published": False})
    for post in (shown, hidden):
        parse.create("Comment", {"post": pointer("Post", post), "name": post})
    rows = parse.find("Comment", include="post")
    assert [row["post"]["name"] for row in rows if "post" in row] == ["a"]
    one = parse.find("Comment", {"name": hidden}, include="post")
    assert "post" not in one[0]
    inner = {"className": "Post", "where": {}}
    assert names(parse.find("Comment", {"post": {"$inQuery": inner}})) == [shown]
    assert names(parse.find("Comment", {"post": {"$notInQuery": inner}})) == [hidden]
    select = {"query": {"className": "Post", "where": {}}, "key": "objectId"}
    assert names(parse.find("Comment", {"name": {"$select": select}})) == [shown]


def test_before_find_holds_for_members_of_a_relation(parse, only_published):
    posts = [parse.create("Post", {"name": n, "published": n == "a"}) for n in "ab"]
    blog = parse.create("Blog", {"posts": relate(*(pointer("Post", post) for post in posts))})
    related = {"$relatedTo": {"object": pointer("Blog", blog), "key": "posts"}}
    assert names(parse.find("Post", related)) == ["a"]


def test_before_find_holds_where_a_find_is_redirected(parse, only_published):
    post = parse.create("Post", {"name": "b"})
    parse.create("Blog", {"posts": relate(pointer("Post", post))})
    assert parse.find("Blog", redirectClassNameForKey="posts") == []


def test_before_find_changes_every_part_of_a_query(parse, cloud_code):
    seen = []

    @cloud_code.before_find("Post")
    def change(request):
        query = request.query
        seen.append((query.order, query.limit, query.skip, query.keys, query.exclude_keys))
        query.order, query.limit, query.skip, query.keys = ["-n"], 2, 1, ["n"]

    for n in range(4):
        parse.create("Post", {"n": n, "other": 1})
    rows = parse.find("Post", order="n,-other", limit=9, skip=0, excludeKeys="x")
    assert [(row["n"], "other" in row) for row in rows] == [(2, False), (1, False)]
    assert seen == [(["n", "-other"], 9, 0, None, ["x"])]


def test_before_find_may_return_another_query_with_typed_values(parse, cloud_code):
    alice = parse.person("alice")

    @cloud_code.before_find("Post")
    def mine(request):
        return Query("Post", {"owner": request.user.pointer}, include=["owner"])

    parse.create("Post", {"owner": alice.pointer, "name": "a"})
    parse.create("Post", {"owner": pointer("_User", "x"), "name": "b"})
    rows = parse.find("Post", by=alice)
    assert names(rows) == ["a"]
    assert rows[0]["owner"]["username"] == "alice"


def test_what_before_find_raises_reaches_the_client_and_nothing_is_read(parse, cloud_code):
    @cloud_code.before_find("Post")
    def refuse(request):
        raise CloudError("not today")

    post = parse.create("Post")
    parse.create("Comment", {"post": pointer("Post", post)})
    assert error(parse.get("/classes/Post")) == (141, "not today")
    assert error(parse.get(f"/classes/Post/{post}")) == (141, "not today")
    assert error(parse.get("/classes/Comment", include="post")) == (141, "not today")


def test_a_query_that_cannot_be_read_is_the_triggers_error(parse, cloud_code):
    @cloud_code.before_find("Post")
    def spoil(request):
        request.query.limit = -1

    assert error(parse.get("/classes/Post"))[0] == 102


def test_the_request_says_what_is_asked_for_and_by_whom(make_parse, cloud_code):
    parse = make_parse(read_only_master_key="readOnly")
    seen = []

    @cloud_code.before_find("Post")
    def look(request):
        flags = (request.count, request.is_get, request.master, request.read_only)
        seen.append((request.trigger_name, *flags, request.results))

    @cloud_code.after_find("Post")
    def look_back(request):
        seen.append((request.trigger_name, request.is_get, len(request.results)))

    post = parse.create("Post")
    parse.find("Post", count=1)
    parse.get(f"/classes/Post/{post}", READ_ONLY)
    assert seen == [
        ("beforeFind", True, False, False, False, None),
        ("afterFind", False, 1),
        ("beforeFind", False, True, True, True, None),
        ("afterFind", True, 1),
    ]


def test_after_find_changes_adds_and_leaves_out(parse, cloud_code):
    @cloud_code.after_find("Post")
    def polish(request):
        for post in request.results:
            post["title"] = post["name"].upper()
            del post["name"]
        return [post for post in request.results if post["title"] != "B"]

    post = parse.create("Post", {"name": "a", "list": [1]})
    parse.create("Post", {"name": "b"})
    rows = parse.find("Post")
    assert [(row["title"], row["list"], "name" in row) for row in rows] == [("A", [1], False)]
    assert rows[0].keys() >= {"objectId", "createdAt", "updatedAt"}
    assert parse.get(f"/classes/Post/{post}").json["title"] == "A"
    assert parse.stored("Post", post)["name"] == "a"


def test_after_find_without_a_result_changes_in_place(parse, cloud_code):
    @cloud_code.after_find("Post")
    def polish(request):
        request.results[0]["seen"] = True

    parse.create("Post")
    assert parse.find("Post")[0]["seen"] is True


def test_a_get_that_after_find_leaves_nothing_of_is_not_found(parse, cloud_code):
    cloud_code.after_find("Post")(lambda request: [])
    post = parse.create("Post")
    assert error(parse.get(f"/classes/Post/{post}")) == (101, "Object not found.")


def test_after_find_sees_included_objects_and_they_stay_included(parse, cloud_code):
    @cloud_code.after_find("Comment")
    def look(request):
        request.results[0]["author"] = request.results[0]["post"]["name"]

    post = parse.create("Post", {"name": "a", "likes": relate(pointer("_User", "x"))})
    parse.create("Comment", {"post": pointer("Post", post), "posts": [pointer("Post", post)]})
    row = parse.find("Comment", include="post,posts")[0]
    assert (row["author"], row["post"]["name"], row["posts"][0]["name"]) == ("a", "a", "a")
    assert row["post"]["__type"] == "Object"
    assert row["post"]["likes"] == {"__type": "Relation", "className": "_User"}


def test_after_find_holds_for_includes_and_for_queries_inside_queries(parse, cloud_code):
    @cloud_code.after_find("Post")
    def hide(request):
        return [post for post in request.results if post["name"] != "b"]

    posts = [parse.create("Post", {"name": n}) for n in "ab"]
    for post in posts:
        parse.create("Comment", {"post": pointer("Post", post), "name": post})
    rows = parse.find("Comment", include="post")
    assert [row["post"]["name"] for row in rows if "post" in row] == ["a"]
    inner = {"className": "Post", "where": {}}
    assert names(parse.find("Comment", {"post": {"$inQuery": inner}})) == [posts[0]]


def test_triggers_never_see_what_the_caller_may_not(parse, cloud_code):
    seen = []
    parse.declare(
        "Post",
        {"find": {"*": True}, "get": {"*": True}, "protectedFields": {"*": ["hidden"]}},
        hidden="String",
        name="String",
    )
    alice, bob = parse.person("alice"), parse.person("bob")

    @cloud_code.after_find("Post")
    def look(request):
        seen.extend(sorted(name for name in post) for post in request.results)

    @cloud_code.after_find("_User")
    def look_at_users(request):
        seen.extend(user.get("email") for user in request.results)

    mine = {alice.id: {"read": True, "write": True}}
    parse.create("Post", {"hidden": "s", "name": "a"})
    parse.create("Post", {"hidden": "s", "name": "b", "ACL": mine})
    parse.find("Post", by=bob)
    assert seen == [["createdAt", "name", "objectId", "updatedAt"]]


def test_a_trigger_cannot_search_by_what_the_caller_may_not_see(parse, cloud_code):
    """As in Parse Server, where protected columns are looked for after before_find."""
    permissions = {"find": {"*": True}, "protectedFields": {"*": ["hidden"]}}
    parse.declare("Post", permissions, hidden="String")

    @cloud_code.before_find("Post")
    def peek(request):
        request.query.where["hidden"] = "s"

    message = "This user is not allowed to query hidden on class Post"
    assert error(parse.get("/classes/Post")) == (119, message)


def test_triggers_open_no_class_that_is_closed(parse, cloud_code):
    parse.declare("Post", {"get": {"*": True}})
    cloud_code.before_find("Post")(lambda request: Query("Post"))
    assert error(parse.get("/classes/Post"))[0] == 119


def test_before_find_hands_its_context_to_after_find(parse, cloud_code):
    @cloud_code.before_find("Post")
    def before(request):
        request.context["from_before"] = request.context["sent"]

    @cloud_code.after_find("Post")
    def after(request):
        request.results[0]["context"] = request.context["from_before"]

    parse.create("Post")
    answer = parse.call("GET", "/classes/Post", **{"X-Parse-Cloud-Context": '{"sent": "x"}'})
    assert answer.json["results"][0]["context"] == "x"


def test_finds_of_cloud_code_run_the_triggers_too(parse, cloud_code, only_published):
    parse.create("Post", {"name": "a", "published": True})
    parse.create("Post", {"name": "b"})

    @cloud_code.define("look")
    def look(request):
        posts = request.as_master.find("Post")
        return [len(posts), request.as_master.count("Post")]

    assert parse.post("/functions/look").json == {"result": [1, 1]}


def test_validators_are_asked_first(parse, cloud_code):
    @cloud_code.before_find("Post", Validator(require_user=True, skip_with_master_key=True))
    def before(request):
        request.query.where["never"] = True

    parse.create("Post", {"name": "a"})
    message = "Validation failed. Please login to continue."
    assert error(parse.get("/classes/Post")) == (142, message)
    assert names(parse.find("Post", by=MASTER)) == ["a"]
    assert parse.find("Post", by=parse.person("alice")) == []


@pytest.mark.parametrize("result", [7, "text", [7], [{}]])
def test_after_find_that_returns_no_objects_is_a_bug_of_the_app(parse, cloud_code, result):
    cloud_code.after_find("Post")(lambda request: result)
    parse.create("Post")
    expected = (141, "Script failed. The server's log says why.")
    assert error(parse.get("/classes/Post")) == expected


def test_after_find_may_answer_with_objects_that_were_never_saved(parse, cloud_code):
    made = {"n": 1, "at": Pointer("Post", "x")}
    cloud_code.after_find("Post")(lambda request: [ParseObject("Post", made)])
    assert parse.find("Post") == [{"n": 1, "at": pointer("Post", "x")}]
