"""What saves infer, what they refuse, and who may make classes and columns."""

import threading
from datetime import UTC, datetime
from functools import partial

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer, relate

from cloud.operations import Add, Delete, Increment, Relate, Remove, Set
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.auth import Caller
from server.objects.schemas import Schemas
from server.objects.value_types import type_of, type_of_change
from server.parse.errors import ParseError
from server.storage.port import ClassExists, ClassSchema, ColumnConflict, ColumnType

CLIENT = Caller(master=False, ip="127.0.0.1")
OWNER = Caller(master=True, ip="127.0.0.1")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "String"),
        (0, "Number"),
        (1.5, "Number"),
        (True, "Boolean"),
        ([], "Array"),
        ({}, "Object"),
        (b"", "Bytes"),
        (datetime(2020, 1, 1, tzinfo=UTC), "Date"),
        (File("x"), "File"),
        (GeoPoint(0, 0), "GeoPoint"),
        (Polygon(((0, 0), (0, 1), (1, 1), (0, 0))), "Polygon"),
    ],
)
def test_a_column_has_the_type_of_its_first_value(value, kind):
    assert type_of(value) == ColumnType(kind)


def test_pointers_and_relations_have_a_target():
    assert type_of(Pointer("Post", "x")) == ColumnType("Pointer", "Post")
    assert type_of(Relation("Post")) == ColumnType("Relation", "Post")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (Set(None), None),
        (Delete(), None),
        (Increment(1), ColumnType("Number")),
        (Add((1,)), ColumnType("Array")),
        (Remove(("a",)), ColumnType("Array")),
        (Relate((Pointer("Post", "x"),)), ColumnType("Relation", "Post")),
        (Relate((), (Pointer("Post", "x"),)), ColumnType("Relation", "Post")),
        (Relate(), None),
    ],
)
def test_operations_tell_a_type_as_well(change, column):
    assert type_of_change(change) == column


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("x", "String"),
        (True, "Boolean"),
        (["x"], "Array"),
        ({"a": 1}, "Object"),
        (pointer("Post", "x"), "Pointer<Post>"),
        ({"__op": "Add", "objects": [1]}, "Array"),
        (relate(pointer("Post", "x")), "Relation<Post>"),
    ],
)
def test_a_value_of_another_type_is_refused(parse, value, got):
    object_id = parse.create("Post", {"n": 1})
    expected = (111, f"schema mismatch for Post.n; expected Number but got {got}")
    assert error(parse.put(f"/classes/Post/{object_id}", {"n": value})) == expected
    assert error(parse.post("/classes/Post", {"n": value})) == expected


@pytest.mark.parametrize(
    ("class_name", "body"),
    [
        ("_Session", {"user": "alice"}),
        ("_Session", {"expiresAt": "2020-01-01T00:00:00.000Z"}),
        ("_Session", {"user": pointer("Post", "x")}),
        ("_Role", {"name": 5, "ACL": {}}),
        ("_Role", {"name": "x", "ACL": {}, "users": relate(pointer("Post", "x"))}),
        ("_Role", {"name": "x", "ACL": {}, "roles": [pointer("_Role", "x")]}),
        ("_User", {"username": "x", "password": "p", "emailVerified": "yes"}),
        ("UserImage", {"isSafe": "yes"}),
        ("UserImage", {"image": "https://example.org/x.png"}),
        ("UserImage", {"NSFWPredictions": {}}),
    ],
)
def test_columns_of_system_classes_keep_their_types(parse, class_name, body):
    assert outcome(parse.post(f"/classes/{class_name}", body, MASTER)) == (400, 111)


def test_a_null_decides_no_type(parse):
    object_id = parse.create("Post", {"n": None})
    assert parse.get(f"/classes/Post/{object_id}").json["n"] is None
    assert parse.put(f"/classes/Post/{object_id}", {"n": "text"}).status_code == 200


def test_a_class_has_one_geo_point(parse):
    here = {"__type": "GeoPoint", "latitude": 1, "longitude": 2}
    sentence = "there can only be one geopoint field in a class"
    assert error(parse.post("/classes/Post", {"a": here, "b": here})) == (111, sentence)
    parse.create("Post", {"a": here})
    assert error(parse.post("/classes/Post", {"b": here})) == (111, sentence)
    parse.create("Post", {"a": here})


@pytest.mark.parametrize(
    "name", ["1st", "a-b", "_SCHEMA", "_Join:users:_Role", "_Hooks", "_user", "a b", "é", "a$b"]
)
def test_a_class_of_such_a_name_is_never_made(parse, name):
    for answer in (parse.post(f"/classes/{name}", {"n": 1}, MASTER), parse.get(f"/classes/{name}")):
        assert answer.status_code == 400
    assert name not in [schema.class_name for schema in parse.services.schemas.all()]


# --- who makes classes ----------------------------------------------------------------------------


def test_clients_make_no_classes_unless_settings_allow_it(make_parse):
    parse = make_parse(allow_client_class_creation=False)
    refusal = (119, "This user is not allowed to access non-existent class: Post")
    assert error(parse.post("/classes/Post", {"n": 1})) == refusal
    assert error(parse.get("/classes/Post")) == refusal
    assert error(parse.get("/classes/Post/x")) == refusal
    assert error(parse.put("/classes/Post/x", {"n": 1})) == refusal
    assert parse.find("Post", by=MASTER) == []
    parse.create("Post", {"n": 1}, by=MASTER)
    assert parse.post("/classes/Post", {"m": "new columns are fine"}).status_code == 201


def test_nobody_makes_the_servers_own_class_before_the_server(parse):
    parse.person("alice")
    for answer in (
        parse.post("/classes/ImageClassification", {"outcome": "approved"}),
        parse.get("/classes/ImageClassification"),
    ):
        assert outcome(answer) == (400, 119)
    parse.services.schemas.ensure("ImageClassification")
    assert outcome(parse.get("/classes/ImageClassification")) == (400, 119)


def test_a_read_of_no_class_leaves_the_database_alone(parse_on_each):
    """A MongoDB may hold more than Parse's classes."""
    parse = parse_on_each
    now = datetime(2020, 1, 1, tzinfo=UTC)
    row = {"objectId": "x", "createdAt": now, "updatedAt": now, "n": 1}
    parse.services.database.objects.insert(ClassSchema("Stray"), row)
    assert parse.find("Stray") == parse.find("Stray", by=MASTER) == []
    assert parse.get("/classes/Stray", count="1", limit="0").json["count"] == 0
    for answer in (
        parse.get("/classes/Stray/x"),
        parse.put("/classes/Stray/x", {"n": 2}),
        parse.delete("/classes/Stray/x"),
    ):
        assert outcome(answer) == (404, 101)
    parse.create("Post", {"to": pointer("Stray", "x")})
    assert "to" not in parse.find("Post", include="to")[0]


def test_another_process_makes_a_class_and_it_is_there(make_parse, tmp_path):
    one = make_parse(allow_client_class_creation=False)
    other = make_parse(allow_client_class_creation=False)
    assert outcome(other.get("/classes/Post")) == (400, 119)
    one.create("Post", {"n": 1}, by=MASTER)
    assert len(other.find("Post")) == 1
    assert error(other.post("/classes/Post", {"n": "text"}))[0] == 111


# --- at the same moment ---------------------------------------------------------------------------


def at_once(*steps):
    """Run all steps in threads that start together; return what they return or raise."""
    outcomes = [None] * len(steps)
    barrier = threading.Barrier(len(steps))

    def run(number, step):
        barrier.wait()
        try:
            outcomes[number] = step()
        except Exception as failure:
            outcomes[number] = failure

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_first_saves_of_other_types_have_one_winner(parse_on_each):
    parse = parse_on_each
    for number in range(5):
        path = f"/classes/Fresh{number}"
        bodies = [{"v": 1}, {"v": "text"}, {"v": [1]}, {"v": True}]
        answers = at_once(*[partial(parse.post, path, body) for body in bodies])
        codes = sorted(outcome(answer) for answer in answers if answer.status_code != 201)
        assert codes == [(400, 111)] * 3
        assert len(parse.find(f"Fresh{number}")) == 1


def test_two_first_saves_of_other_columns_both_succeed(parse_on_each):
    parse = parse_on_each
    names = ["a", "b", "c", "d"]
    answers = at_once(*[partial(parse.post, "/classes/Post", {name: 1}) for name in names])
    assert [answer.status_code for answer in answers] == [201] * 4
    assert parse.services.schemas.find("Post").columns.keys() == set(names)
    assert [len(parse.find("Post", {name: 1})) for name in names] == [1] * 4


class SlowStore:
    """A SchemaStore whose `all` can be held up between reading and returning, and whose
    `add_columns` before it adds."""

    def __init__(self):
        self.by_name = {}
        self.read, self.go_on = threading.Event(), threading.Event()
        self.adding, self.may_add = threading.Event(), threading.Event()
        self.may_add.set()
        self.slow = False
        self.reads = 0

    def all(self):
        self.reads += 1
        found = list(self.by_name.values())
        if self.slow:
            self.slow = False
            self.read.set()
            self.go_on.wait(10)
        return found

    def create(self, schema):
        if schema.class_name in self.by_name:
            raise ClassExists(schema.class_name)
        self.by_name[schema.class_name] = schema

    def add_columns(self, class_name, columns):
        self.adding.set()
        assert self.may_add.wait(10)
        old = self.by_name[class_name]
        self.by_name[class_name] = ClassSchema(class_name, {**old.columns, **columns})


def test_a_slow_reader_does_not_bring_back_what_the_schemas_were():
    store = SlowStore()
    schemas = Schemas(store, clients_make_classes=True)
    store.slow = True
    reader = threading.Thread(target=schemas.all)
    reader.start()
    store.read.wait(10)
    schemas.for_writing(CLIENT, "Post", {"n": Set(1)})
    store.go_on.set()
    reader.join()
    assert schemas.find("Post").columns == {"n": ColumnType("Number")}


def test_a_class_that_a_slow_reader_missed_is_still_there():
    store = SlowStore()
    schemas = Schemas(store, clients_make_classes=True)
    schemas.for_writing(CLIENT, "Post", {"n": Set(1)})
    store.slow = True
    reader = threading.Thread(target=schemas.all)
    reader.start()
    store.read.wait(10)
    schemas.for_writing(CLIENT, "Post", {"m": Set(1)})
    store.go_on.set()
    reader.join()
    assert schemas.find("Post").columns.keys() == {"n", "m"}


def test_a_reader_keeps_what_was_added_meanwhile_and_reads_once():
    store = SlowStore()
    schemas = Schemas(store, clients_make_classes=True)
    schemas.for_writing(CLIENT, "Post", {"n": Set(1)})
    store.adding.clear()
    store.may_add.clear()
    writer = threading.Thread(
        target=schemas.for_writing, args=(CLIENT, "Post", {"m": Set(1), "l": Set([])})
    )
    writer.start()
    assert store.adding.wait(10)
    store.slow, store.reads = True, 0
    reader = threading.Thread(target=schemas.all)
    reader.start()
    assert store.read.wait(10)
    store.may_add.set()
    writer.join()
    store.go_on.set()
    reader.join()
    assert store.reads == 1
    assert schemas.find("Post").columns.keys() == {"n", "m", "l"}


def test_a_class_has_at_most_1000_columns(parse_on_each, needs):
    needs("more than 99 changes in one call")
    parse = parse_on_each
    sentence = "Post would have more than 1000 columns"
    names = [f"c{number}" for number in range(1001)]
    assert error(parse.post("/classes/Post", dict.fromkeys(names, 1))) == (105, sentence)
    object_id = parse.create("Post", dict.fromkeys(names[:1000], 1))
    assert error(parse.put(f"/classes/Post/{object_id}", {"one": 1})) == (105, sentence)
    assert parse.put(f"/classes/Post/{object_id}", {"c0": 2, "c999": 2}).status_code == 200
    assert parse.services.schemas.find("Post").columns.keys() == set(names[:1000])


def test_a_column_of_a_type_that_we_do_not_know_takes_no_values():
    store = SlowStore()
    schemas = Schemas(store, clients_make_classes=True)

    def conflict(class_name, columns):
        raise ColumnConflict("Post.odd is unheard-of")

    store.add_columns = conflict
    with pytest.raises(ParseError, match=r"schema mismatch: Post\.odd is unheard-of"):
        schemas.for_writing(CLIENT, "Post", {"odd": Set(1)})


def test_declaring_twice_adds_columns_and_changes_none():
    schemas = Schemas(SlowStore(), clients_make_classes=False)
    schemas.declare(ClassSchema("Post", {"n": ColumnType("Number")}))
    again = schemas.declare(ClassSchema("Post", {"m": ColumnType("String")}))
    assert again.columns.keys() == {"n", "m"}


def test_a_schema_for_reading_is_empty_until_the_class_is_made():
    schemas = Schemas(SlowStore(), clients_make_classes=False)
    assert schemas.for_reading(OWNER, "Post") == ClassSchema("Post")
    with pytest.raises(ParseError, match="non-existent class: Post"):
        schemas.for_reading(CLIENT, "Post")


@pytest.mark.parametrize(
    "class_name",
    [
        "ImageClassification", "ModerationCheck", "ModerationItem", "ModerationDecision",
        "ModerationPolicy", "ModerationMemory", "ModerationMemoryMatch",
        "ModerationWebhookDelivery", "ModerationWorker",
    ],
)  # fmt: skip
def test_classes_of_the_server_cannot_be_made_by_a_client_first(make_parse, class_name):
    parse = make_parse(allow_client_class_creation=True)
    assert outcome(parse.post(f"/classes/{class_name}", {"state": "approved"})) == (400, 119)
