"""`db copy`: everything arrives, from each database in each."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cloud.values import File, GeoPoint, Pointer, Polygon
from server.cli import main
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.copy import CannotCopy, Copied, copy_database, open_source, open_target
from server.storage.port import EVERYTHING, ClassSchema, ColumnType, Join, Query, SortKey

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
KINDS = {
    "n": "Number", "t": "String", "b": "Boolean", "d": "Date", "p": "Pointer _User", "f": "File",
    "list": "Array", "o": "Object", "g": "GeoPoint", "raw": "Bytes", "area": "Polygon",
    "likes": "Relation _User",
}  # fmt: skip
IMAGE = ClassSchema(
    "UserImage",
    {name: ColumnType(*kind.split()) for name, kind in KINDS.items()},
    {"find": {"*": True}, "update": {"role:Moderators": True}},
    {"t": {"required": True}},
    {"_id_": {"_id": 1}, "by_n": {"n": 1, "_p_p": -1}},
)
USER = SYSTEM_CLASSES["_User"]
CONFIG = SYSTEM_CLASSES["_GlobalConfig"]
ROLE = SYSTEM_CLASSES["_Role"]
LIKES, MEMBERS = Join("likes", "UserImage"), Join("users", "_Role")
BY_ID = Query(order=(SortKey("objectId"),))


def stamped(object_id, **columns):
    return {"objectId": object_id, "createdAt": MOMENT, "updatedAt": MOMENT, **columns}


IMAGES = [
    stamped(
        "image0",
        n=0.1, t="ü\1", b=False, d=MOMENT, p=Pointer("_User", "alice"), f=File("a.jpg"),
        list=[1, {"when": MOMENT}, Pointer("Other", "x")], o={"a": {"b": None}},
        g=GeoPoint(48.2, -16.4), raw=b"\0\xff", area=Polygon(((0, 0), (0, 1.5), (1, 1), (0, 0))),
        ACL={"alice": {"read": True, "write": True}},
    ),
    *(stamped(f"image{number}", n=number, t=None, ACL={}) for number in range(1, 1200)),
]  # fmt: skip


@pytest.fixture
def places(mongo_uri, tmp_path):
    """Where a database of each kind can be made."""

    def make(kind, name):
        return str(tmp_path / name) if kind == "sqlite" else mongo_uri(kind, name)

    return make


def fill(database, images):
    for schema in [IMAGE, USER]:
        database.schemas.create(schema)
    for image in images:
        database.objects.insert(IMAGE, image)
    alice = stamped("alice", username="alice") | {"_hashed_password": "hash"}
    database.objects.insert(USER, alice)
    database.objects.insert(ROLE, stamped("role1", name="Moderators"))
    database.objects.insert(CONFIG, {"objectId": 1, "params": {"moderationAutomation": True}})
    database.relations.add(LIKES, "image0", ["alice", "bob"])
    database.relations.add(MEMBERS, "role1", ["bob"])
    database.files.put("a.jpg", b"jpeg" * 100_000, {"author": "alice"})


def contents(database):
    return (
        {schema.class_name: schema for schema in database.schemas.all()},
        [database.objects.find(schema, BY_ID) for schema in (IMAGE, USER, ROLE, CONFIG)],
        [sorted(database.relations.all(join)) for join in (LIKES, MEMBERS)],
        {name: (database.files.stat(name), database.files.read(name))
         for name in database.files.names()},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "destination", "count"),
    [("sqlite", "sqlite", 1200), ("sqlite", "nx", 20), ("nx", "sqlite", 20)],
)
def test_everything_arrives(places, origin, destination, count):
    source = open_target(places(origin, "from"))
    target = open_target(places(destination, "to"))
    fill(source, IMAGES[:count])
    done = list(copy_database(source, target, SYSTEM_CLASSES))
    assert contents(target) == contents(source)
    assert target.objects.count(IMAGE, EVERYTHING) == count
    assert done == [
        Copied("objects of UserImage", count),
        Copied("indexes of UserImage", 2),
        Copied("relations likes of UserImage", 2),
        Copied("objects of _GlobalConfig", 1),
        Copied("objects of _Role", 1),
        Copied("relations users of _Role", 1),
        Copied("objects of _User", 1),
        Copied("files", 1),
    ]
    source.close()
    target.close()


def test_an_index_that_the_target_cannot_have_is_left_out(places):
    source, target = open_target(places("nx", "from")), open_target(places("sqlite", "to"))
    indexes = {"words": {"t": "text"}, "by_n": {"n": 1}}
    columns = {"t": ColumnType("String"), "n": ColumnType("Number")}
    source.schemas.create(ClassSchema("Post", columns, indexes=indexes))
    list(copy_database(source, target, {}))
    assert [schema.indexes for schema in target.schemas.all()] == [{"by_n": {"n": 1}}]
    source.close()
    target.close()


@pytest.fixture
def sqlite_pair(places):
    pair = [open_target(places("sqlite", name)) for name in ("from", "to")]
    yield pair
    for database in pair:
        database.close()


def test_target_with_objects_or_files_is_refused_and_stays_as_it_is(sqlite_pair):
    source, target = sqlite_pair
    fill(source, IMAGES[:1])
    target.files.put("b.jpg", b"", {})
    with pytest.raises(CannotCopy, match="holds files already; name an empty one"):
        list(copy_database(source, target, SYSTEM_CLASSES))
    target.objects.insert(CONFIG, {"objectId": 1})
    with pytest.raises(CannotCopy, match="holds objects of _GlobalConfig already"):
        list(copy_database(source, target, SYSTEM_CLASSES))
    assert target.schemas.all() == []


def test_target_where_a_server_made_its_classes_is_taken(sqlite_pair):
    source, target = sqlite_pair
    fill(source, IMAGES[:1])
    target.schemas.create(USER)
    target.schemas.create(ClassSchema("UserImage", {"n": ColumnType("Number")}))
    list(copy_database(source, target, SYSTEM_CLASSES))
    columns = {schema.class_name: schema.columns for schema in target.schemas.all()}
    assert columns == {"UserImage": IMAGE.columns, "_User": USER.columns}


def run(*arguments):
    return CliRunner().invoke(main, ["db", "copy", *map(str, arguments)])


def test_command_prints_what_it_copied(tmp_path):
    source = open_target(str(tmp_path / "from"))
    fill(source, IMAGES[:3])
    source.close()
    result = run(tmp_path / "from", tmp_path / "deep" / "to")
    assert result.exit_code == 0
    assert "        3 objects of UserImage\n" in result.stdout
    assert "        1 files\n" in result.stdout
    copied = open_source(str(tmp_path / "deep" / "to"))
    assert copied.objects.count(IMAGE, EVERYTHING) == 3
    copied.close()


REFUSED = [
    # FROM, TO, what is said
    ("{}/nowhere", "{}/to", "there is no parsewarden.sqlite3 in"),
    ("{}/from", "{}/from", "the target holds objects of UserImage already"),
    ("{}/from", "mongodb://a:b:c/d", "DATABASE_URI cannot be used"),
    ("{}/from", "/proc/nothing/here", "cannot be made"),
]


@pytest.mark.parametrize(("source", "target", "sentence"), REFUSED)
def test_command_says_in_a_sentence_why_it_cannot(tmp_path, source, target, sentence):
    opened = open_target(str(tmp_path / "from"))
    fill(opened, IMAGES[:1])
    opened.close()
    result = run(source.format(tmp_path), target.format(tmp_path))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert sentence in result.output
