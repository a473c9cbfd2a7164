"""Many objects into a database in few transactions: one for each takes minutes."""

from itertools import islice

from server.live_query.publishing import PublishingObjects
from server.storage.mongo.objects import MongoObjects
from server.storage.mongo.rows import stored_row
from server.storage.sqlite.documents import dump

_BATCH = 5000
_INSERT = "INSERT INTO objects (class_name, object_id, document) VALUES (?, ?, ?)"


def insert_all(objects, schema, documents):
    """Insert the documents of one class, past those who are told of changes."""
    if isinstance(objects, PublishingObjects):
        objects = objects._objects
    waiting = iter(documents)
    while batch := list(islice(waiting, _BATCH)):
        if isinstance(objects, MongoObjects):
            rows = [stored_row(schema, document) for document in batch]
            objects._database[schema.class_name].insert_many(rows)
        else:
            rows = [(schema.class_name, one["objectId"], dump(one)) for one in batch]
            with objects._connections.transaction() as connection:
                connection.executemany(_INSERT, rows)
