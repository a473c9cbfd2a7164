"""Who may do what: ACLs, class-level permissions, hidden columns."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer, relate

from cloud.values import Pointer
from server.auth import Caller
from server.objects.access import both, condition_to, condition_to_add, protected_columns, visible
from server.parse.errors import ParseError
from server.storage.port import EVERYTHING, ClassSchema, ColumnType, Either, Equals

NOBODY = Caller(master=False, ip="127.0.0.1")
ALICE = Caller(master=False, ip="127.0.0.1", user={"objectId": "alice"})
BOB = Caller(
    master=False,
    ip="127.0.0.1",
    user={"objectId": "bob"},
    find_role_names=lambda _: ("Moderators",),
)
OWNER = Caller(master=True, ip="127.0.0.1")
COLUMNS = {"owner": ColumnType("Pointer", "_User"), "team": ColumnType("Array")}
OPERATIONS = ["find", "get", "count", "create", "update", "delete"]

PRIVATE = {"*": {}}
EVERYBODY = {"*": True}


def post(**permissions):
    return ClassSchema("Post", COLUMNS, permissions)


def is_refused(caller, schema, operation="find"):
    try:
        condition_to(operation, caller, schema)
    except ParseError as refusal:
        return refusal.code
    return None


# --- class-level permissions ----------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("permission", "nobody", "alice", "bob"),
    [
        ({"*": True}, None, None, None),
        ({}, 119, 119, 119),
        (None, 119, 119, 119),
        ({"*": False}, 119, 119, 119),
        ({"*": "yes"}, 119, 119, 119),
        ({"alice": True}, 119, None, 119),
        ({"role:Moderators": True}, 119, 119, None),
        ({"requiresAuthentication": True}, 101, None, None),
        ({"requiresAuthentication": False}, 119, 119, 119),
    ],
)
def test_a_class_permits_by_principal(operation, permission, nobody, alice, bob):
    schema = post(**{operation: permission})
    refusals = [is_refused(caller, schema, operation) for caller in (NOBODY, ALICE, BOB)]
    assert refusals == [nobody, alice, bob]
    assert is_refused(OWNER, schema, operation) is None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_that_stored_permissions_leave_out_is_the_master_keys(operation):
    schema = post(addField={"*": True})
    assert is_refused(ALICE, schema, operation) == 119
    assert is_refused(OWNER, schema, operation) is None


def test_a_class_without_permissions_is_open():
    assert condition_to("find", NOBODY, ClassSchema("Post")) == EVERYTHING


@pytest.mark.parametrize(
    ("operation", "permissions"),
    [
        ("find", {"find": {"pointerFields": ["owner"]}}),
        ("get", {"readUserFields": ["owner"]}),
        ("count", {"readUserFields": ["owner"]}),
        ("update", {"writeUserFields": ["owner"]}),
        ("delete", {"delete": {"pointerFields": ["owner"]}}),
    ],
)
def test_a_pointing_column_permits_whom_it_points_to(operation, permissions):
    condition = condition_to(operation, ALICE, post(**permissions))
    assert condition == Either((Equals("owner", Pointer("_User", "alice")),))


@pytest.mark.parametrize("operation", ["find", "get", "count", "update", "delete"])
def test_who_must_log_in_and_be_pointed_to_must_do_both(operation):
    schema = post(**{operation: {"requiresAuthentication": True, "pointerFields": ["owner"]}})
    assert is_refused(NOBODY, schema, operation) == 101
    expected = Either((Equals("owner", Pointer("_User", "alice")),))
    assert condition_to(operation, ALICE, schema) == expected
    by_list = post(
        **{operation: {"requiresAuthentication": True}},
        readUserFields=["owner"],
        writeUserFields=["owner"],
    )
    assert condition_to(operation, ALICE, by_list) == expected


def test_several_pointing_columns_permit_each():
    schema = post(readUserFields=["owner"], find={"pointerFields": ["team"]})
    me = Pointer("_User", "alice")
    expected = Either((Equals("owner", me), Equals("team", me)))
    assert condition_to("find", ALICE, schema) == expected


def test_a_pointing_column_permits_no_creation():
    assert is_refused(ALICE, post(writeUserFields=["owner"]), "create") == 119
    assert is_refused(ALICE, post(create={"pointerFields": ["owner"]}), "create") == 119


def test_new_columns_by_a_pointing_column_need_an_object_that_points():
    schema = post(addField={"pointerFields": ["owner"]})
    condition = condition_to_add({"x"}, ALICE, schema, creates=False)
    assert condition == Either((Equals("owner", Pointer("_User", "alice")),))
    with pytest.raises(ParseError, match="addField"):
        condition_to_add({"x"}, ALICE, schema, creates=True)
    assert condition_to_add(set(), ALICE, schema, creates=True) == EVERYTHING
    logged_in = post(addField={"requiresAuthentication": True, "pointerFields": ["owner"]})
    assert condition_to_add({"x"}, ALICE, logged_in, creates=True) == EVERYTHING


@pytest.mark.parametrize(
    "class_name",
    [
        "_JobStatus",
        "_PushStatus",
        "_Hooks",
        "_GlobalConfig",
        "_JobSchedule",
        "_SCHEMA",
        "_Join:users:_Role",
        "_Idempotency",
        "_Audience",
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_classes_of_the_server_are_the_master_keys(operation, class_name):
    assert is_refused(ALICE, ClassSchema(class_name), operation) == 119
    assert is_refused(OWNER, ClassSchema(class_name), operation) is None


def test_the_sentence_names_operation_and_class(parse):
    parse.declare("Post", {"get": {}})
    assert error(parse.get("/classes/Post")) == (
        119,
        "Permission denied for action find on class Post.",
    )


def test_pointer_permissions_hold_in_every_operation(parse_on_each):
    parse = parse_on_each
    alice, charlie = parse.person("alice"), parse.person("charlie")
    fields = {"readUserFields": ["owner"], "writeUserFields": ["owner"], "create": EVERYBODY}
    parse.declare("Post", fields, owner="Pointer _User", n="Number")
    post_id = parse.create("Post", {"owner": alice.pointer, "n": 1})
    assert len(parse.find("Post", by=alice)) == 1
    assert parse.find("Post", by=charlie) == parse.find("Post") == []
    path = f"/classes/Post/{post_id}"
    for stranger in (charlie, None):
        assert outcome(parse.get(path, stranger)) == (404, 101)
        assert outcome(parse.put(path, {"n": 2}, stranger)) == (404, 101)
        assert outcome(parse.delete(path, stranger)) == (404, 101)
    assert parse.put(path, {"n": 2}, alice).status_code == 200
    assert parse.delete(path, alice).status_code == 200


def test_a_count_counts_only_what_its_own_permission_covers(parse_on_each):
    parse = parse_on_each
    alice, charlie = parse.person("alice"), parse.person("charlie")
    permissions = {"find": EVERYBODY, "count": {"pointerFields": ["owner"]}}
    parse.declare("Post", permissions, owner="Pointer _User")
    parse.create("Post", {"owner": alice.pointer})
    counts = [
        parse.get("/classes/Post", by, count="1", limit="0").json["count"]
        for by in (alice, charlie, MASTER)
    ]
    assert counts == [1, 0, 1]


def test_nobody_adds_columns_to_what_does_not_point_to_him(parse):
    alice, charlie = parse.person("alice"), parse.person("charlie")
    permissions = {"update": EVERYBODY, "addField": {"pointerFields": ["owner"]}}
    parse.declare("Post", permissions, owner="Pointer _User", n="Number")
    path = f"/classes/Post/{parse.create('Post', {'owner': alice.pointer})}"
    assert outcome(parse.put(path, {"extra": 1}, charlie)) == (404, 101)
    assert parse.put(path, {"n": 1}, charlie).status_code == 200
    assert parse.put(path, {"extra": 1}, alice).status_code == 200


def test_nobody_adds_columns_where_the_class_says_no(parse):
    parse.declare("Post", {"create": EVERYBODY, "addField": {}}, n="Number")
    assert outcome(parse.post("/classes/Post", {"n": 1, "extra": 1})) == (400, 119)
    assert outcome(parse.post("/classes/Post", {"n": 1, "o.p": 1})) == (400, 105)
    assert "extra" not in parse.services.schemas.find("Post").columns
    assert parse.post("/classes/Post", {"n": 1}).status_code == 201


# --- ACLs -----------------------------------------------------------------------------------------


def test_acls_decide_who_reads_and_writes(parse_on_each):
    parse = parse_on_each
    alice, bob, charlie = (parse.person(name) for name in ("alice", "bob", "charlie"))
    role = {"name": "Moderators", "ACL": {}, "users": relate(bob.pointer)}
    parse.create("_Role", role)
    acl = {alice.id: {"read": True, "write": True}, "role:Moderators": {"read": True}}
    path = f"/classes/Post/{parse.create('Post', {'n': 1, 'ACL': acl})}"
    reads = [parse.get(path, by).status_code for by in (alice, bob, charlie, None, MASTER)]
    assert reads == [200, 200, 404, 404, 200]
    writes = [parse.put(path, {"n": 2}, by).status_code for by in (bob, charlie, None, alice)]
    assert writes == [404, 404, 404, 200]
    assert outcome(parse.delete(path, bob)) == (404, 101)
    assert [len(parse.find("Post", by=by)) for by in (alice, bob, charlie)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("acl", "readers", "writers"),
    [
        (None, 2, 2),
        ({}, 0, 0),
        ({"*": {"read": True}}, 2, 0),
        ({"*": {"write": True}}, 0, 2),
        ({"role:*": {"read": True}}, 0, 0),
    ],
)
def test_an_acl_may_name_everybody_or_nobody(parse_on_each, acl, readers, writers):
    parse = parse_on_each
    alice = parse.person("alice")
    body = {"n": 1} if acl is None else {"n": 1, "ACL": acl}
    path = f"/classes/Post/{parse.create('Post', body)}"
    assert sum(parse.get(path, by).status_code == 200 for by in (alice, None)) == readers
    assert sum(parse.put(path, {"n": 2}, by).status_code == 200 for by in (alice, None)) == writers


def test_who_may_write_but_not_read_learns_nothing_but_the_time(parse):
    path = f"/classes/Post/{parse.create('Post', {'n': 1, 'ACL': {'*': {'write': True}}})}"
    assert parse.put(path, {"n": 2}).json.keys() == {"updatedAt"}


# --- columns that not everybody sees --------------------------------------------------------------


@pytest.mark.parametrize(
    ("protected", "hidden_from_alice", "hidden_from_bob"),
    [
        ({"*": ["a", "b"]}, {"a", "b"}, {"a", "b"}),
        ({"*": ["a"], "role:Moderators": []}, {"a"}, set()),
        ({"*": ["a", "b"], "alice": ["b"]}, {"b"}, {"a", "b"}),
        ({"authenticated": ["a"]}, {"a"}, {"a"}),
        ({"*": ["a"], "authenticated": ["b"]}, set(), set()),
        ({"role:Moderators": ["a"]}, set(), {"a"}),
        ({}, set(), set()),
    ],
)
def test_protected_columns_of_all_principals_are_intersected(
    protected, hidden_from_alice, hidden_from_bob
):
    schema = post(protectedFields=protected)
    assert protected_columns(ALICE, schema) == hidden_from_alice
    assert protected_columns(BOB, schema) == hidden_from_bob
    assert protected_columns(OWNER, schema) == set()


@pytest.mark.parametrize("stored", [None, {}, {"protectedFields": {}}, {"find": {"*": True}}])
def test_stored_permissions_never_bare_the_emails(stored):
    assert protected_columns(ALICE, ClassSchema("_User", permissions=stored)) == {"email"}


def test_stored_protection_of_users_adds_to_the_emails():
    schema = ClassSchema("_User", permissions={"protectedFields": {"*": ["phone"]}})
    assert protected_columns(ALICE, schema) == {"email", "phone"}


def test_a_user_sees_the_own_row_whole_but_for_the_token():
    linked = {"anonymous": {"id": "1"}}
    row = {"objectId": "alice", "email": "a@b", "authData": linked, "sessionToken": "r:1", "n": 1}
    users = ClassSchema("_User")
    assert visible(ALICE, users, row).keys() == {"objectId", "email", "authData", "n"}
    assert visible(BOB, users, row).keys() == {"objectId", "n"}
    assert visible(OWNER, users, row).keys() == {"objectId", "email", "authData", "n"}
    assert "authData" not in visible(ALICE, users, {**row, "authData": {}})


@pytest.fixture
def secrets(parse):
    """Posts with a secret, and who has got one of them."""
    everything = dict.fromkeys([*OPERATIONS, "addField"], EVERYBODY)
    hidden = {"protectedFields": {"*": ["hidden", "friends"]}}
    parse.declare(
        "Post", everything | hidden, hidden="Number", meta="Object", friends="Relation _User"
    )
    parse.create("Post", {"hidden": 5})
    return parse


@pytest.mark.parametrize(
    "where",
    [
        {"hidden": 5},
        {"hidden": {"$gt": 1}},
        {"hidden": {"$exists": True}},
        {"hidden.x": 1},
        {"$or": [{"hidden": 5}, {"n": 1}]},
        {"$and": [{"$nor": [{"hidden": 5}]}]},
        {"friends": pointer("_User", "x")},
        {"objectId": {"$ne": "x"}, "hidden": {"$in": [5]}},
        {"n": {"$select": {"query": {"className": "Post", "where": {"hidden": 5}}, "key": "n"}}},
        {"n": {"$inQuery": {"className": "Post", "where": {"$or": [{"hidden": 5}]}}}},
    ],
)
def test_nobody_searches_by_a_protected_column(secrets, where):
    answer = secrets.get("/classes/Post", where=where)
    assert answer.json["code"] == 119
    assert answer.json["error"].startswith("This user is not allowed to query ")
    assert secrets.get("/classes/Post", where=where, count="1", limit="0").json["code"] == 119
    assert secrets.get("/classes/Post", MASTER, where=where).status_code == 200


@pytest.mark.parametrize("order", ["hidden", "-hidden", "createdAt,hidden", "hidden.x"])
def test_nobody_sorts_by_a_protected_column(secrets, order):
    assert secrets.get("/classes/Post", order=order).json["code"] == 119


@pytest.mark.parametrize("keys", ["hidden", "hidden,n", "hidden.x"])
def test_nobody_selects_a_protected_column(secrets, keys):
    assert all("hidden" not in row for row in secrets.find("Post", keys=keys))


def test_a_protected_column_is_no_source_of_select(secrets):
    query = {"query": {"className": "Post", "where": {}}, "key": "hidden"}
    secrets.create("Post", {"n": 5})
    assert secrets.find("Post", {"n": {"$select": query}}) == []
    assert len(secrets.find("Post", {"n": {"$select": query}}, by=MASTER)) == 1


def test_a_protected_column_is_no_result_of_an_operation(secrets):
    path = f"/classes/Post/{secrets.find('Post')[0]['objectId']}"
    nothing = {"hidden": {"__op": "Increment", "amount": 0}}
    assert secrets.put(path, nothing).json.keys() == {"updatedAt"}
    assert secrets.put(path, nothing, MASTER).json["hidden"] == 5


def test_a_protected_relation_tells_nobody_its_members(secrets):
    alice = secrets.person("alice")
    post_id = secrets.create("Post", {"friends": relate(alice.pointer)})
    where = {"$relatedTo": {"object": pointer("Post", post_id), "key": "friends"}}
    assert secrets.get("/users", alice, where=where).json["code"] == 119
    assert len(secrets.find("_User", where, by=MASTER)) == 1


@pytest.fixture
def owned(parse_on_each):
    """Posts of alice and of a team of hers and bob's, with what is hidden from all but them."""
    parse = parse_on_each
    parse.alice, parse.bob = parse.person("alice"), parse.person("bob")
    hidden = {
        "*": ["secret", "price"],
        "userField:owner": ["price"],
        "userField:team": ["secret"],
    }
    parse.declare(
        "Post",
        {**dict.fromkeys(OPERATIONS, EVERYBODY), "protectedFields": hidden},
        n="Number", secret="String", price="Number", owner="Pointer _User", team="Array",
    )  # fmt: skip
    alice, bob = parse.alice.pointer, parse.bob.pointer
    parse.create("Post", {"n": 1, "secret": "s", "price": 5, "owner": alice})
    parse.create("Post", {"n": 2, "secret": "s", "price": 5, "team": [alice, bob, "x"]})
    parse.create("Post", {"n": 3, "secret": "s", "price": 5, "owner": bob, "team": [bob]})
    return parse


def shown(posts, by=None, **params):
    """What is seen of the hidden columns of each post, in order."""
    rows = posts.find("Post", by=by, order="n", **params)
    return [{name for name in ("secret", "price") if name in row} for row in rows]


def test_whom_an_object_points_to_sees_more_of_it(owned):
    assert shown(owned) == [set(), set(), set()]
    assert shown(owned, owned.alice) == [{"secret"}, {"price"}, set()]
    assert shown(owned, owned.bob) == [set(), {"price"}, {"secret", "price"}]
    assert shown(owned, MASTER) == [{"secret", "price"}] * 3


def test_keys_need_not_name_the_column_that_points(owned):
    rows = owned.find("Post", by=owned.alice, order="n", keys="secret,price")
    assert [row.get("secret") for row in rows] == ["s", None, None]
    assert not any("owner" in row or "team" in row for row in rows)
    path = f"/classes/Post/{rows[0]['objectId']}"
    assert "secret" in owned.get(path, owned.alice, keys="secret").json
    assert "secret" not in owned.get(path, owned.bob, keys="secret").json


def test_an_included_object_shows_what_the_object_itself_does(owned):
    post_ids = [row["objectId"] for row in owned.find("Post", order="n")]
    for post_id in post_ids:
        owned.create("Comment", {"post": pointer("Post", post_id)})
    rows = owned.find("Comment", by=owned.alice, include="post", order="createdAt")
    assert ["secret" in row["post"] for row in rows] == [True, False, False]


def test_who_sees_more_of_some_objects_searches_by_no_more(owned):
    for where in [{"secret": "s"}, {"owner": owned.alice.pointer, "secret": {"$regex": "^s"}}]:
        assert owned.get("/classes/Post", owned.alice, where=where).json["code"] == 119
    answer = owned.get("/classes/Post", owned.alice, order="secret")
    assert error(answer) == (119, "This user is not allowed to sort by secret on class Post")


def test_a_subquery_selects_only_what_the_caller_sees(owned):
    owned.create("Price", {"amount": 5})
    for number in (1, 3):
        query = {"query": {"className": "Post", "where": {"n": number}}, "key": "price"}
        found = owned.find("Price", {"amount": {"$select": query}}, by=owned.bob)
        assert len(found) == (number == 3)


def test_an_entry_by_a_pointing_column_shows_nothing_alone():
    schema = post(protectedFields={"userField:owner": ["a"]})
    row = {"objectId": "p", "a": 1, "owner": Pointer("_User", "alice")}
    assert visible(ALICE, schema, row) == row
    assert visible(BOB, schema, row) == row


@pytest.mark.parametrize("owner", ["alice", Pointer("Other", "alice"), [["x"]], {}, None])
def test_only_a_pointer_to_the_user_shows_more(owner):
    schema = post(protectedFields={"*": ["a"], "userField:owner": []})
    assert "a" not in visible(ALICE, schema, {"objectId": "p", "a": 1, "owner": owner})


def test_a_user_searches_the_own_row_by_what_is_hidden_from_others(parse):
    alice, bob = parse.person("alice", email="a@example.com"), parse.person("bob")
    mine = {"objectId": alice.id, "email": "a@example.com"}
    assert len(parse.find("_User", mine, by=alice, order="email")) == 1
    for where in [mine, {"$or": [mine]}, {"objectId": {"$in": [alice.id]}, "email": "x"}]:
        assert parse.get("/users", bob, where=where).json["code"] == 119


PROBES = [
    {"hidden": {"$regex": "^5"}},
    {"hidden.x": {"$regex": "^5"}},
    {"hidden": {"$nearSphere": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}}},
    {"hidden": {"$all": [5]}},
    {"hidden": {"$containedBy": [5]}},
    {"$nor": [{"$and": [{"hidden": {"$ne": 5}}]}]},
    {"n": {"$dontSelect": {"query": {"className": "Post", "where": {"hidden": 5}}, "key": "n"}}},
    {"n": {"$notInQuery": {"className": "Post", "where": {"$nor": [{"hidden": 5}]}}}},
]


@pytest.mark.parametrize("where", PROBES)
@pytest.mark.parametrize("params", [{}, {"count": "1", "limit": "0"}, {"keys": "n"}])
def test_no_operator_is_a_way_around(secrets, where, params):
    assert secrets.get("/classes/Post", where=where, **params).json["code"] == 119


def test_a_redirection_protects_the_columns_of_its_target(secrets):
    secrets.declare("Blog", posts="Relation Post")
    for params in [{"where": {"hidden": 5}}, {"order": "hidden"}]:
        answer = secrets.get("/classes/Blog", redirectClassNameForKey="posts", **params)
        assert answer.json["code"] == 119
    rows = secrets.find("Blog", redirectClassNameForKey="posts")
    assert rows
    assert not any("hidden" in row for row in rows)


def test_an_include_does_not_follow_a_protected_pointer(parse):
    everything = dict.fromkeys([*OPERATIONS, "addField"], EVERYBODY)
    protected = {"protectedFields": {"*": ["author"]}}
    parse.declare("Note", everything | protected, author="Pointer Author")
    author = pointer("Author", parse.create("Author", {"name": "ann"}))
    note_id = parse.create("Note", {"author": author})
    for params in [{"include": "author"}, {"keys": "author.name"}, {"includeAll": "true"}]:
        assert all("author" not in row for row in parse.find("Note", **params))
        assert "author" not in parse.get(f"/classes/Note/{note_id}", include="author").json


# --- joining --------------------------------------------------------------------------------------


def test_both_leaves_out_what_always_holds():
    condition = Equals("n", 1)
    assert both(EVERYTHING, condition, EVERYTHING) == condition
    assert both(EVERYTHING) == EVERYTHING
