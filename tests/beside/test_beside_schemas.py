"""Classes that one server declares, permissions included, are the other's too."""

from parse_client import code, pointer

EVERYBODY = {"*": True}
OPEN = dict.fromkeys(("find", "count", "get", "create", "update", "delete", "addField"), EVERYBODY)


def declare(client, class_name, permissions=None, **fields):
    """Make a class through /schemas: `declare(client, "Post", n="Number")`."""
    columns = {}
    for name, kind in fields.items():
        type_name, _, target = kind.partition(" ")
        columns[name] = {"type": type_name} | ({"targetClass": target} if target else {})
    body = {"className": class_name, "fields": columns}
    if permissions is not None:
        body["classLevelPermissions"] = permissions
    client.done("POST", f"/schemas/{class_name}", body)


def plain(schema):
    """A schema without what Parse Server 8 added, the ACL of new objects."""
    rights = schema["classLevelPermissions"]
    kept = {name: right for name, right in rights.items() if name != "ACL"}
    return {**schema, "classLevelPermissions": kept}


COLUMNS = {
    "text": "String", "number": "Number", "yes": "Boolean", "moment": "Date", "object": "Object",
    "list": "Array", "place": "GeoPoint", "file": "File", "bytes": "Bytes", "area": "Polygon",
    "owner": "Pointer _User", "tags": "Relation Tag",
}  # fmt: skip


def test_class_that_one_declares_is_the_same_to_both(writer, reader, fresh):
    declare(writer, fresh("Thing"), **COLUMNS)
    schemas = [client.read_schemas()[fresh("Thing")] for client in (writer, reader)]
    assert plain(schemas[0]) == plain(schemas[1])
    refused = reader.call("POST", f"/classes/{fresh('Thing')}", {"number": "text"})
    assert code(refused) == (400, 111)


def test_index_that_one_declares_is_known_to_both(writer, reader, fresh):
    fields, indexes = {"n": {"type": "Number"}}, {"by_n": {"n": 1}}
    body = {"className": fresh("Thing"), "fields": fields, "indexes": indexes}
    writer.done("POST", f"/schemas/{fresh('Thing')}", body)
    for client in (writer, reader):
        assert client.read_schemas()[fresh("Thing")]["indexes"].items() >= indexes.items()


def test_required_column_and_default_value_hold_on_both(writer, reader, fresh):
    fields = {
        "needed": {"type": "String", "required": True},
        "given": {"type": "Number", "defaultValue": 7},
    }
    body = {"className": fresh("Thing"), "fields": fields}
    writer.done("POST", f"/schemas/{fresh('Thing')}", body)
    reader.read_schemas()
    for client in (writer, reader):
        assert code(client.call("POST", f"/classes/{fresh('Thing')}", {"n": 1})) == (400, 142)
        thing = client.create(fresh("Thing"), {"needed": "x"})
        assert client.done("GET", f"/classes/{fresh('Thing')}/{thing}")["given"] == 7


def test_columns_that_one_adds_and_deletes_are_so_on_the_other(writer, reader, fresh):
    declare(writer, fresh("Thing"), old="Number")
    changes = {"old": {"__op": "Delete"}, "new": {"type": "String"}}
    body = {"className": fresh("Thing"), "fields": changes}
    reader.read_schemas()
    reader.done("PUT", f"/schemas/{fresh('Thing')}", body)
    fields = writer.read_schemas()[fresh("Thing")]["fields"]
    assert "old" not in fields
    assert fields["new"] == {"type": "String"}


def test_class_that_one_deletes_is_gone_from_the_other(writer, reader, fresh):
    declare(writer, fresh("Thing"), n="Number")
    assert fresh("Thing") in reader.read_schemas()
    reader.done("DELETE", f"/schemas/{fresh('Thing')}")
    assert fresh("Thing") not in writer.read_schemas()


def test_class_level_permissions_hold_on_both(writer, reader, fresh):
    _, token = writer.sign_up(fresh("alice"), "x")
    rights = {**OPEN, "create": {}, "find": {"requiresAuthentication": True}, "delete": {}}
    declare(writer, fresh("Thing"), rights, n="Number")
    reader.read_schemas()
    thing = writer.create(fresh("Thing"), {"n": 1})
    path = f"/classes/{fresh('Thing')}"
    for client in (writer, reader):
        assert code(client.call("POST", path, {"n": 2}, by=token)) == (400, 119)
        assert code(client.call("DELETE", f"{path}/{thing}", by=token)) == (400, 119)
        assert client.call("GET", path, by=None)[0] != 200
        assert [row["n"] for row in client.find(fresh("Thing"), by=token)] == [1]


def test_acl_of_new_objects_holds_on_both(writer, reader, fresh):
    alice, token = writer.sign_up(fresh("alice"), "x")
    acl = {"currentUser": {"read": True, "write": True}, "role:Mods": {"read": True}}
    declare(writer, fresh("Thing"), {**OPEN, "ACL": acl}, n="Number")
    reader.read_schemas()
    expected = {alice: {"read": True, "write": True}, "role:Mods": {"read": True}}
    for client in (writer, reader):
        thing = client.create(fresh("Thing"), {"n": 1}, by=token)
        assert reader.done("GET", f"/classes/{fresh('Thing')}/{thing}")["ACL"] == expected
        assert client.find(fresh("Thing"), by=None) == []


def test_pointer_permissions_hold_on_both(writer, reader, fresh):
    alice, alices = writer.sign_up(fresh("alice"), "x")
    _, bobs = writer.sign_up(fresh("bob"), "x")
    rights = {**OPEN, "get": {}, "find": {}, "update": {}}
    rights |= {"readUserFields": ["owner"], "writeUserFields": ["owner"]}
    declare(writer, fresh("Thing"), rights, owner="Pointer _User")
    reader.read_schemas()
    thing = writer.create(fresh("Thing"), {"owner": pointer("_User", alice)})
    for client in (writer, reader):
        assert [row["objectId"] for row in client.find(fresh("Thing"), by=alices)] == [thing]
        assert client.find(fresh("Thing"), by=bobs) == []
        path = f"/classes/{fresh('Thing')}/{thing}"
        assert client.call("PUT", path, {"n": 1}, by=alices)[0] == 200
        assert client.call("PUT", path, {"n": 2}, by=bobs)[0] != 200


def test_protected_fields_are_hidden_by_both(writer, reader, fresh):
    rights = {**OPEN, "protectedFields": {"*": ["secret"]}}
    declare(writer, fresh("Thing"), rights, secret="String", shown="String")
    reader.read_schemas()
    writer.create(fresh("Thing"), {"secret": "s", "shown": "x"})
    for client in (writer, reader):
        [row] = client.find(fresh("Thing"), by=None)
        assert row["shown"] == "x"
        assert "secret" not in row
        where = f"/classes/{fresh('Thing')}?where=%7B%22secret%22%3A%22s%22%7D"
        assert code(client.call("GET", where, by=None)) == (400, 119)
