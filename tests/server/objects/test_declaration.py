"""Classes of the server's own are there before they are used."""

import pytest

from cloud.clock import utc_now
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import column_types
from server.storage.port import ClassSchema, DuplicateObject, Equals, Index, Query

COLOURS = ClassSchema("Colours", column_types(name="String"))
SHAPES = ClassSchema("Shapes", column_types(corners="Number"))
UNIQUE = Index("name_1", ("name",), unique=True)


def row(object_id, **columns):
    now = utc_now()
    return {"objectId": object_id, "createdAt": now, "updatedAt": now, **columns}


def test_classes_and_their_indexes_are_there_after_the_first_call(database):
    schemas = Schemas(database.schemas, clients_make_classes=False)
    Declaration(database.objects, schemas, (COLOURS, [UNIQUE]), (SHAPES, []))()
    assert schemas.is_stored("Colours")
    assert schemas.is_stored("Shapes")
    database.objects.insert(COLOURS, row("one", name="red"))
    with pytest.raises(DuplicateObject):
        database.objects.insert(COLOURS, row("two", name="red"))
    assert len(database.objects.find(COLOURS, Query(Equals("name", "red")))) == 1


def test_later_calls_ask_the_database_nothing(database):
    schemas = Schemas(database.schemas, clients_make_classes=False)
    declare = Declaration(database.objects, schemas, (COLOURS, [UNIQUE]))
    declare()
    schemas.drop("Colours")
    declare()
    assert not schemas.is_stored("Colours")
