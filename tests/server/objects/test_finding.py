"""What a find, get and count answer, beyond what the databases' own tests prove of conditions."""

import pytest
from image_host import MASTER
from parse_app import outcome, pointer, relate, unrelate


def ids(rows):
    return [row["objectId"] for row in rows]


# --- counting, keys, order ------------------------------------------------------------------------


def test_a_count_knows_no_limit(parse):
    for n in range(5):
        parse.create("Post", {"n": n})
    answer = parse.get("/classes/Post", where={"n": {"$gte": 1}}, limit="2", skip="1", count="1")
    assert answer.json["count"] == 4
    assert len(answer.json["results"]) == 2
    assert parse.get("/classes/Post", limit="0", count="1").json == {"results": [], "count": 5}


def test_a_count_counts_what_the_caller_may_read(parse):
    parse.create("Post", {"ACL": {}})
    parse.create("Post")
    assert parse.get("/classes/Post", limit="0", count="1").json["count"] == 1
    assert parse.get("/classes/Post", MASTER, limit="0", count="1").json["count"] == 2


def test_who_may_count_alone_counts_as_sdks_do_and_finds_nothing(parse):
    parse.declare("Post", {"count": {"*": True}, "find": {}})
    parse.create("Post")
    assert parse.get("/classes/Post", count=1, limit=0).json == {"results": [], "count": 1}
    for params in ({"count": 1}, {"count": 1, "limit": 1}, {"limit": 0}, {}):
        assert outcome(parse.get("/classes/Post", **params)) == (400, 119)


def test_who_may_find_alone_does_not_count(parse):
    parse.declare("Post", {"count": {}, "find": {"*": True}})
    assert outcome(parse.get("/classes/Post", count=1, limit=0)) == (400, 119)


@pytest.mark.parametrize(
    ("params", "columns"),
    [
        ({"keys": "a"}, {"a"}),
        ({"keys": "a,b"}, {"a", "b"}),
        ({"keys": "missing"}, set()),
        ({"keys": "objectId"}, set()),
        ({"keys": "o.x"}, {"o"}),
        ({"excludeKeys": "a"}, {"b", "o"}),
        ({"excludeKeys": "a,objectId,createdAt,ACL"}, {"b", "o"}),
        ({"keys": "a,b", "excludeKeys": "b"}, {"a"}),
    ],
)
def test_keys_choose_and_ids_times_and_acl_stay(parse, params, columns):
    acl = {"*": {"read": True}}
    object_id = parse.create("Post", {"a": 1, "b": 2, "o": {"x": 1}, "ACL": acl})
    always = {"objectId", "createdAt", "updatedAt", "ACL"}
    assert parse.find("Post", **params)[0].keys() == columns | always
    assert parse.get(f"/classes/Post/{object_id}", **params).json.keys() == columns | always


def test_unknown_columns_do_not_sort(parse):
    first, second = parse.create("Post", {"n": 2}), parse.create("Post", {"n": 1})
    assert ids(parse.find("Post", order="missing,n")) == [second, first]
    assert ids(parse.find("Post", order="-n")) == [first, second]


def test_an_unknown_column_finds_nothing(parse):
    parse.create("Post", {"n": 2})
    assert parse.find("Post", {"missing": 1}) == []
    assert len(parse.find("Post", {"missing": {"$exists": False}})) == 1


# --- relations ------------------------------------------------------------------------------------


@pytest.fixture
def likes(parse_on_each):
    """Alice's post is liked by bob and charlie, bob's by charlie."""
    parse = parse_on_each
    everybody = {"ACL": {"*": {"read": True}}}
    parse.people = {name: parse.person(name, **everybody) for name in ("bob", "charlie")}
    bob, charlie = parse.people.values()
    parse.alices = parse.create("Post", {"likes": relate(bob.pointer, charlie.pointer)})
    parse.bobs = parse.create("Post", {"likes": relate(charlie.pointer)})
    return parse


def related(parse, post_id, **where):
    where["$relatedTo"] = {"object": pointer("Post", post_id), "key": "likes"}
    return sorted(row["username"] for row in parse.find("_User", where))


def test_related_to_finds_the_members(likes):
    assert related(likes, likes.alices) == ["bob", "charlie"]
    assert related(likes, likes.alices, username="bob") == ["bob"]
    assert related(likes, likes.bobs) == ["charlie"]
    assert related(likes, "missing") == []


def test_members_are_added_once_and_removed(likes):
    bob, charlie = (person.pointer for person in likes.people.values())
    path = f"/classes/Post/{likes.bobs}"
    answer = likes.put(path, {"likes": relate(bob, charlie)})
    assert answer.json.keys() == {"updatedAt"}
    assert related(likes, likes.bobs) == ["bob", "charlie"]
    likes.put(path, {"likes": unrelate(charlie)})
    likes.put(path, {"likes": unrelate(charlie)})
    assert related(likes, likes.bobs) == ["bob"]
    both = {"__op": "Batch", "ops": [relate(charlie), unrelate(bob)]}
    likes.put(path, {"likes": both})
    assert related(likes, likes.bobs) == ["charlie"]


def test_a_pointer_on_a_relation_finds_the_owners(likes):
    bob, charlie = (person.pointer for person in likes.people.values())
    both, alices, bobs = {likes.alices, likes.bobs}, {likes.alices}, {likes.bobs}
    for constraint, expected in [
        (bob, alices),
        (charlie, both),
        ({"$in": [bob]}, alices),
        ({"$in": [bob, charlie]}, both),
        ({"$in": []}, set()),
        ({"$ne": bob}, bobs),
        ({"$nin": [bob, charlie]}, set()),
        ({"$inQuery": {"className": "_User", "where": {"username": "bob"}}}, alices),
        ({"$notInQuery": {"className": "_User", "where": {"username": "bob"}}}, bobs),
        (pointer("_User", "missing"), set()),
    ]:
        assert set(ids(likes.find("Post", {"likes": constraint}))) == expected, constraint
    either = {"$or": [{"likes": bob}, {"objectId": likes.bobs}]}
    assert set(ids(likes.find("Post", either))) == both


def test_a_relation_stands_in_every_row(likes):
    relation = {"__type": "Relation", "className": "_User"}
    assert [row["likes"] for row in likes.find("Post")] == [relation] * 2


def test_redirection_queries_the_target_of_a_relation(parse):
    bob = parse.person("bob", ACL={"*": {"read": True}})
    parse.create("Post", {"likes": relate(bob.pointer), "owner": bob.pointer})
    rows = parse.find("Post", {"username": "bob"}, redirectClassNameForKey="likes")
    assert [(row["objectId"], row["className"]) for row in rows] == [(bob.id, "_User")]
    for key in ("owner", "missing"):
        rows = parse.find("Post", redirectClassNameForKey=key)
        assert "className" not in rows[0]


def test_a_redirection_obeys_the_permissions_of_its_target(parse):
    alice, bob = parse.person("alice", email="a@b"), parse.person("bob")
    parse.declare("Hidden", {"find": {}})
    hidden = parse.create("Hidden")
    session = parse.find("_Session", by=bob)[0]["objectId"]
    bodies = {
        "h": relate(pointer("Hidden", hidden)),
        "s": relate(pointer("_Session", session)),
        "c": relate(pointer("_GlobalConfig", "1")),
        "u": relate(bob.pointer),
    }
    parse.create("Post", bodies, by=None)
    for key in "hc":
        answer = parse.get("/classes/Post", alice, redirectClassNameForKey=key)
        assert outcome(answer) == (400, 119)
    sessions = parse.find("Post", by=alice, redirectClassNameForKey="s")
    assert [row["user"]["objectId"] for row in sessions] == [alice.id]
    assert parse.find("Post", redirectClassNameForKey="s") == []
    users = parse.find("Post", by=alice, redirectClassNameForKey="u")
    assert ids(users) == [alice.id]
    answer = parse.get("/classes/Post", redirectClassNameForKey="u", where={"email": "a@b"})
    assert outcome(answer) == (400, 119)


def test_related_to_needs_an_owner_that_the_caller_may_read(parse_on_each):
    parse = parse_on_each
    bob = parse.person("bob", ACL={"*": {"read": True}})
    post = parse.create("Post", {"likes": relate(bob.pointer), "ACL": {}})
    where = {"$relatedTo": {"object": pointer("Post", post), "key": "likes"}}
    assert parse.find("_User", where) == []
    assert ids(parse.find("_User", where, by=MASTER)) == [bob.id]
    parse.declare("Closed", {"find": {"*": True}}, likes="Relation _User")
    closed = parse.create("Closed", {"likes": relate(bob.pointer)})
    where = {"$relatedTo": {"object": pointer("Closed", closed), "key": "likes"}}
    assert outcome(parse.get("/users", where=where)) == (400, 119)


# --- queries inside queries -----------------------------------------------------------------------


def test_a_subquery_sees_what_the_caller_sees(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    hidden = parse.create("Album", {"title": "x", "ACL": {alice.id: {"read": True}}})
    photo = parse.create("Photo", {"album": pointer("Album", hidden), "title": "x"})
    in_query = {"album": {"$inQuery": {"className": "Album", "where": {"title": "x"}}}}
    select = {"query": {"className": "Album", "where": {}}, "key": "title"}
    for where in (in_query, {"title": {"$select": select}}):
        assert parse.find("Photo", where) == []
        assert ids(parse.find("Photo", where, by=alice)) == [photo]
    without = {"album": {"$notInQuery": {"className": "Album", "where": {}}}}
    assert ids(parse.find("Photo", without)) == [photo]
    assert parse.find("Photo", without, by=alice) == []
    assert ids(parse.find("Photo", {"title": {"$dontSelect": select}})) == [photo]


def test_a_subquery_obeys_class_level_permissions(parse):
    parse.declare("Album", {"get": {"*": True}})
    for where in (
        {"album": {"$inQuery": {"className": "Album", "where": {}}}},
        {"album": {"$inQuery": {"className": "_JobStatus", "where": {}}}},
        {"n": {"$select": {"query": {"className": "Album", "where": {}}, "key": "n"}}},
    ):
        assert outcome(parse.get("/classes/Photo", where=where)) == (400, 119)


def test_nobody_finds_sessions_through_a_subquery(parse):
    alice, bob = parse.person("alice"), parse.person("bob")
    parse.create("Post", {"token": alice.token})
    query = {"query": {"className": "_Session", "where": {}}, "key": "sessionToken"}
    where = {"token": {"$select": query}}
    assert parse.find("Post", where) == parse.find("Post", where, by=bob) == []
    assert len(parse.find("Post", where, by=alice)) == 1


def test_queries_are_nested_to_a_bound(parse):
    where = {}
    for _ in range(7):
        where = {"album": {"$inQuery": {"className": "Album", "where": where}}}
    assert outcome(parse.get("/classes/Album", where=where)) == (400, 102)


def test_many_values_are_asked_for_at_once(parse_on_each):
    parse = parse_on_each
    object_id = parse.create("Post", {"n": 7})
    many = [f"id{n}" for n in range(40_000)]
    body = {"where": {"objectId": {"$in": [*many, object_id]}}, "_method": "GET"}
    rows = parse.post("/classes/Post", body).json["results"]
    assert ids(rows) == [object_id]
