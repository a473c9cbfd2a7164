"""GET /schemas: the classes, for the master key alone."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error

OPERATIONS = ["find", "count", "get", "create", "update", "delete", "addField"]
EVERYBODY = {operation: {"*": True} for operation in OPERATIONS}
BUILT_IN = {
    "objectId": {"type": "String"},
    "createdAt": {"type": "Date"},
    "updatedAt": {"type": "Date"},
    "ACL": {"type": "ACL"},
}


def test_a_class_shows_its_columns_and_permissions(parse_on_each):
    parse = parse_on_each
    parse.declare("Post", None, n="Number", owner="Pointer _User", likes="Relation _User")
    assert parse.get("/schemas/Post", MASTER).json == {
        "className": "Post",
        "fields": {
            **BUILT_IN,
            "n": {"type": "Number"},
            "owner": {"type": "Pointer", "targetClass": "_User"},
            "likes": {"type": "Relation", "targetClass": "_User"},
        },
        "classLevelPermissions": {**EVERYBODY, "protectedFields": {"*": []}},
    }


def test_options_and_stored_permissions_are_shown(parse):
    options = {"title": {"required": True, "defaultValue": "x"}}
    parse.declare("Post", {"find": {"role:Mods": True}}, options, title="String")
    schema = parse.get("/schemas/Post", MASTER).json
    title = {"type": "String", "required": True, "defaultValue": "x"}
    assert schema["fields"]["title"] == title
    permissions = schema["classLevelPermissions"]
    assert permissions["find"] == {"role:Mods": True}
    assert permissions["get"] == permissions["addField"] == {}


def test_users_show_the_columns_that_parse_gives_them(parse):
    fields = parse.get("/schemas/_User", MASTER).json["fields"]
    assert fields.keys() == BUILT_IN.keys() | {
        "username", "password", "email", "emailVerified", "authData",
    }  # fmt: skip


def test_all_classes_are_listed_as_they_are_now(parse):
    parse.create("Post", {"n": 1})
    results = parse.get("/schemas", MASTER).json["results"]
    by_name = {schema["className"]: schema for schema in results}
    assert by_name["Post"]["fields"]["n"] == {"type": "Number"}
    assert not any("_hashed_password" in schema["fields"] for schema in results)


def test_a_class_that_nobody_made_does_not_exist(parse):
    answer = parse.get("/schemas/Never", MASTER)
    assert (answer.status_code, *error(answer)) == (400, 103, "Class Never does not exist.")


@pytest.mark.parametrize("path", ["/schemas", "/schemas/_User", "/schemas/Never"])
def test_clients_learn_nothing(parse, path):
    alice = parse.person("alice")
    for by in (None, alice):
        answer = parse.get(path, by)
        assert answer.status_code == 403
        assert answer.json == {"error": "unauthorized: master key is required"}
    for keys in ({}, {**KEYS, "X-Parse-REST-API-Key": "wrong"}):
        answer = parse.client.get(f"/parse{path}", headers=keys)
        assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})
