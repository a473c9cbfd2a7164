"""What stands in MongoDB's collections, seen past our store, and what happens without MongoDB."""

import os
import socket
import threading
import time

import pytest
from bson import json_util
from mongo_commands import Commands
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure

from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Add, AddUnique, Delete, Increment, Set
from cloud.values import File, Pointer
from server.storage.mongo.database import MongoDatabase
from server.storage.mongo.errors import translated_errors
from server.storage.port import (
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    DuplicateObject,
    Equals,
    Index,
    Join,
    Matches,
    Query,
    Regex,
    SchemaChange,
)

SERVERS = ["nx", *(["mongodb"] if os.environ.get("TEST_DATABASE_URI") else [])]

STRING, NUMBER = ColumnType("String"), ColumnType("Number")
THING = ClassSchema(
    "Thing",
    {
        "text": STRING,
        "n": NUMBER,
        "image": ColumnType("File"),
        "owner": ColumnType("Pointer", "_User"),
        "tags": ColumnType("Array"),
    },
)
LIKES = Join("likes", "Thing")
CHUNK = 261_120


@pytest.fixture(params=SERVERS)
def database_uri(request, mongo_uri):
    """A new database on each MongoDB server in turn."""
    return mongo_uri(request.param, request.node.name)


@pytest.fixture
def database(database_uri):
    opened = MongoDatabase(database_uri)
    yield opened
    opened.close()


@pytest.fixture
def raw(database_uri):
    """The database as MongoDB's own driver sees it."""
    with MongoClient(database_uri, tz_aware=True) as client:
        yield client.get_default_database()


def together(count, call):
    """Run a call with 0, 1, ... at the same moment; return what each returned or raised."""
    barrier, answers = threading.Barrier(count), [None] * count

    def run(number):
        barrier.wait()
        try:
            answers[number] = call(number)
        except (ClassExists, ColumnConflict, StoreUnavailable) as error:
            answers[number] = type(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# --- objects --------------------------------------------------------------------------------------


def test_object_is_stored_and_changed_in_parse_servers_layout(database, raw):
    document = {"image": File("a.jpg"), "owner": Pointer("_User", "a"), "objectId": "abc"}
    database.objects.insert(THING, document | {"ACL": {"a": {"read": True, "write": True}}})
    row = {"image": "a.jpg", "_p_owner": "_User$a", "_id": "abc"}
    row |= {"_wperm": ["a"], "_rperm": ["a"], "_acl": {"a": {"w": True, "r": True}}}
    assert raw["Thing"].find_one() == row
    database.objects.update(
        THING,
        Equals("objectId", "abc"),
        {
            "image": Set(File("b.jpg", "http://x/")),
            "owner": Delete(),
            "tags": AddUnique((Pointer("_User", "a"),)),
            "ACL": Set({}),
        },
    )
    assert raw["Thing"].find_one() == {
        "image": "b.jpg",
        "tags": [{"__type": "Pointer", "className": "_User", "objectId": "a"}],
        "_id": "abc",
        "_wperm": [],
        "_rperm": [],
        "_acl": {},
    }


def test_object_is_made_once_by_upserts_that_race(database, raw):
    config = ClassSchema("_GlobalConfig", {"params": ColumnType("Object")})
    one = Equals("objectId", 1)
    together(
        8,
        lambda number: database.objects.update(
            config, one, {f"params.p{number}": Set(number)}, upsert=True
        ),
    )
    assert raw["_GlobalConfig"].count_documents({}) == 1
    assert len(database.objects.get(config, 1)["params"]) == 8


@pytest.mark.parametrize(
    ("change", "column"), [({"objectId": "abc"}, "objectId"), ({"text": "a"}, "text")]
)
def test_duplicate_names_its_column(database, needs, change, column):
    needs("a duplicate names its column")
    database.objects.ensure_index(THING, Index("text_1", ("text",), unique=True))
    database.objects.insert(THING, {"objectId": "abc", "text": "a"})
    with pytest.raises(DuplicateObject) as caught:
        database.objects.insert(THING, {"objectId": "xyz", "text": "b"} | change)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "operation", [{"text": Add((1,))}, {"text": Increment(1)}, {"text.a": Set(1)}]
)
def test_operation_that_does_not_fit_is_a_value_error(database, needs, operation):
    needs("an operation that does not fit what is stored is refused")
    database.objects.insert(THING, {"objectId": "abc", "text": "a"})
    with pytest.raises(ValueError, match="MongoDB: "):
        database.objects.update(THING, Equals("objectId", "abc"), operation)


@pytest.mark.parametrize(
    "value", ["\ud800", {"a\0": 1}, "x" * 17_000_000], ids=["surrogate", "NUL in a name", "17 MB"]
)
def test_value_that_bson_cannot_hold_is_a_value_error(database, value):
    with pytest.raises(ValueError, match=r"."):
        database.objects.insert(THING, {"objectId": "abc", "tags": [value]})


def test_regex_with_a_nul_is_a_value_error_or_matches_nothing(database):
    database.objects.insert(THING, {"objectId": "abc", "text": "a"})
    try:
        found = database.objects.find(THING, Query(Matches("text", Regex("a\0"))))
    except ValueError:
        found = []
    assert found == []


def test_indexes_are_those_of_parse_server(database, raw, needs):
    needs("collations of indexes are told")
    database.objects.ensure_index(THING, Index("text_1", ("text",), unique=True))
    database.objects.ensure_index(THING, Index("ci", ("image",), ignore_case=True))
    database.objects.ensure_index(THING, Index("queue", ("owner", "createdAt")))
    made = raw["Thing"].index_information()
    assert made["text_1"]["key"] == [("text", 1)]
    assert made["text_1"]["unique"]
    assert made["text_1"]["sparse"]
    assert made["ci"]["collation"]["locale"] == "en_US"
    assert made["ci"]["collation"]["strength"] == 2
    assert made["queue"]["key"] == [("_p_owner", 1), ("_created_at", 1)]
    assert not made["queue"].get("sparse")


@pytest.mark.parametrize(
    ("message", "details", "column"),
    [
        ("E11000", {"keyPattern": {"username": 1}}, "username"),
        ("E11000", {"keyPattern": {"_p_owner": 1, "n": 1}}, "owner"),
        ("E11000", {"keyPattern": {"_auth_data_x.id": 1}}, "authData.x.id"),
        ("E11000 ... collection: d.T index: _id_ dup key: { _id: 1 }", {}, "objectId"),
        ('E11000 ... collection: d.T index: email_1 dup key: { email: "a" }', {}, "email"),
        ('E11000 ... index: d._User.$username_1  dup key: { : "a" }', None, "username"),
        ("E11000", None, None),
    ],
)
def test_duplicate_names_its_column_in_every_version_of_mongodb(message, details, column):
    with pytest.raises(DuplicateObject) as caught, translated_errors():
        raise DuplicateKeyError(message, 11000, details)
    assert caught.value.column == column


# --- schemas --------------------------------------------------------------------------------------

ROW = {
    "_id": "Thing",
    "objectId": "string",
    "updatedAt": "date",
    "createdAt": "date",
    "text": "string",
    "n": "number",
    "image": "file",
    "owner": "*_User",
    "tags": "array",
}


def test_schema_is_stored_as_parse_server_does(database, raw):
    database.schemas.create(THING)
    assert json_util.dumps(raw["_SCHEMA"].find_one()) == json_util.dumps(ROW)
    database.schemas.add_columns("Thing", {"likes": ColumnType("Relation", "_User")})
    assert raw["_SCHEMA"].find_one() == ROW | {"likes": "relation<_User>"}
    assert database.schemas.all() == [
        ClassSchema("Thing", {**THING.columns, "likes": ColumnType("Relation", "_User")})
    ]


def test_permissions_and_options_stand_in_the_metadata(database, raw, needs):
    needs("names with dots inside objects")
    permissions = {"find": {"*": True}, "get": {"role:a.b": True}, "protectedFields": {"*": []}}
    schema = ClassSchema("Thing", {"n": NUMBER}, permissions, {"n": {"required": True}})
    database.schemas.create(schema)
    metadata = {"fields_options": {"n": {"required": True}}, "class_permissions": permissions}
    assert raw["_SCHEMA"].find_one()["_metadata"] == metadata
    assert database.schemas.all() == [schema]


def test_changes_of_a_schema_are_stored_as_parse_server_does(database, raw, needs):
    needs("names with dots inside objects")
    columns = {"n": NUMBER, "owner": ColumnType("Pointer", "_User")}
    options = {"n": {"required": True}, "owner": {"required": True}}
    database.schemas.create(ClassSchema("Thing", columns, {"find": {}}, options))
    permissions, indexes = {"get": {"role:a.b": True}}, {"by_owner": {"_p_owner": 1}}
    database.schemas.change(
        "Thing",
        SchemaChange(("n",), {"owner": {"defaultValue": None}}, permissions, indexes),
    )
    row = raw["_SCHEMA"].find_one()
    assert row.keys() == {"_id", "objectId", "createdAt", "updatedAt", "owner", "_metadata"}
    assert row["_metadata"] == {
        "class_permissions": permissions,
        "fields_options": {"owner": {"defaultValue": None}},
        "indexes": indexes,
    }
    database.schemas.drop("Thing")
    assert raw["_SCHEMA"].find_one() is None


def test_old_schema_rows_are_read(database, raw):
    raw["_SCHEMA"].insert_one(
        {
            "_id": "Old",
            "createdAt": "string",
            "updatedAt": "string",
            "o": "map",
            "odd": "unheard-of",
            "odder": {"type": "string"},
            "_client_permissions": {"get": True},
            "_metadata": {"indexes": {"_id_": {"_id": 1}}},
        }
    )
    indexes = {"_id_": {"_id": 1}}
    old = ClassSchema("Old", {"o": ColumnType("Object")}, indexes=indexes)
    assert database.schemas.all() == [old]
    database.schemas.add_columns("Old", {"o": ColumnType("Object")})


def test_mongodb_is_told_when_to_stop(database_uri):
    commands = Commands()
    database = MongoDatabase(database_uri)
    where = Matches("text", Regex("(a|b)*c"))
    database.objects.find(THING, Query(where))
    database.objects.count(THING, where)
    database.objects.update(THING, where, {"n": Set(1)})
    database.objects.delete(THING, where)
    names = [next(iter(command)) for command in commands.sent]
    assert names == ["find", "aggregate", "findAndModify", "delete"]
    assert all(0 < command["maxTimeMS"] <= 2000 for command in commands.sent)
    database.close()


def test_an_index_that_was_asked_for_is_made_as_parse_server_does(database_uri):
    commands = Commands()
    database = MongoDatabase(database_uri)
    index = Index.asked_for("by_owner", {"_p_owner": -1, "createdAt": 1})
    database.objects.ensure_index(THING, index)
    [made] = [command["indexes"] for command in commands.sent if "createIndexes" in command]
    assert made == [{"name": "by_owner", "key": {"_p_owner": -1, "_created_at": 1}}]
    database.close()


def test_class_is_made_once_by_calls_that_race(database, raw):
    answers = together(6, lambda _: database.schemas.create(THING))
    assert sorted(answers, key=str) == [ClassExists] * 5 + [None]
    assert raw["_SCHEMA"].count_documents({}) == 1


def test_column_gets_one_type_from_calls_that_race(database, raw):
    database.schemas.create(THING)
    kinds = [STRING, NUMBER, ColumnType("Boolean"), ColumnType("Pointer", "_User")] * 2
    answers = together(
        8, lambda number: database.schemas.add_columns("Thing", {"x": kinds[number]})
    )
    (schema,) = database.schemas.all()
    expected = [None if kind == schema.columns["x"] else ColumnConflict for kind in kinds]
    assert answers == expected


# --- relations ------------------------------------------------------------------------------------


def test_relation_is_rows_in_a_join_collection(database, raw):
    database.relations.add(LIKES, "a", ["1", "2"])
    database.relations.add(LIKES, "a", ["2"])
    rows = list(raw["_Join:likes:Thing"].find({}, {"_id": 0}))
    assert rows == [{"relatedId": "1", "owningId": "a"}, {"relatedId": "2", "owningId": "a"}]
    database.relations.remove(LIKES, "a", ["1", "3"])
    assert list(database.relations.all(LIKES)) == [("a", "2")]


def test_rows_that_stand_twice_count_once(database, raw):
    row = {"relatedId": "1", "owningId": "a"}
    raw["_Join:likes:Thing"].insert_many([dict(row), dict(row)])
    assert database.relations.related_ids(LIKES, ["a"]) == ["1"]
    database.relations.remove(LIKES, "a", ["1"])
    assert database.relations.related_ids(LIKES, ["a"]) == []


# --- files ----------------------------------------------------------------------------------------


def test_file_is_stored_in_gridfs_as_parse_server_does(database, raw, needs):
    needs("GridFS as collections of its own")
    data = bytes(CHUNK) + b"rest"
    database.files.put("a.jpg", data, {"k": "v"})
    (file,) = raw["fs.files"].find()
    assert {key: file[key] for key in ("filename", "length", "chunkSize", "metadata")} == {
        "filename": "a.jpg",
        "length": CHUNK + 4,
        "chunkSize": CHUNK,
        "metadata": {"k": "v"},
    }
    chunks = list(raw["fs.chunks"].find({}, {"_id": 0}).sort("n"))
    assert chunks == [
        {"files_id": file["_id"], "n": 0, "data": bytes(CHUNK)},
        {"files_id": file["_id"], "n": 1, "data": b"rest"},
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, None), (0, 1), (CHUNK - 1, CHUNK), (CHUNK, CHUNK + 1), (CHUNK - 1, CHUNK + 1),
        (CHUNK * 2, None), (CHUNK * 2 + 4, None), (CHUNK * 2 + 5, CHUNK * 3), (5, 5), (7, 3),
        (0, CHUNK * 9),
    ],
)  # fmt: skip
def test_every_part_of_a_file_can_be_read(database, start, end):
    data = bytes(range(255)) * (CHUNK * 2 // 255) + b"\xff" * (CHUNK * 2 % 255) + b"rest"
    database.files.put("a", data, {})
    assert database.files.read("a", start, end) == data[start:end]


def test_file_that_lacks_a_chunk_is_never_half_read(database, raw, needs):
    needs("GridFS as collections of its own")
    database.files.put("a", bytes(CHUNK * 3), {})
    raw["fs.chunks"].delete_one({"n": 1})
    assert database.files.read("a", 0, CHUNK) == bytes(CHUNK)
    with pytest.raises(StoreUnavailable, match="lacks chunks"):
        database.files.read("a")


# --- without MongoDB ------------------------------------------------------------------------------

CALLS = [
    lambda database: database.ping(),
    lambda database: database.objects.get(THING, "abc"),
    lambda database: database.objects.find(THING, Query()),
    lambda database: database.objects.count(THING, Query().where),
    lambda database: database.objects.insert(THING, {"objectId": "abc"}),
    lambda database: database.objects.update(THING, Equals("objectId", "a"), {"n": Set(1)}),
    lambda database: database.objects.delete(THING, Equals("objectId", "a")),
    lambda database: database.objects.ensure_index(THING, Index("text_1", ("text",))),
    lambda database: database.schemas.all(),
    lambda database: database.schemas.create(THING),
    lambda database: database.schemas.add_columns("Thing", {"n": NUMBER}),
    lambda database: database.relations.add(LIKES, "a", ["1"]),
    lambda database: database.relations.remove(LIKES, "a", ["1"]),
    lambda database: database.relations.related_ids(LIKES, ["a"]),
    lambda database: list(database.relations.all(LIKES)),
    lambda database: database.files.put("a", b"", {}),
    lambda database: database.files.stat("a"),
    lambda database: database.files.read("a"),
    lambda database: database.files.delete("a"),
    lambda database: list(database.files.names()),
]


def test_every_method_says_when_the_database_is_out_of_reach():
    with socket.socket() as reserved:  # bound but not listening: every connection is refused
        reserved.bind(("127.0.0.1", 0))
        uri = f"mongodb://127.0.0.1:{reserved.getsockname()[1]}/test?timeoutMS=50"
        database = MongoDatabase(uri)
        answers = together(len(CALLS), lambda number: CALLS[number](database))
        database.close()
    assert answers == [StoreUnavailable] * len(CALLS)


def test_ping_gives_up_after_about_a_second():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = MongoDatabase(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/test")
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            database.ping()
        assert time.monotonic() - started < 3
        database.close()


@pytest.mark.parametrize("uri", ["mongodb://", "http://x", "mongodb://[x"])
def test_uri_that_cannot_be_used_is_a_value_error(uri):
    with pytest.raises(ValueError, match="DATABASE_URI cannot be used"):
        MongoDatabase(uri)


# --- what is said of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("localhost:1", ["localhost:1: connection refused"]),
        (
            "127.0.0.1:1,localhost:2",
            ["127.0.0.1:1: connection refused", "localhost:2: connection refused"],
        ),
    ],
)
def test_a_server_that_is_away_is_named_with_the_reason_alone(hosts, said):
    away = MongoDatabase(f"mongodb://user:secret@{hosts}/x?timeoutMS=500")
    with pytest.raises(StoreUnavailable) as caught:
        away.ping()
    away.close()
    assert sorted(str(caught.value).removeprefix("MongoDB: ").split(", ")) == said


def test_a_refusal_is_told_without_the_servers_whole_answer():
    refused = OperationFailure("Authentication failed.", 18, {"errmsg": "x", "ok": 0.0, "code": 18})
    with pytest.raises(StoreUnavailable) as caught, translated_errors():
        raise refused
    assert str(caught.value) == "MongoDB: Authentication failed."


@pytest.mark.parametrize("uri", ["mongodb://user:a/secret@host/db", "mongodb://a:secret@ho@st/db"])
def test_a_uri_that_cannot_be_read_is_not_quoted_with_its_password(uri):
    with pytest.raises(ValueError, match="DATABASE_URI cannot be used: ") as caught:
        MongoDatabase(uri)
    assert "secret" not in str(caught.value)
