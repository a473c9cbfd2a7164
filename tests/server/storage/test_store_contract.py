"""What every Database promises, on each of them."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Add, AddUnique, Delete, Increment, Remove, Set
from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.storage.port import (
    EVERYTHING,
    All,
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    Compares,
    ContainsAll,
    Differs,
    DuplicateObject,
    Equals,
    Exists,
    Index,
    Join,
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Permits,
    Query,
    Regex,
    SchemaChange,
    SortKey,
)
from server.storage.sqlite.database import SqliteDatabase

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
LATER = MOMENT + timedelta(milliseconds=1)
RING = ((0.0, 0.0), (0.0, 1.5), (1.0, 1.0), (0.0, 0.0))


def schema(class_name, **kinds):
    columns = {name: ColumnType(*kind.split()) for name, kind in kinds.items()}
    return ClassSchema(class_name, columns)


THING = schema(
    "Thing", n="Number", t="String", u="String", b="Boolean", d="Date", raw="Bytes", list="Array",
    o="Object", p="Pointer _User", f="File", place="GeoPoint", area="Polygon",
    likes="Relation _User",
)  # fmt: skip
CONFIG = schema("_GlobalConfig", params="Object", masterKeyOnly="Object")


def thing(object_id="abc", **columns):
    return {"objectId": object_id, "createdAt": MOMENT, "updatedAt": MOMENT, **columns}


@pytest.fixture
def store(database):
    return database.objects


def insert(store, *documents):
    for document in documents:
        store.insert(THING, document)


def ids(store, where=EVERYTHING, **query):
    return [document["objectId"] for document in store.find(THING, Query(where, **query))]


# --- objects ------------------------------------------------------------------------------------


def test_object_comes_back_as_it_was_inserted(store, needs):
    needs("arrays in arrays")
    document = thing(
        t="ü€😀\n\0\1",
        n=2**53 - 1,
        b=True,
        d=MOMENT,
        raw=b"\0\xff",
        list=[1, 0.1, "b", {"c": [None, False]}, Pointer("Other", "x"), LATER, b"\1"],
        o={"deep": {"n": 1.5}, "when": MOMENT, "place": GeoPoint(1, 2), "f": File("a.jpg")},
        p=Pointer("_User", "alice"),
        f=File("a.jpg"),
        place=GeoPoint(48.2, -16.4),
        area=Polygon(RING),
        ACL={"*": {"read": True}, "alice": {"read": True, "write": True}},
    )
    store.insert(THING, document)
    assert store.get(THING, "abc") == document
    assert store.find(THING, Query()) == [document]


def test_null_is_kept_apart_from_missing(store):
    insert(store, thing(t=None))
    assert store.get(THING, "abc") == thing(t=None)


def test_json_that_only_resembles_a_typed_value_stays_an_object(store):
    odd = [
        {"__type": "Pointer", "className": "X"},
        {"__type": "Pointer", "className": "X", "objectId": "y", "more": 1},
        {"__type": "Nothing"},
        {"__type": 5},
    ]
    insert(store, thing(list=odd))
    assert store.get(THING, "abc") == thing(list=odd)


def test_relation_inside_an_array_is_kept(store):
    insert(store, thing(list=[Relation("Other"), {"r": Relation("Other")}]))
    assert store.get(THING, "abc") == thing(list=[Relation("Other"), {"r": Relation("Other")}])
    assert ids(store, Equals("list", Relation("Other"))) == ["abc"]


def test_missing_object_is_none(store):
    assert store.get(THING, "abc") is None
    insert(store, thing())
    assert store.get(schema("Other"), "abc") is None


def test_empty_acl_stays_empty_and_none_stays_none(store):
    insert(store, thing(ACL={}), thing("public"))
    assert store.get(THING, "abc")["ACL"] == {}
    assert "ACL" not in store.get(THING, "public")


def test_second_insert_is_a_duplicate_and_changes_nothing(store):
    insert(store, thing(n=1))
    with pytest.raises(DuplicateObject):
        insert(store, thing(n=2))
    assert store.get(THING, "abc")["n"] == 1


# --- finding ------------------------------------------------------------------------------------


def test_objects_come_as_they_were_inserted(store):
    insert(store, thing("c"), thing("a"), thing("b"))
    assert ids(store) == ["c", "a", "b"]


def test_classes_are_kept_apart(store):
    insert(store, thing())
    assert store.find(schema("Other"), Query()) == []
    assert store.count(schema("Other"), EVERYTHING) == 0
    assert store.delete(schema("Other"), EVERYTHING) == 0
    assert ids(store) == ["abc"]


CONDITIONS = [
    # the columns of the object that is found; another has none of them
    ({"t": "a\1b"}, Equals("t", "a\1b")),
    ({"n": 0.1}, Equals("n", 0.1)),
    ({"n": 3}, OneOf("n", (3.0, "x"))),
    ({"b": False}, Equals("b", False)),
    ({"d": MOMENT}, Equals("d", MOMENT)),
    ({"d": MOMENT}, Compares("d", Order.LESS, MOMENT + timedelta(days=1))),
    ({"p": Pointer("_User", "alice")}, Equals("p", Pointer("_User", "alice"))),
    ({"p": Pointer("_User", "alice")}, OneOf("p", (Pointer("_User", "alice"),))),
    ({"f": File("a.jpg")}, Equals("f", File("a.jpg"))),
    ({"place": GeoPoint(1, 2)}, Equals("place", GeoPoint(1, 2))),
    ({"list": ["x", 1]}, Equals("list", "x")),
    ({"list": ["x", 1]}, ContainsAll("list", (1, "x"))),
    ({"list": [Pointer("_User", "alice")]}, Equals("list", Pointer("_User", "alice"))),
    ({"o": {"a": {"b": "deep"}}}, Equals("o.a.b", "deep")),
    ({"o": {"a": [{"b": 1}, {"b": 2}]}}, Equals("o.a.b", 2)),
    ({"t": "anna (1)"}, Matches("t", Regex(r"^\Qanna (\E"))),
    ({"t": "Anna"}, Matches("t", Regex("^an", "i"))),
    ({"area": Polygon(RING)}, Exists("area", True)),
]


@pytest.mark.parametrize(("columns", "where"), CONDITIONS)
def test_condition_finds_counts_and_deletes_the_same(store, needs, columns, where):
    if "area" in columns:
        needs("arrays in arrays")
    insert(store, thing("found", **columns), thing("other", u="a"))
    assert ids(store, where) == ["found"]
    assert store.count(THING, where) == 1
    assert store.delete(THING, where) == 1
    assert ids(store) == ["other"]


@pytest.mark.parametrize(
    "where",
    [
        Differs("u", "a"),
        NoneOf("u", ("a", "b")),
        Neither((Equals("u", "a"), Equals("u", "b"))),
    ],
)
def test_opposite_holds_for_a_missing_column(store, where):
    insert(store, thing("missing"), thing("other", u="a"), thing("null", u=None))
    assert ids(store, where) == ["missing", "null"]


def test_object_id_can_be_asked_for_like_a_column(store):
    insert(store, thing("a"), thing("b"), thing("c"))
    assert ids(store, OneOf("objectId", ("c", "a", "x"))) == ["a", "c"]
    assert ids(store, Compares("objectId", Order.GREATER, "a")) == ["b", "c"]
    assert ids(store, Equals("createdAt", MOMENT)) == ["a", "b", "c"]


def test_order_skip_and_limit(store):
    rows = [("a", 2), ("b", 1), ("c", 2), ("d", 3)]
    insert(store, *(thing(object_id, n=n) for object_id, n in rows))
    keys = (SortKey("n", descending=True), SortKey("objectId"))
    assert ids(store, order=keys) == ["d", "a", "c", "b"]
    assert ids(store, order=keys, skip=1, limit=2) == ["a", "c"]
    assert ids(store, order=keys, limit=0) == []
    assert ids(store, order=keys, skip=9) == []


def test_skip_and_limit_count_only_what_fulfils_the_condition(store):
    insert(store, *(thing(f"x{n}", list=[n % 2], n=n) for n in range(8)))
    odd = Equals("list", 1)
    assert ids(store, odd, skip=1, limit=2) == ["x3", "x5"]
    descending = (SortKey("n", descending=True),)
    assert ids(store, odd, skip=1, limit=2, order=descending) == ["x5", "x3"]
    assert ids(store, odd, limit=2, order=(SortKey("o.x"), *descending)) == ["x7", "x5"]


def test_columns_limit_what_is_read(store):
    insert(store, thing(n=1, t="x", o={"a": 1}, p=Pointer("_User", "u"), ACL={}))
    [document] = store.find(THING, Query(columns=frozenset({"n", "p"})))
    assert document == thing(n=1, p=Pointer("_User", "u"), ACL={})
    assert store.find(THING, Query(columns=frozenset())) == [thing(ACL={})]


def test_texts_can_be_found_without_regard_to_case(store, needs):
    needs("texts in any case of letters (collations)")
    insert(store, thing("a", t="Anna"), thing("b", t="ANNA"), thing("c", t="Bob"))
    assert ids(store, Equals("t", "anna"), ignore_case=True) == ["a", "b"]
    assert ids(store, Equals("t", "anna")) == []


@pytest.mark.parametrize("right", ["read", "write"])
def test_only_what_the_acl_permits_is_found(store, right):
    insert(
        store,
        thing("everybody"),
        thing("nobody", ACL={}),
        thing("public", ACL={"*": {right: True}}),
        thing("alice", ACL={"alice": {right: True}}),
        thing("odd", ACL={'r"\\ô': {right: True}}),
    )
    assert ids(store, Permits(right, ())) == ["everybody"]
    assert ids(store, Permits(right, ("*", "alice"))) == ["everybody", "public", "alice"]
    assert ids(store, Permits(right, ('r"\\ô',))) == ["everybody", "odd"]
    other = "write" if right == "read" else "read"
    assert ids(store, Permits(other, ("*", "alice"))) == ["everybody"]


# --- changing -----------------------------------------------------------------------------------


def update(store, operations, where=None):
    return store.update(THING, where or Equals("objectId", "abc"), operations)


def test_operations_are_applied_at_once_and_the_new_object_returned(store):
    insert(store, thing(n=1, t="x", u="y", list=[1, {"a": 1}, 1]))
    updated = update(
        store,
        {
            "n": Increment(2),
            "t": Delete(),
            "b": Set(True),
            "d": Set(LATER),
            "p": Set(Pointer("_User", "u")),
            "list": Remove((1,)),
            "updatedAt": Set(LATER),
            "ACL": Set({"alice": {"read": True}}),
        },
    )
    assert updated == thing(
        n=3, u="y", b=True, d=LATER, p=Pointer("_User", "u"), list=[{"a": 1}],
        ACL={"alice": {"read": True}},
    ) | {"updatedAt": LATER}  # fmt: skip
    assert store.get(THING, "abc") == updated


ARRAYS = [
    # before, operation, after; None is missing
    ([1], Add((1, "x")), [1, 1, "x"]),
    (None, Add((1,)), [1]),
    ([1, {"a": 1}], AddUnique((1, 2, {"a": 1}, 2)), [1, {"a": 1}, 2]),
    (None, AddUnique(("x",)), ["x"]),
    ([1, "1", {"a": 1}, 1], Remove((1, {"a": 1})), ["1"]),
    (None, Remove((1,)), None),
]


@pytest.mark.parametrize(("before", "operation", "after"), ARRAYS)
def test_arrays_are_changed_in_place(store, before, operation, after):
    insert(store, thing() if before is None else thing(list=before))
    expected = thing() if after is None else thing(list=after)
    assert update(store, {"list": operation}) == expected
    assert store.get(THING, "abc") == expected


def test_increment_of_a_missing_number_counts_from_zero(store):
    insert(store, thing())
    assert update(store, {"n": Increment(5)})["n"] == 5


def test_operation_that_does_not_fit_is_refused_and_changes_nothing(store, needs):
    needs("an operation that does not fit what is stored is refused")
    insert(store, thing(t="text", n=1))
    with pytest.raises(ValueError):  # noqa: PT011 - each database has its words
        update(store, {"n": Increment(1), "t": Add((1,))})
    assert store.get(THING, "abc") == thing(t="text", n=1)


def test_dotted_paths_reach_into_objects(store):
    insert(store, thing(o={"keep": 1}))
    assert update(store, {"o.new": Set({"x": 1})})["o"] == {"keep": 1, "new": {"x": 1}}


def test_dotted_paths_can_be_deleted(store):
    insert(store, thing(o={"keep": 1, "drop": 2}))
    assert update(store, {"o.drop": Delete()})["o"] == {"keep": 1}


def test_dotted_paths_make_the_objects_on_their_way(store, needs):
    needs("paths make the objects on their way")
    insert(store, thing(o={"keep": 1}))
    assert update(store, {"o.n.m": Increment(1)})["o"] == {"keep": 1, "n": {"m": 1}}


def test_update_of_a_missing_object_is_none_and_makes_nothing(store):
    assert update(store, {"n": Set(1)}) is None
    assert ids(store) == []


def test_condition_guards_an_update(store):
    insert(store, thing(t="pending", ACL={"alice": {"write": True}}))
    unclaimed = All((Equals("objectId", "abc"), Equals("t", "pending")))
    assert update(store, {"n": Set(1)}, All((unclaimed, Permits("write", ("bob",))))) is None
    assert update(store, {"t": Set("done")}, All((unclaimed, Permits("write", ("alice",)))))
    assert update(store, {"t": Set("done again")}, unclaimed) is None
    assert store.get(THING, "abc")["t"] == "done"


def test_update_changes_one_object_only(store):
    insert(store, thing("a", n=1), thing("b", n=1))
    assert update(store, {"n": Set(2)}, Equals("n", 1))["n"] == 2
    assert store.count(THING, Equals("n", 1)) == 1


def test_update_of_all_changes_every_object_that_fulfils_the_condition(store):
    insert(store, thing("a", n=1, list=["x"]), thing("b", n=1), thing("c", n=2))
    changes = {"b": Set(True), "d": Set(LATER), "n": Increment(5), "list": AddUnique(("x", "y"))}
    assert store.update_all(THING, Equals("n", 1), changes) == 2
    assert store.find(THING, Query(Equals("n", 6), order=(SortKey("objectId"),))) == [
        thing("a", n=6, list=["x", "y"], b=True, d=LATER),
        thing("b", n=6, list=["x", "y"], b=True, d=LATER),
    ]
    assert store.get(THING, "c") == thing("c", n=2)
    assert store.update_all(THING, Equals("n", 1), changes) == 0
    assert store.update_all(THING, Equals("n", 6), {"b": Delete(), "list": Remove(("x",))}) == 2
    assert store.get(THING, "b") == thing("b", n=6, d=LATER, list=["y"])


def test_update_of_all_that_does_not_fit_one_is_refused(store, needs):
    needs("an operation that does not fit what is stored is refused")
    insert(store, thing("a"), thing("b", t="text"))
    with pytest.raises(ValueError):  # noqa: PT011 - each database has its words
        store.update_all(THING, EVERYTHING, {"t": Add((1,))})
    assert store.get(THING, "b") == thing("b", t="text")


def test_upsert_makes_the_object_from_its_operations(store):
    row = Equals("objectId", 1)
    made = store.update(CONFIG, row, {"params.a": Set("x")}, upsert=True)
    assert made == {"objectId": 1, "params": {"a": "x"}}
    store.update(CONFIG, row, {"params.b": Set("y")}, upsert=True)
    assert store.get(CONFIG, 1)["params"] == {"a": "x", "b": "y"}


def run_at_once(*calls):
    """Run them in threads of their own; return what each returned or raised."""
    outcomes = [None] * len(calls)

    def run(number):
        try:
            outcomes[number] = calls[number]()
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_concurrent_increments_are_all_counted(store):
    insert(store, thing(n=0))
    run_at_once(*[lambda: [update(store, {"n": Increment(1)}) for _ in range(25)]] * 4)
    assert store.get(THING, "abc")["n"] == 100


def test_one_of_many_claims_wins(store):
    insert(store, thing(t="pending"))
    guard = All((Equals("objectId", "abc"), Equals("t", "pending")))
    claims = [lambda: update(store, {"t": Set("claimed")}, guard)] * 8
    assert sum(outcome is not None for outcome in run_at_once(*claims)) == 1


def test_each_of_many_objects_is_claimed_by_one_of_many(store):
    insert(store, *[thing(f"{n}", t="pending") for n in range(10)])
    pending = Equals("t", "pending")
    claims = [lambda: store.update_all(THING, pending, {"t": Set("claimed")})] * 8
    assert sum(run_at_once(*claims)) == 10


# --- unique columns -----------------------------------------------------------------------------


def test_unique_column_takes_a_value_once(store):
    for _ in range(2):
        store.ensure_index(THING, Index("u_1", ("u",), unique=True))
    insert(store, thing("a", u="x"), thing("without"), thing("without too"))
    with pytest.raises(DuplicateObject) as raised:
        insert(store, thing("b", u="x"))
    assert raised.value.column in ("u", None)
    store.insert(schema("Other", u="String"), thing("a", u="x"))


def test_unique_column_cannot_be_set_to_a_value_that_is_taken(store, needs):
    needs("a change to a unique value that is taken is refused")
    store.ensure_index(THING, Index("u_1", ("u",), unique=True))
    insert(store, thing("a", u="x"), thing("b", u="y"))
    with pytest.raises(DuplicateObject):
        update(store, {"u": Set("x")}, Equals("objectId", "b"))
    assert store.get(THING, "b")["u"] == "y"


def test_index_changes_no_answer(store):
    rows = [("a", True, "x"), ("b", None, "y"), ("c", True, "X")]
    insert(store, *(thing(object_id, b=b, t=t) for object_id, b, t in rows))
    asked = [(Equals("b", True), {}), (Equals("t", "x"), {}), (Equals("b", None), {})]
    before = [ids(store, where, **options) for where, options in asked]
    store.ensure_index(THING, Index("queue", ("b", "createdAt")))
    store.ensure_index(THING, Index("t_1", ("t",)))
    store.ensure_index(THING, Index("t_folded", ("t",), ignore_case=True))
    assert [ids(store, where, **options) for where, options in asked] == before


# --- schemas ------------------------------------------------------------------------------------


def test_schema_comes_back_as_it_was_created(database):
    made = ClassSchema(
        "Thing",
        THING.columns,
        {"find": {"*": True}, "update": {"role:Moderators": True}, "protectedFields": {"*": ["u"]}},
        {"t": {"required": True, "defaultValue": "x"}},
        {"by_t": {"t": 1, "n": -1}},
    )
    database.schemas.create(made)
    assert [s for s in database.schemas.all() if s.class_name == "Thing"] == [made]


def test_schema_is_changed_as_asked_and_the_rest_stays(database, needs):
    needs("an object inside an object is replaced")
    options = {"t": {"required": True}, "u": {"required": True}}
    made = ClassSchema("Thing", THING.columns, {"find": {"*": True}}, options)
    database.schemas.create(made)
    database.schemas.change("Thing", SchemaChange())
    assert stored_schema(database) == made
    database.schemas.change("Thing", SchemaChange(removed_columns=("u", "likes", "never")))
    kept = {n: c for n, c in THING.columns.items() if n not in ("u", "likes")}
    assert stored_schema(database) == replace(made, columns=kept, options={"t": options["t"]})
    database.schemas.change(
        "Thing",
        SchemaChange(
            options={"t": {"defaultValue": {"a": 1}}},
            permissions={"get": {"role:Mods": True}},
            indexes={"by_t": {"t": 1, "_p_p": -1}},
        ),
    )
    found = stored_schema(database)
    assert (found.columns, found.options) == (kept, {"t": {"defaultValue": {"a": 1}}})
    assert found.permissions == {"get": {"role:Mods": True}}
    assert found.indexes == {"by_t": {"t": 1, "_p_p": -1}}
    database.schemas.change("Never", SchemaChange(permissions={}))
    assert [s.class_name for s in database.schemas.all()] == ["Thing"]


def stored_schema(database):
    [found] = [s for s in database.schemas.all() if s.class_name == "Thing"]
    return found


def test_class_is_forgotten(database):
    database.schemas.create(schema("Thing", n="Number"))
    database.schemas.create(schema("Other"))
    database.schemas.drop("Thing")
    database.schemas.drop("Thing")
    assert database.schemas.all() == [schema("Other")]
    database.schemas.create(schema("Thing", n="String"))


def test_an_empty_class_is_taken_away_with_its_indexes(database, store):
    unique = Index("t_1", ("t",), unique=True)
    store.ensure_index(THING, unique)
    store.insert(THING, thing("a", t="x"))
    store.insert(schema("Thing2", t="String"), thing("a", t="x"))
    assert store.drop(THING) == 1
    with pytest.raises(DuplicateObject):
        store.insert(THING, thing("b", t="x"))
    store.delete(THING, EVERYTHING)
    assert store.drop(THING) == 0
    assert store.drop(THING) == 0
    insert(store, thing("a", t="x"), thing("b", t="x"))
    assert store.count(schema("Thing2"), EVERYTHING) == 1


def test_an_index_that_was_asked_for_is_made_and_taken_away(store):
    index = Index.asked_for("by_t", {"t": 1, "_p_p": -1})
    assert index.columns == ("t", "p")
    store.ensure_index(THING, index)
    store.ensure_index(THING, index)
    insert(store, thing("a", t="x"), thing("b"))
    assert ids(store, Equals("t", "x")) == ["a"]
    store.drop_index(THING, index)
    store.drop_index(THING, index)
    store.drop_index(schema("Never"), index)


def test_class_is_created_once(database):
    database.schemas.create(schema("Thing", n="Number"))
    with pytest.raises(ClassExists):
        database.schemas.create(schema("Thing", n="String"))
    assert database.schemas.all() == [schema("Thing", n="Number")]


def test_column_is_added_once_and_keeps_its_type(database):
    database.schemas.create(schema("Thing", n="Number"))
    database.schemas.add_columns("Thing", {"p": ColumnType("Pointer", "_User")})
    database.schemas.add_columns("Thing", {"p": ColumnType("Pointer", "_User")})
    for other in [ColumnType("String"), ColumnType("Pointer", "Other")]:
        with pytest.raises(ColumnConflict):
            database.schemas.add_columns("Thing", {"p": other})
    assert database.schemas.all() == [schema("Thing", n="Number", p="Pointer _User")]


def test_columns_are_added_together_beside_those_that_are_there(database, needs):
    needs("more than 99 changes in one call")
    number = ColumnType("Number")
    database.schemas.create(schema("Thing", n="Number"))
    many = {f"c{number}": ColumnType("String") for number in range(200)}
    database.schemas.add_columns("Thing", {"n": number, **many})
    database.schemas.add_columns("Thing", {})
    [found] = database.schemas.all()
    assert found == ClassSchema("Thing", {"n": number, **many})
    with pytest.raises(ColumnConflict, match=r"Thing\.n is"):
        database.schemas.add_columns("Thing", {"new": number, "n": ColumnType("String")})
    [found] = database.schemas.all()
    assert found.columns["n"] == number


def test_of_two_types_for_a_new_column_one_wins(database):
    database.schemas.create(schema("Thing"))
    outcomes = run_at_once(
        *(
            lambda kind=kind: database.schemas.add_columns("Thing", {"c": ColumnType(kind)})
            for kind in ["Number", "String"] * 4
        )
    )
    assert sum(isinstance(outcome, ColumnConflict) for outcome in outcomes) == 4
    assert sum(outcome is None for outcome in outcomes) == 4


# --- relations ----------------------------------------------------------------------------------

LIKES = Join("likes", "Thing")


def test_relation_can_be_read_from_both_sides(database):
    relations = database.relations
    relations.add(LIKES, "a", ["x", "y"])
    relations.add(LIKES, "b", ["y"])
    assert sorted(relations.related_ids(LIKES, ["a", "b", "c"])) == ["x", "y"]
    assert sorted(relations.owning_ids(LIKES, ["y"])) == ["a", "b"]
    assert relations.owning_ids(LIKES, ["z"]) == []
    assert relations.related_ids(LIKES, []) == []
    assert sorted(relations.all(LIKES)) == [("a", "x"), ("a", "y"), ("b", "y")]


def test_relating_twice_and_parting_twice_are_fine(database):
    relations = database.relations
    for _ in range(2):
        relations.add(LIKES, "a", ["x", "y", "x"])
    assert sorted(relations.all(LIKES)) == [("a", "x"), ("a", "y")]
    for _ in range(2):
        relations.remove(LIKES, "a", ["x", "z"])
    assert list(relations.all(LIKES)) == [("a", "y")]


def test_a_relation_ends_for_everybody(database):
    relations = database.relations
    relations.add(LIKES, "a", ["x"])
    relations.add(LIKES, "b", ["y"])
    relations.drop(LIKES)
    relations.drop(LIKES)
    assert list(relations.all(LIKES)) == []
    relations.add(LIKES, "a", ["x"])
    assert relations.related_ids(LIKES, ["a", "b"]) == ["x"]


def test_relations_of_other_keys_and_classes_are_others(database):
    database.relations.add(LIKES, "a", ["x"])
    for other in [Join("likes", "Other"), Join("hates", "Thing")]:
        database.relations.remove(other, "a", ["x"])
        assert database.relations.related_ids(other, ["a"]) == []
        assert list(database.relations.all(other)) == []
    assert database.relations.related_ids(LIKES, ["a"]) == ["x"]


# --- files --------------------------------------------------------------------------------------

BYTES = bytes(range(256)) * 2000  # more than one chunk of GridFS


def test_file_comes_back_whole_and_in_parts(database):
    files = database.files
    files.put("a b@1.jpg", BYTES, {"author": "alice", "n": 1})
    stored = files.stat("a b@1.jpg")
    assert (stored.name, stored.length) == ("a b@1.jpg", len(BYTES))
    assert dict(stored.metadata) == {"author": "alice", "n": 1}
    assert files.read("a b@1.jpg") == BYTES
    assert files.read("a b@1.jpg", 5, 10) == BYTES[5:10]
    assert files.read("a b@1.jpg", 261_000, 262_000) == BYTES[261_000:262_000]
    assert files.read("a b@1.jpg", len(BYTES) - 3) == BYTES[-3:]
    assert files.read("a b@1.jpg", 7, 7) == b""
    assert list(files.names()) == ["a b@1.jpg"]


def test_missing_file_is_none(database):
    assert database.files.stat("a.jpg") is None
    assert database.files.read("a.jpg") is None
    assert database.files.delete("a.jpg") is False
    assert list(database.files.names()) == []


def test_newer_file_of_the_same_name_wins_and_delete_takes_both(database):
    database.files.put("a.jpg", b"old and longer", {})
    database.files.put("a.jpg", b"new", {})
    assert database.files.read("a.jpg") == b"new"
    assert database.files.stat("a.jpg").length == 3
    assert list(database.files.names()) == ["a.jpg"]
    assert database.files.delete("a.jpg") is True
    assert database.files.read("a.jpg") is None


def test_empty_file_is_a_file(database):
    database.files.put("empty.jpg", b"", {})
    assert database.files.stat("empty.jpg").length == 0
    assert database.files.read("empty.jpg") == b""


# --- the database itself ------------------------------------------------------------------------


def test_database_that_answers_is_pinged(database):
    database.ping()


@pytest.fixture
def out_of_reach(tmp_path):
    """A SQLite database; `test_mongo_database` has the other."""
    opened = SqliteDatabase(tmp_path / "no such folder")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda database: database.objects.get(THING, "abc"),
        lambda database: database.objects.find(THING, Query()),
        lambda database: database.objects.count(THING, EVERYTHING),
        lambda database: database.objects.insert(THING, thing()),
        lambda database: update(database.objects, {"n": Set(1)}),
        lambda database: database.objects.update_all(THING, EVERYTHING, {"n": Set(1)}),
        lambda database: database.objects.delete(THING, EVERYTHING),
        lambda database: database.objects.ensure_index(THING, Index("n_1", ("n",))),
        lambda database: database.schemas.all(),
        lambda database: database.schemas.create(THING),
        lambda database: database.schemas.add_columns("Thing", {"n": ColumnType("Number")}),
        lambda database: database.relations.add(LIKES, "a", ["b"]),
        lambda database: database.relations.remove(LIKES, "a", ["b"]),
        lambda database: database.relations.related_ids(LIKES, ["a"]),
        lambda database: database.relations.owning_ids(LIKES, ["a"]),
        lambda database: list(database.relations.all(LIKES)),
        lambda database: database.files.put("a.jpg", b"", {}),
        lambda database: database.ping(),
    ],
)
def test_every_method_says_when_the_database_is_out_of_reach(out_of_reach, call):
    with pytest.raises(StoreUnavailable):
        call(out_of_reach)
