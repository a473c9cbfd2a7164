"""Every write to a published class is told, on each database, by whichever method it is made."""

import pytest

from cloud.clock import utc_now
from cloud.operations import Increment, Set
from cloud.values import Pointer
from server.live_query.publishing import PublishingObjects
from server.live_query.writes import PublishedClasses, Write
from server.objects.schemas import Schemas
from server.storage.port import ClassSchema, ColumnType, Compares, DuplicateObject, Equals, Order

COLUMNS = {"n": ColumnType("Number"), "owner": ColumnType("Pointer", "_User")}
NOTE, NARROW = ClassSchema("Note", COLUMNS), ClassSchema("Note", {"n": COLUMNS["n"]})


class Told:
    """A Bus that keeps what it is given."""

    def __init__(self):
        self.writes, self.losses = [], 0

    def publish(self, write):
        self.writes.append(write)

    def lose(self):
        self.losses += 1

    def changes(self):
        """What was told of `n`, before and after."""
        seen = [
            tuple(row and row.get("n") for row in (write.before, write.after))
            for write in self.writes
        ]
        self.writes.clear()
        return sorted(seen, key=repr)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def objects(database, told):
    schemas = Schemas(database.schemas, clients_make_classes=True)
    schemas.declare(NOTE)
    return PublishingObjects(
        database.objects, schemas, PublishedClasses(["Note"]), told, max_told=4
    )


def row(object_id, n=1):
    now = utc_now()
    return {"objectId": object_id, "createdAt": now, "updatedAt": now, "n": n}


def test_a_new_object(objects, told):
    objects.insert(NOTE, {**row("a"), "_secret": 1})
    assert told.writes[0].before is None
    assert told.writes[0].after.keys() == {"objectId", "createdAt", "updatedAt", "n"}
    with pytest.raises(DuplicateObject):
        objects.insert(NOTE, row("a"))
    assert len(told.writes) == 1


def test_a_change_and_what_was_there_before(objects, told):
    objects.insert(NOTE, row("a"))
    told.changes()
    objects.update(NOTE, Equals("objectId", "a"), {"n": Increment(1)})
    assert told.changes() == [(1, 2)]
    assert objects.update(NOTE, Equals("n", 7), {"n": Set(8)}) is None
    assert told.changes() == []


def test_a_writer_that_knows_few_columns_tells_of_all(objects, told):
    alice = Pointer("_User", "alice")
    objects.insert(NOTE, {**row("a"), "owner": alice})
    told.changes()
    objects.update(NARROW, Equals("objectId", "a"), {"n": Set(2)})
    assert [write.after["owner"] for write in told.writes] == [alice]
    assert [write.before["owner"] for write in told.writes] == [alice]


def test_an_upsert_is_new_or_a_change(objects, told):
    for _ in range(2):
        objects.update(NOTE, Equals("objectId", "a"), {"n": Increment(1)}, upsert=True)
    assert told.changes() == [(1, 2), (None, 1)]


def test_changes_of_many(objects, told):
    for n in range(4):
        objects.insert(NOTE, row(f"a{n}", n))
    told.changes()
    above = Compares("n", Order.GREATER, 1)
    assert objects.update_all(NOTE, above, {"n": Set(0)}) == 2
    assert told.changes() == [(2, 0), (3, 0)]


def test_deletions(objects, told):
    for n in range(3):
        objects.insert(NOTE, row(f"a{n}", n))
    told.changes()
    assert objects.delete(NOTE, Compares("n", Order.GREATER, 0)) == 2
    assert told.changes() == [(1, None), (2, None)]
    assert objects.delete(NOTE, Equals("n", 9)) == 0
    assert told.changes() == []


def test_what_is_too_much_to_tell_is_a_loss(objects, told):
    for n in range(5):
        objects.insert(NOTE, row(f"a{n}"))
    told.changes()
    assert objects.update_all(NOTE, Equals("n", 1), {"n": Set(2)}) == 5
    assert objects.delete(NOTE, Equals("n", 2)) == 5
    assert (told.changes(), told.losses) == ([], 2)


def test_other_classes_are_not_told(objects, told, database):
    other = ClassSchema("Other", COLUMNS)
    database.schemas.create(other)
    objects.insert(other, row("a"))
    objects.update(other, Equals("objectId", "a"), {"n": Set(2)})
    objects.update_all(other, Equals("n", 2), {"n": Set(3)})
    objects.delete(other, Equals("n", 3))
    assert told.writes == []


def test_a_write_is_of_its_class(objects, told):
    objects.insert(NOTE, row("a"))
    assert isinstance(told.writes[0], Write)
    assert told.writes[0].class_name == "Note"
