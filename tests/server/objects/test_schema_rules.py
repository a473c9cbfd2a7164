"""What may be asked of a schema, with Parse Server's sentences."""

import pytest

from server.objects.schema_rules import read_columns, read_indexes, read_permissions
from server.objects.system_classes import BUILT_IN_COLUMNS, SYSTEM_CLASSES, column_types
from server.parse.errors import ParseError
from server.storage.port import ClassSchema, ColumnType

POST = ClassSchema(
    "Post", column_types(title="String", owner="Pointer _User", editors="Array", place="GeoPoint")
)
USER = SYSTEM_CLASSES["_User"]
DELETE = {"__op": "Delete"}


def refused(read, *args, **kwargs):
    with pytest.raises(ParseError) as caught:
        read(*args, **kwargs)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"title": {"type": "Number"}}, 255, "Field title exists, cannot update."),
        ({"gone": DELETE}, 255, "Field gone does not exist, cannot delete."),
        ({"objectId": DELETE}, 136, "field objectId cannot be changed"),
        ({"ACL": DELETE}, 136, "field ACL cannot be changed"),
        ({"bad-name": {"type": "String"}}, 105, "invalid field name: bad-name"),
        ({"_rperm": {"type": "Array"}}, 105, "invalid field name: _rperm"),
        ({"length": {"type": "Number"}}, 105, "invalid field name: length"),
        ({"className": {"type": "Number"}}, 105, "invalid field name: className"),
        ({"n": {"type": "Nope"}}, 111, "invalid field type: Nope"),
        ({"n": {"type": "ACL"}}, 111, "invalid field type: ACL"),
        ({"n": {}}, 107, "invalid JSON"),
        ({"n": "String"}, 107, "invalid JSON"),
        ([], 107, "invalid JSON"),
        ({"n": {"type": "Pointer"}}, 135, "type Pointer needs a class name"),
        ({"n": {"type": "Relation"}}, 135, "type Relation needs a class name"),
        ({"n": {"type": "Pointer", "targetClass": 1}}, 107, "invalid JSON"),
        (
            {"n": {"type": "Pointer", "targetClass": "1x"}},
            103,
            "Invalid classname: 1x, classnames can only have alphanumeric characters and _, and "
            "must start with an alpha character ",
        ),
        (
            {"owner": {"type": "Pointer", "targetClass": "Post"}},
            111,
            "schema mismatch for Post.owner; expected Pointer<_User> but got Pointer<Post>",
        ),
        (
            {"n": {"type": "Number", "defaultValue": "x"}},
            111,
            "schema mismatch for Post.n default value; expected Number but got String",
        ),
        (
            {"n": {"type": "Relation", "targetClass": "Post", "required": True}},
            111,
            "The 'required' option is not applicable for Relation<Post>",
        ),
        (
            {"n": {"type": "Relation", "targetClass": "Post", "defaultValue": []}},
            111,
            "The 'default value' option is not applicable for Relation<Post>",
        ),
        (
            {"here": {"type": "GeoPoint"}},
            111,
            "currently, only one GeoPoint field may exist in an object. "
            "Adding here when place already exists.",
        ),
        ({f"n{i}": {"type": "Number"} for i in range(997)}, 105, None),
        ({"n": {"type": "Object", "defaultValue": {"$a": 1}}}, 121, None),
    ],
)
def test_columns_that_cannot_be(fields, code, message):
    answer = refused(read_columns, fields, POST, kept=BUILT_IN_COLUMNS)
    assert answer[0] == code
    assert message is None or answer[1] == message


def test_columns_that_parse_defines_cannot_be_made_anew():
    fields = {"objectId": {"type": "String"}}
    answer = refused(read_columns, fields, POST, kept=BUILT_IN_COLUMNS, creating=True)
    assert answer == (136, "field objectId cannot be added")
    kept = {**BUILT_IN_COLUMNS, **USER.columns}
    answer = refused(read_columns, {"email": DELETE}, USER, kept=kept)
    assert answer == (136, "field email cannot be changed")


def test_columns_are_added_deleted_and_given_options():
    edits = read_columns(
        {
            "title": {"type": "String", "required": True, "defaultValue": "x"},
            "createdAt": {"type": "Date"},
            "place": DELETE,
            "here": {"type": "GeoPoint"},
            "likes": {"type": "Relation", "targetClass": "_User"},
            "when": {
                "type": "Date",
                "defaultValue": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
            },
        },
        POST,
        kept=BUILT_IN_COLUMNS,
    )
    assert edits.deleted == ["place"]
    assert edits.added == column_types(here="GeoPoint", likes="Relation _User", when="Date")
    assert edits.options["title"] == {"required": True, "defaultValue": "x"}
    assert edits.options["here"] == {}
    assert edits.options["when"]["defaultValue"]["__type"] == "Date"


@pytest.mark.parametrize(
    ("permissions", "message"),
    [
        ({"dance": {}}, "dance is not a valid operation for class level permissions"),
        (
            {"find": "yes"},
            "'yes' is not a valid value for class level permissions find - must be an object",
        ),
        (
            {"find": None},
            "'null' is not a valid value for class level permissions find - must be an object",
        ),
        (
            {"find": {"*": "yes"}},
            "'yes' is not a valid value for class level permissions find:*:yes",
        ),
        (
            {"get": {"*": False}},
            "'false' is not a valid value for class level permissions get:*:false",
        ),
        ({"get": {"a b": True}}, "'a b' is not a valid key for class level permissions"),
        ({"get": {"": True}}, "'' is not a valid key for class level permissions"),
        (
            {"readUserFields": {"owner": True}},
            "'[object Object]' is not a valid value for class level permissions readUserFields - "
            "must be an array",
        ),
        (
            {"readUserFields": ["title"]},
            "'title' is not a valid column for class level pointer permissions readUserFields",
        ),
        (
            {"writeUserFields": [None]},
            "'null' is not a valid column for class level pointer permissions writeUserFields",
        ),
        (
            {"update": {"pointerFields": "owner"}},
            "'owner' is not a valid value for update[pointerFields] - expected an array.",
        ),
        (
            {"update": {"pointerFields": ["never"]}},
            "'never' is not a valid column for class level pointer permissions update",
        ),
        (
            {"protectedFields": {"*": "title"}},
            "'title' is not a valid value for protectedFields[*] - expected an array.",
        ),
        (
            {"protectedFields": {"some one": []}},
            "'some one' is not a valid key for class level permissions",
        ),
        (
            {"protectedFields": {"*": ["createdAt"]}},
            "Default field 'createdAt' can not be protected",
        ),
        (
            {"protectedFields": {"*": ["never"]}},
            "Field 'never' in protectedFields:* does not exist",
        ),
        (
            {"protectedFields": {"*": [["title"]]}},
            "Field 'title' in protectedFields:* does not exist",
        ),
        (
            {"ACL": {"*": True}},
            "'true' is not a valid value for class level permissions acl",
        ),
        (
            {"ACL": {"*": {"read": True, "dance": True}}},
            "'dance' is not a valid key for class level permissions acl",
        ),
        (
            {"ACL": {"currentUser": {"read": "yes"}}},
            "'yes' is not a valid value for class level permissions acl",
        ),
        ({"ACL": {"a b": {}}}, "'a b' is not a valid key for class level permissions"),
        (None, "invalid JSON"),
    ],
)
def test_permissions_that_cannot_be(permissions, message):
    assert refused(read_permissions, permissions, POST.columns) == (107, message)


def test_every_kind_of_permission_is_read():
    permissions = {
        "find": {"*": True, "requiresAuthentication": True},
        "get": {"role:Mods and more": True, "abc123": True},
        "update": {"pointerFields": ["owner", "editors"]},
        "create": {},
        "ACL": {"currentUser": {"read": True, "write": True}, "role:Mods": {"read": True}},
        "readUserFields": ["owner"],
        "writeUserFields": ["editors"],
        "protectedFields": {
            "*": ["title"], "authenticated": [], "role:Mods": [], "userField:owner": [], "abc": [],
        },
    }  # fmt: skip
    assert read_permissions(permissions, POST.columns) == permissions


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ({"by": {"title": 1}}, "Index by exists, cannot update."),
        ({"gone": DELETE}, "Index gone does not exist, cannot delete."),
        ({"ours": DELETE}, "Index ours is the server's own, cannot delete."),
        ({"x": {"never": 1}}, "Field never does not exist, cannot add index."),
        ({"x": {"ACL": 1}}, "Field ACL does not exist, cannot add index."),
        ({"x": {"title": 2}}, "Index x has a kind that there is not."),
        ({"x": {"title": True}}, "Index x has a kind that there is not."),
        ({"x": {}}, "Index x has no fields."),
        ({'x"; DROP': {"title": 1}}, 'Index x"; DROP cannot be called this.'),
        ({f"x{i}": {"title": 1} for i in range(49)}, "Post would have more than 50 indexes"),
    ],
)
def test_indexes_that_cannot_be(indexes, message):
    schema = ClassSchema("Post", POST.columns, indexes={"by": {"title": 1}, "ours": {"title": -1}})
    assert refused(read_indexes, indexes, schema, kept=["ours"]) == (102, message)


def test_the_index_of_ids_is_named_and_stays():
    edits = read_indexes({"x": {"title": 1.0, "_p_owner": -1}}, POST, kept=())
    assert edits.all == {"_id_": {"_id": 1}, "x": {"title": 1, "_p_owner": -1}}
    message = "Index _id_ is the server's own, cannot delete."
    assert refused(read_indexes, {"_id_": DELETE}, POST, kept=()) == (102, message)


def test_a_column_of_another_target_is_another():
    fields = {"owner": {"type": "Pointer", "targetClass": "_User"}}
    assert read_columns(fields, POST, kept={}).added == {}
    assert POST.columns["owner"] == ColumnType("Pointer", "_User")
