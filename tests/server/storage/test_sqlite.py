"""What is particular to the embedded database: one file, several processes, kill -9, its SQL."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest

from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Add, Increment, Set
from cloud.values import Pointer
from server.storage.port import (
    EVERYTHING,
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Differs,
    DuplicateObject,
    Either,
    Equals,
    Index,
    Join,
    Matches,
    Neither,
    OneOf,
    Order,
    Permits,
    Query,
    Refused,
    Regex,
    SortKey,
)
from server.storage.regex import RegexRefused
from server.storage.sqlite.database import SqliteDatabase
from server.storage.sqlite.translate import translate

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
THING = ClassSchema(
    "Thing",
    {
        "n": ColumnType("Number"),
        "t": ColumnType("String"),
        "b": ColumnType("Boolean"),
        "list": ColumnType("Array"),
        "p": ColumnType("Pointer", "_User"),
    },
)
ABC = Equals("objectId", "abc")


def thing(object_id="abc", **columns):
    return {"objectId": object_id, "createdAt": MOMENT, "updatedAt": MOMENT, **columns}


@pytest.fixture
def opened(tmp_path):
    database = SqliteDatabase(tmp_path)
    yield database
    database.close()


def ids(database, where=EVERYTHING, **query):
    return [found["objectId"] for found in database.objects.find(THING, Query(where, **query))]


# --- several processes, and kill -9 --------------------------------------------------------------


def _write(folder, number, times):
    database = SqliteDatabase(folder)
    for n in range(times):
        database.objects.insert(THING, thing(f"{number}x{n}"))
        database.objects.update(THING, ABC, {"n": Increment(1)}, upsert=True)
        database.relations.add(Join("likes", "Thing"), "abc", [f"{number}x{n}"])
        database.files.put(f"{number}-{n}.jpg", b"jpeg", {})
    database.close()


def test_eight_processes_share_a_new_file_without_a_locked_database(tmp_path, opened):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(tmp_path, n, 15)) for n in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert opened.objects.get(THING, "abc")["n"] == 120
    assert opened.objects.count(THING, EVERYTHING) == 121
    assert len(list(opened.relations.all(Join("likes", "Thing")))) == 120
    assert len(list(opened.files.names())) == 120


def test_acknowledged_writes_survive_kill_9(tmp_path):
    program = textwrap.dedent("""
        import itertools, os, sys
        from pathlib import Path
        from cloud.operations import Set
        from server.storage.port import ClassSchema, Equals
        from server.storage.sqlite.database import SqliteDatabase
        database, thing = SqliteDatabase(Path(sys.argv[1])), ClassSchema("Thing")
        for n in itertools.count():
            name = f"{os.getpid()}-{n}"
            database.objects.insert(thing, {"objectId": name})
            database.objects.update(thing, Equals("objectId", name), {"n": Set(n)})
            database.files.put(name, name.encode() * 10_000, {})
            print(name, flush=True)
    """)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True
        ) as writer:
            acknowledged = [writer.stdout.readline().strip() for _ in range(20)]
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += writer.stdout.read().split()
        database = SqliteDatabase(tmp_path)
        for name in acknowledged:
            number = int(name.partition("-")[2])
            assert database.objects.get(THING, name) == {"objectId": name, "n": number}
            assert database.files.read(name) == name.encode() * 10_000
        for name in database.files.names():
            assert database.files.read(name) == name.encode() * 10_000
        database.close()


def test_writes_are_fully_synchronised(opened):
    with opened._connections.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2


# --- the file ------------------------------------------------------------------------------------


def test_damaged_file_is_reported_not_overwritten(tmp_path, opened):
    path = tmp_path / "parsewarden.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        opened.objects.get(THING, "abc")
    assert path.read_bytes() == b"this is no database" * 1000


def test_file_of_a_newer_program_is_left_alone(tmp_path, opened):
    with sqlite3.connect(tmp_path / "parsewarden.sqlite3") as other:
        other.execute("PRAGMA user_version = 3")
    other.close()
    with pytest.raises(StoreUnavailable, match="version 3"):
        opened.objects.get(THING, "abc")


def test_file_of_version_1_is_brought_up_to_date(tmp_path, opened):
    rows = [
        ("ImageClassification", "later", {"createdAt": {"$date": "2026-11-23T00:00:00+00:00"}}),
        (
            "ImageClassification",
            "earlier",
            {
                "createdAt": {"$date": "2026-11-22T18:27:49.690000+00:00"},
                "ACL": {},
                "predictions": [{"className": "Neutral", "probability": 0.9}],
            },
        ),
        ("_GlobalConfig", 1, {"params": {"moderationAutomation": True}}),
        ("_SCHEMA", "ImageClassification", {"fields": {"outcome": "String"}}),
    ]
    with sqlite3.connect(tmp_path / "parsewarden.sqlite3") as old:
        old.execute(
            "CREATE TABLE objects (class_name TEXT NOT NULL, object_id TEXT NOT NULL, "
            "document TEXT NOT NULL, PRIMARY KEY (class_name, object_id)) WITHOUT ROWID"
        )
        old.execute("PRAGMA user_version = 1")
        for class_name, object_id, document in rows:
            text = json.dumps({"objectId": object_id, **document})
            old.execute("INSERT INTO objects VALUES (?, ?, ?)", (class_name, str(object_id), text))
    old.close()
    images = ClassSchema("ImageClassification", {"outcome": ColumnType("String")})
    assert opened.schemas.all() == [images]
    assert opened.objects.find(
        images, Query(Compares("createdAt", Order.GREATER_OR_EQUAL, MOMENT))
    ) == [
        {
            "objectId": "earlier",
            "createdAt": MOMENT,
            "ACL": {},
            "predictions": [{"className": "Neutral", "probability": 0.9}],
        },
        {"objectId": "later", "createdAt": datetime(2026, 11, 23, tzinfo=UTC)},
    ]
    config = opened.objects.get(ClassSchema("_GlobalConfig"), 1)
    assert config == {"objectId": 1, "params": {"moderationAutomation": True}}


# --- documents -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a\0b", "a\1b", "\1\1", "\1\2", "\0", r"a\u0000b", "\\\0", '"'])
def test_control_characters_are_part_of_a_text(opened, text):
    opened.objects.ensure_index(THING, Index("t_1", ("t",), unique=True))
    opened.objects.insert(THING, thing(t=text, list=[text]))
    opened.objects.insert(THING, thing("other", t=text[:-1], list=[text[:-1]]))
    assert opened.objects.get(THING, "abc")["t"] == text
    assert ids(opened, Equals("t", text)) == ["abc"]
    assert ids(opened, OneOf("t", (text,))) == ["abc"]
    assert ids(opened, Equals("list", text)) == ["abc"]
    assert ids(opened, order=(SortKey("t"),)) == ["other", "abc"]
    with pytest.raises(DuplicateObject):
        opened.objects.insert(THING, thing("third", t=text))


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), "\ud800"])
def test_value_that_no_document_may_hold_is_refused_and_the_connection_stays_usable(opened, value):
    with pytest.raises((TypeError, ValueError)):
        opened.objects.insert(THING, thing("bad", t=value))
    opened.objects.insert(THING, thing())
    with pytest.raises((TypeError, ValueError)):
        opened.objects.update(THING, ABC, {"t": Set(value)})
    opened.objects.update(THING, ABC, {"n": Set(1)})
    assert ids(opened) == ["abc"]


def test_object_is_at_most_as_large_as_mongodb_takes_it(opened):
    most = 16 * 1024 * 1024 - len('{"objectId":"abc","t":""}')
    opened.objects.insert(THING, {"objectId": "abc", "t": "x" * most})
    opened.objects.update(THING, ABC, {"t": Set("é" * (most // 2))})
    for operations in [{"t": Set("é" * (most // 2 + 1))}, {"list": Add(("x",))}]:
        with pytest.raises(Refused, match="at most 16 MB"):
            opened.objects.update(THING, ABC, operations)
    for document in [
        {"objectId": "b", "t": "x" * (most + 3)},
        {"objectId": "b", "list": [most] * 2**21},
    ]:
        with pytest.raises(Refused, match="at most 16 MB"):
            opened.objects.insert(THING, document)
    with pytest.raises(Refused, match="at most 16 MB"):
        opened.objects.update(
            THING, Equals("objectId", "b"), {"t": Set("x" * (most + 3))}, upsert=True
        )
    assert ids(opened) == ["abc"]
    assert opened.objects.get(THING, "abc") == {"objectId": "abc", "t": "é" * (most // 2)}


def test_names_never_reach_sql_or_the_file_system(opened, tmp_path):
    for name in ["x' OR 1=1 --", 'x"', "x\0", "", "a b"]:
        with pytest.raises(ValueError, match="is no name"):
            opened.objects.find(ClassSchema(name), Query())
        with pytest.raises(ValueError, match=r"can have no index|is no name"):
            opened.objects.ensure_index(
                ClassSchema("Thing", {name: ColumnType("String")}), Index("i", (name,))
            )
        odd = ClassSchema("Thing", {name: ColumnType("String")})
        assert opened.objects.find(odd, Query(Equals(name, "1"), order=(SortKey(name),))) == []
    for name in [
        "../up",
        "/etc/passwd",
        "..",
        ".",
        ".hidden",
        "a/../../b",
        "a\0b",
        "ü",
        "\\x",
        "%2E",
    ]:
        opened.files.put(name, name.encode(), {"name": name})
        assert opened.files.read(name) == name.encode()
        assert dict(opened.files.stat(name).metadata) == {"name": name}
    assert len(list(opened.files.names())) == 10
    assert len(list(tmp_path.glob("files/*/*"))) == 10


@pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 50, "\ud800"])
def test_name_that_no_file_can_have_is_refused(opened, name):
    with pytest.raises(ValueError, match=r"can have the name|surrogates"):
        opened.files.put(name, b"", {})
    assert opened.files.read(name) is None
    assert opened.files.stat(name) is None
    assert opened.files.delete(name) is False


def test_relation_of_many_is_read_page_by_page_while_it_changes(opened):
    likes = Join("likes", "Thing")
    related = [f"u{number:04}" for number in range(2500)]
    opened.relations.add(likes, "a", related)
    pairs = opened.relations.all(likes)
    assert next(pairs) == ("a", "u0000")
    opened.relations.remove(likes, "a", ["u2499"])
    assert [r for _, r in pairs] == related[1:-1]


# --- conditions in SQL ---------------------------------------------------------------------------


def test_duplicate_names_the_column(opened):
    opened.objects.ensure_index(THING, Index("t_1", ("t",), unique=True))
    opened.objects.insert(THING, thing("a", t="x"))
    for document, column in [(thing("a"), "objectId"), (thing("b", t="x"), "t")]:
        with pytest.raises(DuplicateObject) as raised:
            opened.objects.insert(THING, document)
        assert raised.value.column == column


MANY = tuple(Equals("t", str(n)) for n in range(5000))
DEEP = Equals("t", "0")
for _ in range(300):
    DEEP = Either((Equals("n", 1), DEEP))

EXACTNESS = [
    # condition, whether SQL says all of it
    (All((Equals("t", "x"), Either((Differs("n", 1.5), Equals("b", None))))), True),
    (Neither((Equals("t", "x"), OneOf("p", (Pointer("_User", "a"), None)))), True),
    (Permits("read", ("*", "alice", "role:Mods")), True),
    (Permits("read", ('a"b',)), False),
    (Equals("list", "x"), False),
    (Neither((Equals("list", "x"),)), False),
    (Matches("t", Regex("x")), False),
    (Equals("o.a", 1), False),
    (Either(MANY), False),
    (DEEP, False),
]


@pytest.mark.parametrize(("condition", "exact"), EXACTNESS, ids=range(len(EXACTNESS)))
def test_sql_says_as_much_as_it_can(opened, condition: Condition, exact):
    assert translate(THING, condition).exact is exact
    opened.objects.insert(THING, thing(t="0"))
    opened.objects.find(THING, Query(condition))


def test_hostile_pattern_is_refused_and_the_database_stays_usable(opened):
    opened.objects.insert(THING, thing(t="a" * 5000))
    hostile = Matches("t", Regex("((a{1,100}){1,100}){1,100}b"))
    with pytest.raises(RegexRefused):
        opened.objects.update(THING, hostile, {"n": Set(1)})
    assert opened.objects.update(THING, ABC, {"n": Set(1)})["n"] == 1


# --- indexes -------------------------------------------------------------------------------------


def plan(database, query):
    """What SQLite means to do for a query, as its EXPLAIN QUERY PLAN says it."""
    statements = []
    with database._connections.reading() as connection:
        connection.set_trace_callback(statements.append)
    database.objects.find(THING, query)
    with database._connections.reading() as connection:
        connection.set_trace_callback(None)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}")]


QUEUE = Index("queue", ("b", "createdAt"))
READABLE = Permits("read", ("*", "bob", "role:Moderators"))
PLANS = [
    # query, the index that serves it whole: without a sort of its own
    (
        Query(All((Equals("b", True), READABLE)), (SortKey("createdAt"),), limit=12),
        "Thing queue b,createdAt",
    ),
    (
        Query(All((Equals("b", True), READABLE)), (SortKey("createdAt", True),), limit=12),
        "Thing queue b,createdAt",
    ),
    (Query(Equals("t", "x"), limit=1), "Thing t_1 t"),
    (Query(Equals("t", "X"), limit=1, ignore_case=True), "Thing t_folded t"),
    (Query(Equals("n", 0.5), limit=1), "Thing n_1 n"),
    (
        Query(All((Compares("n", Order.GREATER, 0.5), READABLE)), (SortKey("n"),), limit=20),
        "Thing n_1 n",
    ),
    (Query(ABC), "sqlite_autoindex_objects_1"),
    (Query(limit=100), "objects_by_class"),
    (
        Query(Compares("objectId", Order.GREATER, "a"), (SortKey("objectId"),), limit=100),
        "sqlite_autoindex_objects_1",
    ),
]


@pytest.mark.parametrize(("query", "index"), PLANS)
def test_index_serves_the_query_without_a_sort(opened, query, index):
    folded = Index("t_folded", ("t",), ignore_case=True)
    for made in [QUEUE, Index("t_1", ("t",)), folded, Index("n_1", ("n",))]:
        opened.objects.ensure_index(THING, made)
    for number in range(20):
        moment = MOMENT + timedelta(seconds=number)
        opened.objects.insert(THING, thing(f"x{number}", b=True, t="x") | {"createdAt": moment})
    [step] = plan(opened, query)
    assert f" {index} (" in step


def test_list_of_ids_is_looked_up_one_by_one(opened):
    steps = plan(opened, Query(OneOf("objectId", ("a", "b"))))
    assert "sqlite_autoindex_objects_1 (class_name=? AND object_id=?)" in steps[0]
