"""A Database whose writes are published, whoever makes them: the API, moderation, a job.

The seam is the storage port, because that alone is passed by every write of every process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Operation
from server.live_query.bus import Bus
from server.live_query.writes import PublishedClasses, write_of
from server.objects.schemas import Schemas
from server.storage.pipeline import PipelineStore
from server.storage.port import (
    ClassSchema,
    Condition,
    Database,
    Document,
    FileStore,
    Index,
    ObjectId,
    ObjectStore,
    OneOf,
    Query,
    RelationStore,
    SchemaStore,
)
from server.storage.tally_port import TallyStore

# Of a write to more objects at once, listeners are told that they should look for themselves.
_MAX_TOLD = 1_000


class PublishingDatabase:
    """The Database with its objects published; closing it closes the bus as well."""

    def __init__(
        self, database: Database, schemas: Schemas, classes: PublishedClasses, bus: Bus
    ) -> None:
        self._database, self._bus = database, bus
        self._objects = PublishingObjects(database.objects, schemas, classes, bus)

    @property
    def objects(self) -> ObjectStore:
        return self._objects

    @property
    def tallies(self) -> TallyStore:
        return self._database.tallies

    @property
    def pipelines(self) -> PipelineStore:
        return self._database.pipelines

    @property
    def schemas(self) -> SchemaStore:
        return self._database.schemas

    @property
    def relations(self) -> RelationStore:
        return self._database.relations

    @property
    def files(self) -> FileStore:
        return self._database.files

    def ping(self) -> None:
        self._database.ping()

    def now(self) -> datetime:
        return self._database.now()

    def damages(self) -> list[str]:
        return self._database.damages()

    def close(self) -> None:
        self._bus.close()
        self._database.close()


class PublishingObjects:
    """The ObjectStore; see the port for its contract. Tells of writes once they are made.

    What stood there before is read ahead of the write. Of two writes to one object at the same
    moment both may so name the same state before; each is one that the object really had.
    """

    def __init__(
        self,
        objects: ObjectStore,
        schemas: Schemas,
        classes: PublishedClasses,
        bus: Bus,
        *,
        max_told: int = _MAX_TOLD,
    ) -> None:
        self._objects, self._schemas = objects, schemas
        self._classes, self._bus, self._max_told = classes, bus, max_told

    # --- nothing to tell -------------------------------------------------------------------------

    def get(self, schema: ClassSchema, object_id: ObjectId) -> Document | None:
        return self._objects.get(schema, object_id)

    def find(self, schema: ClassSchema, query: Query) -> list[Document]:
        return self._objects.find(schema, query)

    def explain(self, schema: ClassSchema, query: Query, verbosity: str) -> Any:
        return self._objects.explain(schema, query, verbosity)

    def values(
        self, schema: ClassSchema, columns: Sequence[str], where: Condition
    ) -> Iterator[tuple[Any, ...]]:
        return self._objects.values(schema, columns, where)

    def count(self, schema: ClassSchema, where: Condition, index: Index | None = None) -> int:
        return self._objects.count(schema, where, index)

    def ensure_index(self, schema: ClassSchema, index: Index) -> None:
        self._objects.ensure_index(schema, index)

    def drop_index(self, schema: ClassSchema, index: Index) -> None:
        self._objects.drop_index(schema, index)

    def drop(self, schema: ClassSchema) -> int:
        return self._objects.drop(schema)

    # --- writing --------------------------------------------------------------------------------

    def insert(self, schema: ClassSchema, document: Document) -> None:
        self._objects.insert(schema, document)
        if schema.class_name in self._classes:
            self._tell(schema, None, document)

    def update(
        self,
        schema: ClassSchema,
        where: Condition,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        if schema.class_name not in self._classes:
            return self._objects.update(schema, where, operations, upsert=upsert)
        schema = self._whole(schema)
        before = next(iter(self._stored(schema, Query(where, limit=1))), None)
        after = self._objects.update(schema, where, operations, upsert=upsert)
        if after is not None:
            is_same = before is not None and before["objectId"] == after["objectId"]
            is_new = upsert and before is None
            self._tell(schema, before if is_same else None if is_new else after, after)
        return after

    def update_all(
        self, schema: ClassSchema, where: Condition, operations: Mapping[str, Operation]
    ) -> int:
        if schema.class_name not in self._classes:
            return self._objects.update_all(schema, where, operations)
        schema = self._whole(schema)
        before = self._those(schema, where)
        count = self._objects.update_all(schema, where, operations)
        if before is None:
            self._bus.lose()
            return count
        now = self._now(schema, before)
        for object_id in before.keys() & now.keys():
            self._tell(schema, before[object_id], now[object_id])
        return count

    def delete(self, schema: ClassSchema, where: Condition) -> int:
        if schema.class_name not in self._classes:
            return self._objects.delete(schema, where)
        schema = self._whole(schema)
        before = self._those(schema, where)
        count = self._objects.delete(schema, where)
        if before is None:
            self._bus.lose()
            return count
        left = self._now(schema, before) if count < len(before) else {}
        for object_id in before.keys() - left.keys():
            self._tell(schema, before[object_id], None)
        return count

    # --- telling --------------------------------------------------------------------------------

    def _whole(self, schema: ClassSchema) -> ClassSchema:
        """The class's schema: a writer may know only the columns that it writes itself."""
        known = self._schemas.find(schema.class_name)
        columns = {} if known is None else known.columns
        return replace(schema, columns={**columns, **schema.columns})

    def _those(self, schema: ClassSchema, where: Condition) -> dict[ObjectId, Document] | None:
        """What a write of many objects is about to change; None if it is too much to tell."""
        found = self._stored(schema, Query(where, limit=self._max_told + 1))
        return None if len(found) > self._max_told else {row["objectId"]: row for row in found}

    def _now(self, schema: ClassSchema, ids: Iterable[ObjectId]) -> dict[ObjectId, Document]:
        rows = self._stored(schema, Query(OneOf("objectId", tuple(ids))))
        return {row["objectId"]: row for row in rows}

    def _stored(self, schema: ClassSchema, query: Query) -> list[Document]:
        """Read for an event's sake, which no write fails for."""
        try:
            return self._objects.find(schema, query)
        except StoreUnavailable:
            return []

    def _tell(self, schema: ClassSchema, before: Document | None, after: Document | None) -> None:
        self._bus.publish(write_of(schema.class_name, before, after))
