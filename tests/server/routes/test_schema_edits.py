"""POST, PUT and DELETE /schemas, and /purge: classes made, changed, taken away and emptied."""

import time

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome, pointer, relate

from cloud.clock import utc_now
from server.objects.schemas import Schemas
from server.storage.port import Equals, Exists, Query

DELETE = {"__op": "Delete"}
EVERYBODY = {"*": True}


def classes(parse):
    return {one["className"] for one in parse.get("/schemas", MASTER).json["results"]}


def test_a_class_is_made_with_all_that_belongs_to_it(parse_on_each):
    parse = parse_on_each
    answer = parse.post(
        "/schemas/Post",
        {
            "className": "Post",
            "fields": {
                "title": {"type": "String", "required": True},
                "n": {"type": "Number", "defaultValue": 7},
                "owner": {"type": "Pointer", "targetClass": "_User"},
                "likes": {"type": "Relation", "targetClass": "_User"},
            },
            "classLevelPermissions": {"find": EVERYBODY, "create": EVERYBODY},
            "indexes": {"by_title": {"title": 1, "_p_owner": -1}},
        },
        MASTER,
    )
    assert answer.status_code == 200
    assert answer.json["className"] == "Post"
    assert answer.json["fields"]["title"] == {"type": "String", "required": True}
    assert answer.json["fields"]["likes"] == {"type": "Relation", "targetClass": "_User"}
    assert answer.json["fields"]["ACL"] == {"type": "ACL"}
    permissions = answer.json["classLevelPermissions"]
    assert (permissions["find"], permissions["get"]) == (EVERYBODY, {})
    indexes = {"_id_": {"_id": 1}, "by_title": {"title": 1, "_p_owner": -1}}
    assert answer.json["indexes"] == indexes
    assert parse.get("/schemas/Post", MASTER).json == answer.json
    assert error(parse.post("/classes/Post", {})) == (142, "title is required")
    object_id = parse.post("/classes/Post", {"title": "x"}).json["objectId"]
    assert parse.find("Post")[0]["n"] == 7
    assert outcome(parse.get(f"/classes/Post/{object_id}")) == (400, 119)


def test_a_class_without_permissions_is_open(parse):
    assert parse.post("/schemas", {"className": "Post"}, MASTER).status_code == 200
    assert "indexes" not in parse.get("/schemas/Post", MASTER).json
    assert parse.post("/classes/Post", {"n": 1}).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("/schemas/_User", {}, 103, "Class _User already exists."),
        ("/schemas/Old", {}, 103, "Class Old already exists."),
        ("/schemas/A", {"className": "B"}, 103, "Class name mismatch between B and A."),
        ("/schemas", {}, 135, "POST /schemas needs a class name."),
        (
            "/schemas/bad-name",
            {},
            103,
            "Invalid classname: bad-name, classnames can only have alphanumeric characters and _, "
            "and must start with an alpha character ",
        ),
        ("/schemas/A", {"fields": {"x": {"type": "Nope"}}}, 111, "invalid field type: Nope"),
        (
            "/schemas/A",
            {"classLevelPermissions": {"dance": {}}},
            107,
            "dance is not a valid operation for class level permissions",
        ),
        (
            "/schemas/A",
            {"indexes": {"x": {"never": 1}}},
            102,
            "Field never does not exist, cannot add index.",
        ),
    ],
)
def test_a_class_that_cannot_be_made(parse, path, body, code, message):
    parse.create("Old")
    answer = parse.post(path, body, MASTER)
    assert (answer.status_code, *error(answer)) == (400, code, message)
    assert not {"A", "B"} & classes(parse)


@pytest.mark.parametrize("name", ["_Join:users:_Role", "_GlobalConfig", "_Hooks", "$cmd", "1a"])
def test_a_name_of_the_servers_own_is_no_class_name(parse, name):
    assert outcome(parse.post(f"/schemas/{name}", {}, MASTER)) == (400, 103)
    assert outcome(parse.delete(f"/schemas/{name}", MASTER)) == (400, 103)


def test_the_class_of_images_can_be_made_as_a_parse_server_would(parse):
    """A set-up script makes UserImage, though the first save of anything makes it as well."""
    parse.create("Anything")
    fields = {"image": {"type": "File"}, "isSafe": {"type": "Boolean"}, "n": {"type": "Number"}}
    answer = parse.post("/schemas/UserImage", {"fields": fields}, MASTER)
    assert answer.status_code == 200
    assert answer.json["fields"]["n"] == {"type": "Number"}
    again = parse.post("/schemas/UserImage", {"fields": fields}, MASTER)
    assert error(again) == (103, "Class UserImage already exists.")


def test_the_class_of_images_cannot_be_made_of_other_types(parse):
    answer = parse.post("/schemas/UserImage", {"fields": {"image": {"type": "String"}}}, MASTER)
    assert error(answer) == (255, "Field image exists, cannot update.")


def test_columns_are_added_changed_and_deleted(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    rows = [parse.create("Post", {"n": 1, "o": alice.pointer, "s": "x"}) for _ in range(3)]
    parse.put(f"/classes/Post/{rows[0]}", {"likes": relate(alice.pointer)}, MASTER)
    fields = {
        "n": {"type": "Number", "required": True},
        "o": DELETE,
        "likes": DELETE,
        "new": {"type": "Date"},
    }
    answer = parse.put("/schemas/Post", {"fields": fields}, MASTER)
    assert answer.status_code == 200
    shown = answer.json["fields"]
    assert shown["n"] == {"type": "Number", "required": True}
    assert shown["new"] == {"type": "Date"}
    assert not {"o", "likes"} & shown.keys()
    assert all(row.keys() == {"objectId", "createdAt", "updatedAt", "n", "s"}
               for row in parse.find("Post"))  # fmt: skip
    # The names are free for other types, and nothing of the old is left.
    back = {"o": {"type": "Number"}, "likes": {"type": "Relation", "targetClass": "_User"}}
    assert parse.put("/schemas/Post", {"fields": back}, MASTER).status_code == 200
    related = {"$relatedTo": {"object": pointer("Post", rows[0]), "key": "likes"}}
    assert parse.find("_User", related, MASTER) == []
    assert "o" not in parse.find("Post")[0]


def test_a_column_is_deleted_from_very_many_objects(parse_on_each):
    parse = parse_on_each
    parse.declare("Post", n="Number", s="String")
    schema, objects = parse.services.schemas.find("Post"), parse.services.database.objects
    now = utc_now()
    for number in range(230):
        row = {"objectId": f"id{number:04}", "createdAt": now, "updatedAt": now, "s": "x"}
        objects.insert(schema, row | ({"n": number} if number % 3 else {}))
    assert parse.put("/schemas/Post", {"fields": {"n": DELETE}}, MASTER).status_code == 200
    assert len(objects.find(schema, Query())) == 230
    assert objects.find(schema, Query(Exists("n", exists=True))) == []
    assert objects.count(schema, Equals("s", "x")) == 230


def test_options_are_replaced_and_other_columns_keep_theirs(parse_on_each):
    parse = parse_on_each
    fields = {
        "a": {"type": "String", "required": True, "defaultValue": "x"},
        "b": {"type": "Object", "defaultValue": {"k": [1]}},
    }
    parse.post("/schemas/Post", {"fields": fields}, MASTER)
    parse.put("/schemas/Post", {"fields": {"a": {"type": "String"}}}, MASTER)
    shown = parse.get("/schemas/Post", MASTER).json["fields"]
    assert (shown["a"], shown["b"]) == ({"type": "String"}, fields["b"])
    parse.put("/schemas/Post", {"fields": {"b": DELETE}}, MASTER)
    parse.put("/schemas/Post", {"fields": {"b": {"type": "Object"}}}, MASTER)
    assert parse.get("/schemas/Post", MASTER).json["fields"]["b"] == {"type": "Object"}


def test_permissions_are_replaced_and_hold_at_once(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    parse.create("Post", {"owner": alice.pointer, "secret": 1})
    permissions = {
        "find": {"pointerFields": ["owner"]},
        "count": {},
        "protectedFields": {"*": ["secret"]},
    }
    assert parse.put("/schemas/Post", {"classLevelPermissions": permissions}, MASTER)
    assert [row.keys() & {"secret", "owner"} for row in parse.find("Post", by=alice)] == [{"owner"}]
    assert parse.find("Post", by=bob) == []
    assert outcome(parse.post("/classes/Post", {}, alice)) == (400, 119)
    parse.put("/schemas/Post", {"fields": {"more": {"type": "String"}}}, MASTER)
    assert parse.find("Post", by=bob) == []
    parse.put("/schemas/Post", {"classLevelPermissions": {"find": {bob.id: True}}}, MASTER)
    assert [row["secret"] for row in parse.find("Post", by=bob)] == [1]
    assert outcome(parse.get("/classes/Post", alice)) == (400, 119)


def test_new_objects_get_the_acl_of_their_class(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    acl = {"currentUser": {"read": True, "write": True}, "role:Mods": {"read": True}}
    everything = dict.fromkeys(("find", "get", "create", "update", "addField"), EVERYBODY)
    asked = {
        "fields": {"n": {"type": "Number"}},
        "classLevelPermissions": {**everything, "ACL": acl},
    }
    shown = parse.post("/schemas/Note", asked, MASTER).json["classLevelPermissions"]
    assert shown["ACL"] == acl
    own = {alice.id: {"read": True, "write": True}, "role:Mods": {"read": True}}
    answer = parse.post("/classes/Note", {"n": 1}, alice)
    assert answer.json["ACL"] == own
    path = f"/classes/Note/{answer.json['objectId']}"
    assert parse.get(path, alice).json["ACL"] == own
    assert outcome(parse.get(path, bob)) == (404, 101)
    assert parse.post("/classes/Note", {"n": 2}).json["ACL"] == {"role:Mods": {"read": True}}
    parse.post("/classes/Note", {"n": 3, "ACL": {"*": {"read": True}}}, alice)
    assert [row["n"] for row in parse.find("Note", by=bob)] == [3]
    assert parse.put(path, {"n": 4}, alice).status_code == 200
    assert parse.get(path, alice).json["ACL"] == own


def test_an_acl_of_a_class_that_cannot_be_read_opens_nothing(parse):
    parse.declare("Note", {"create": EVERYBODY, "ACL": {"currentUser": "all"}}, n="Number")
    assert outcome(parse.post("/classes/Note", {"n": 1})) == (400, 111)


def test_indexes_are_made_shown_and_deleted(parse_on_each):
    parse = parse_on_each
    parse.create("Post", {"n": 1, "s": "x"})
    answer = parse.put("/schemas/Post", {"indexes": {"by_n": {"n": -1, "s": 1}}}, MASTER)
    by_n = {"n": -1, "s": 1}
    assert answer.json["indexes"] == {"_id_": {"_id": 1}, "by_n": by_n}
    assert parse.find("Post", {"n": 1})
    changes = {"by_n": DELETE, "by_s": {"s": 1, "createdAt": 1}}
    answer = parse.put("/schemas/Post", {"indexes": changes}, MASTER)
    assert answer.json["indexes"].keys() == {"_id_", "by_s"}
    assert parse.get("/schemas/Post", MASTER).json["indexes"] == answer.json["indexes"]
    again = parse.put("/schemas/Post", {"indexes": {"by_n": DELETE}}, MASTER)
    assert error(again) == (102, "Index by_n does not exist, cannot delete.")


def test_the_embedded_database_says_which_indexes_it_has_not(parse):
    parse.create("Post", {"s": "x", "list": []})
    for keys in ({"s": "text"}, {"list": 1}):
        answer = parse.put("/schemas/Post", {"indexes": {"x": keys}}, MASTER)
        assert error(answer)[0] == 102
        assert "embedded database" in error(answer)[1]
    assert "indexes" not in parse.get("/schemas/Post", MASTER).json


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"fields": {"s": DELETE, "n": {"type": "String"}}}, 255),
        ({"fields": {"s": DELETE}, "classLevelPermissions": {"dance": {}}}, 107),
        ({"fields": {"s": DELETE}, "indexes": {"x": {"s": 1}}}, 102),
        ({"fields": {"s": DELETE}, "className": "Other"}, 103),
    ],
)
def test_a_change_that_is_refused_changes_nothing(parse, body, code):
    parse.create("Post", {"n": 1, "s": "x"})
    before = parse.get("/schemas/Post", MASTER).json
    assert outcome(parse.put("/schemas/Post", body, MASTER)) == (400, code)
    assert parse.get("/schemas/Post", MASTER).json == before
    assert parse.find("Post")[0]["s"] == "x"


def test_a_class_that_is_not_there_cannot_be_changed(parse):
    answer = parse.put("/schemas/Never", {"fields": {}}, MASTER)
    assert (answer.status_code, *error(answer)) == (400, 103, "Class Never does not exist.")


def test_an_empty_class_is_deleted_and_a_full_one_is_not(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    object_id = parse.create("Post", {"s": "x"})
    parse.put(f"/classes/Post/{object_id}", {"likes": relate(alice.pointer)}, MASTER)
    answer = parse.delete("/schemas/Post", MASTER)
    message = "Class Post is not empty, contains 1 objects, cannot drop schema."
    assert (answer.status_code, *error(answer)) == (400, 255, message)
    parse.delete(f"/classes/Post/{object_id}", MASTER)
    answer = parse.delete("/schemas/Post", MASTER)
    assert (answer.status_code, answer.json) == (200, {})
    assert "Post" not in classes(parse)
    assert parse.delete("/schemas/Post", MASTER).json == {}
    parse.create("Post", {"s": 1, "likes": relate(alice.pointer)})
    related = {"$relatedTo": {"object": pointer("Post", object_id), "key": "likes"}}
    assert parse.find("_User", related, MASTER) == []


def test_user_names_stay_unique_after_the_class_was_deleted(parse_on_each):
    parse = parse_on_each
    sign_up = {"username": "alice", "password": "pw"}
    assert parse.post("/users", sign_up).status_code == 201
    parse.delete("/purge/_User", MASTER)
    assert parse.delete("/schemas/_User", MASTER).status_code == 200
    assert parse.post("/users", sign_up).status_code == 201
    assert outcome(parse.post("/users", sign_up)) == (400, 202)


def test_what_the_server_needs_of_a_class_stays(parse):
    parse.create("UserImage")
    for class_name, column in [("UserImage", "image"), ("UserImage", "isSafe"), ("_User", "email")]:
        answer = parse.put(f"/schemas/{class_name}", {"fields": {column: DELETE}}, MASTER)
        assert error(answer) == (136, f"field {column} cannot be changed")
    for class_name in ("ModerationItem", "ModerationDecision", "ImageClassification"):
        asked = {"classLevelPermissions": {"find": EVERYBODY}}
        answers = [
            parse.post(f"/schemas/{class_name}", asked, MASTER),
            parse.put(f"/schemas/{class_name}", asked, MASTER),
            parse.delete(f"/schemas/{class_name}", MASTER),
            parse.delete(f"/purge/{class_name}", MASTER),
        ]
        assert {error(answer)[0] for answer in answers} <= {103, 119}
        assert error(answers[-1])[0] == 119
        assert outcome(parse.get(f"/classes/{class_name}")) == (400, 119)


def test_a_class_is_emptied(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    for _ in range(3):
        object_id = parse.create("Post", {"n": 1, "ACL": {}})
    parse.put(f"/classes/Post/{object_id}", {"likes": relate(alice.pointer)}, MASTER)
    parse.create("Other")
    answer = parse.delete("/purge/Post", MASTER)
    assert (answer.status_code, answer.json) == (200, {})
    assert parse.find("Post", by=MASTER) == []
    assert len(parse.find("Other")) == 1
    related = {"$relatedTo": {"object": pointer("Post", object_id), "key": "likes"}}
    assert parse.find("_User", related, MASTER) == []
    assert "n" in parse.get("/schemas/Post", MASTER).json["fields"]
    assert parse.delete("/purge/Never", MASTER).json == {}
    assert "Never" not in classes(parse)


def test_users_that_are_purged_are_logged_out(parse_on_each):
    parse = parse_on_each
    people = [parse.person(name) for name in ("alice", "bob")]
    assert parse.delete("/purge/_User", MASTER).json == {}
    assert [outcome(parse.get("/users/me", person)) for person in people] == [(400, 209)] * 2
    assert parse.find("_Session", by=MASTER) == []


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("POST", "/schemas/Post", "create a schema"),
        ("PUT", "/schemas/Old", "update a schema"),
        ("DELETE", "/schemas/Old", "delete a schema"),
        ("DELETE", "/purge/Old", "purge a schema"),
    ],
)
def test_only_the_master_key_writes(make_parse, method, path, what):
    parse = make_parse(read_only_master_key="readOnly")
    parse.create("Old")
    for by in (None, parse.person("alice")):
        answer = parse.call(method, path, {}, by)
        assert answer.status_code == 403
        assert answer.json == {"error": "unauthorized: master key is required"}
    reader = {**KEYS, "X-Parse-Master-Key": "readOnly"}
    answer = parse.call(method, path, {}, reader)
    assert error(answer) == (119, f"read-only masterKey isn't allowed to {what}.")
    assert "Post" not in classes(parse)
    assert len(parse.find("Old")) == 1


def test_other_processes_go_by_a_change_within_about_a_second(parse_on_each):
    parse = parse_on_each
    parse.create("Post", {"s": "x"})
    other = Schemas(parse.services.database.schemas, clients_make_classes=False)
    assert "s" in other.find("Post").columns
    parse.put("/schemas/Post", {"fields": {"s": DELETE, "n": {"type": "Number"}}}, MASTER)
    deadline = time.monotonic() + 1.5
    while "s" in other.find("Post").columns:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "n" in other.find("Post").columns
