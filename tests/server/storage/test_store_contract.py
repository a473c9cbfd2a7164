"""What every ObjectStore promises, on each of them."""

import threading
from datetime import UTC, datetime

import pytest

from cloud.moderation.errors import StoreUnavailable
from server.storage.mongo import MongoStore
from server.storage.port import ClassSchema, Delete, DuplicateObject, Increment, Set
from server.storage.sqlite import SqliteStore

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)


def thing(object_id="abc", **columns):
    return {"objectId": object_id, "createdAt": MOMENT, "updatedAt": MOMENT, **columns}


def test_object_comes_back_as_it_was_inserted(store):
    document = thing(
        text="ü€😀\n\0",
        whole=7,
        big=2**53 - 1,
        fraction=0.1,
        yes=True,
        nothing=None,
        when=MOMENT,
        raw=b"\0\xff",
        list=[1, "b", {"c": [None, False]}],
        object={"nested": {"n": 1.5}, "when": MOMENT},
        ACL={"*": {"read": True}, "alice": {"read": True, "write": True}},
    )
    store.insert("Thing", document)
    assert store.get("Thing", "abc") == document


def test_missing_object_is_none(store):
    assert store.get("Thing", "abc") is None
    store.insert("Thing", thing())
    assert store.get("Other", "abc") is None


def test_empty_acl_stays_empty(store):
    store.insert("Thing", thing(ACL={}))
    assert store.get("Thing", "abc")["ACL"] == {}


def test_object_without_acl_has_none(store):
    store.insert("Thing", thing())
    assert "ACL" not in store.get("Thing", "abc")


def test_second_insert_is_a_duplicate_and_changes_nothing(store):
    store.insert("Thing", thing(n=1))
    with pytest.raises(DuplicateObject):
        store.insert("Thing", thing(n=2))
    assert store.get("Thing", "abc")["n"] == 1


def test_operations_are_applied_at_once_and_the_new_object_returned(store):
    store.insert("Thing", thing(n=1, gone="x", kept="y"))
    updated = store.update(
        "Thing", "abc", {"n": Increment(2), "fresh": Increment(5), "gone": Delete(), "t": Set("z")}
    )
    assert updated == thing(n=3, fresh=5, kept="y", t="z")
    assert store.get("Thing", "abc") == updated


def test_dates_and_booleans_can_be_set(store, gap_of_nx):
    gap_of_nx("its updates turn booleans into 0/1 and dates into text")
    store.insert("Thing", thing())
    updated = store.update("Thing", "abc", {"updatedAt": Set(MOMENT), "b": Set(True)})
    assert updated["b"] is True
    assert updated["updatedAt"] == MOMENT
    assert store.get("Thing", "abc") == updated


def test_dotted_paths_reach_into_objects(store):
    store.insert("Thing", thing(o={"keep": 1, "drop": 2}))
    updated = store.update("Thing", "abc", {"o.drop": Delete(), "o.new": Set({"x": 1})})
    assert updated["o"] == {"keep": 1, "new": {"x": 1}}


def test_update_of_a_missing_object_is_none_and_makes_nothing(store):
    assert store.update("Thing", "abc", {"n": Set(1)}) is None
    assert store.get("Thing", "abc") is None


def test_upsert_makes_the_object_from_its_operations(store):
    made = store.update("_GlobalConfig", 1, {"params.a": Set("x")}, upsert=True)
    assert made == {"objectId": 1, "params": {"a": "x"}}
    store.update("_GlobalConfig", 1, {"params.b": Set("y")}, upsert=True)
    assert store.get("_GlobalConfig", 1)["params"] == {"a": "x", "b": "y"}


def test_concurrent_increments_are_all_counted(store):
    store.insert("Thing", thing(n=0))
    threads = [
        threading.Thread(
            target=lambda: [store.update("Thing", "abc", {"n": Increment(1)}) for _ in range(25)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("Thing", "abc")["n"] == 100


def test_class_can_be_declared_again_and_again(store):
    schema = ClassSchema("Thing", {"n": "Number", "t": "String"})
    store.declare_class(schema)
    store.declare_class(schema)


def test_database_that_answers_is_pinged(store):
    store.ping()


@pytest.fixture(params=["sqlite", "mongodb"])
def store_out_of_reach(request, tmp_path):
    if request.param == "sqlite":
        return SqliteStore(tmp_path / "no such folder" / "store.sqlite3")
    return MongoStore("mongodb://127.0.0.1:9/test?serverSelectionTimeoutMS=200")


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get("Thing", "abc"),
        lambda store: store.insert("Thing", thing()),
        lambda store: store.update("Thing", "abc", {"n": Set(1)}),
        lambda store: store.declare_class(ClassSchema("Thing", {})),
        lambda store: store.ping(),
    ],
)
def test_every_method_says_when_the_database_is_out_of_reach(store_out_of_reach, call):
    with pytest.raises(StoreUnavailable):
        call(store_out_of_reach)
    store_out_of_reach.close()
