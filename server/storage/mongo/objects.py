"""The ObjectStore in MongoDB: one collection for each class."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from pymongo import ReturnDocument
from pymongo.collation import Collation
from pymongo.database import Database
from pymongo.errors import OperationFailure

from cloud.operations import Operation
from server.storage.matching import nearest_to
from server.storage.mongo.columns import stored_path
from server.storage.mongo.errors import (
    INDEX_TIMEOUT_S,
    more_time,
    refused_queries,
    translated_errors,
)
from server.storage.mongo.filters import (
    text_search,
    to_filter,
    to_hint,
    to_projection,
    to_sort,
    without_order,
)
from server.storage.mongo.reading import collection, explained, keyed_hint, rows_within
from server.storage.mongo.rows import Row, parse_row, stored_row
from server.storage.mongo.special_indexes import ensure_text_index, make_geo_index
from server.storage.mongo.updates import to_update
from server.storage.port import (
    EVERYTHING,
    ClassSchema,
    Condition,
    Document,
    DuplicateObject,
    Equals,
    Index,
    ObjectId,
    Query,
    Refused,
)

_IGNORE_CASE = Collation(locale="en_US", strength=2)  # as Parse Server's indexes have it

_NO_GEO_INDEX = re.compile("unable to find index for .geoNear")
_INDEX_EXISTS_OTHERWISE = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict
_NO_SUCH_INDEX = (26, 27)  # NamespaceNotFound, IndexNotFound
# BadValue, CannotCreateIndex, the two above; 16755, 13068: what stands in a column has no place.
_NO_SUCH_INDEX_CAN_BE = (2, 67, *_INDEX_EXISTS_OTHERWISE, 13068, 16755)
_IN_EVERY_OBJECT = frozenset({"objectId", "createdAt", "updatedAt"})


class MongoObjects:
    """The ObjectStore; see the port for its contract."""

    def __init__(self, database: Database[Row]) -> None:
        self._database = database

    def get(self, schema: ClassSchema, object_id: ObjectId) -> Document | None:
        where = to_filter(schema, Equals("objectId", object_id))
        with translated_errors():
            row = self._database[schema.class_name].find_one(where)
        return None if row is None else parse_row(schema, row)

    def find(self, schema: ClassSchema, query: Query) -> list[Document]:
        if query.limit == 0:  # which means "no limit" to MongoDB
            return []
        search = text_search(query.where)
        with translated_errors(), refused_queries() if query.hint or search else nullcontext():
            if search is not None:
                ensure_text_index(self._database, schema, search)
            return self._found(schema, query)

    def explain(self, schema: ClassSchema, query: Query, verbosity: str) -> Any:
        asked: dict[str, Any] = {
            "find": schema.class_name,
            "filter": to_filter(schema, query.where),
            "projection": to_projection(schema, query.columns),
            "sort": dict(to_sort(schema, query.order)),
            "skip": query.skip,
            "limit": query.limit,
            "hint": None if query.hint is None else keyed_hint(query.hint),
        }
        given = {name: part for name, part in asked.items() if part not in (None, {})}
        given.setdefault("filter", {})
        with translated_errors(), refused_queries():
            return explained(self._database, given, verbosity)

    def _found(self, schema: ClassSchema, query: Query) -> list[Document]:
        """Find objects; by distance MongoDB does that with an index only, which as in Parse Server
        is made when it is missed."""
        try:
            return self._asked(schema, query)
        except OperationFailure as error:
            near = nearest_to(replace(query, order=()))
            if near is None or not _NO_GEO_INDEX.search(str(error)):
                raise
        make_geo_index(self._database, schema, near.path)
        return self._asked(schema, query)

    def _asked(self, schema: ClassSchema, query: Query) -> list[Document]:
        hint = None if query.hint is None else to_hint(query.hint)
        if query.index is not None:
            hint = _keys(schema, query.index)
        stored = collection(self._database, schema, query.read_preference)
        asked: dict[str, Any] = {
            "filter": to_filter(schema, query.where),
            "projection": to_projection(schema, query.columns, with_score=query.with_score),
            "sort": to_sort(schema, query.order) or None,
            "skip": query.skip,
            "limit": query.limit or 0,
            "collation": _IGNORE_CASE if query.ignore_case else None,
            "hint": hint,
            "comment": query.comment,
        }
        rows: Iterable[Row]
        if query.budget is None:
            rows = stored.find(**asked)
        else:
            batches = stored.find_raw_batches(**asked)
            rows = rows_within(batches, stored.codec_options, query.budget)
        return [parse_row(schema, row) for row in rows]

    def values(
        self, schema: ClassSchema, columns: Sequence[str], where: Condition
    ) -> Iterator[tuple[Any, ...]]:
        selected = to_filter(schema, where)
        paths = {stored_path(schema, name): _is_number(schema, name) for name in columns}
        wanted = {"_id": False} | dict.fromkeys(paths, True)
        with translated_errors():
            for row in self._database[schema.class_name].find(selected, wanted):
                yield tuple(_plain(row.get(path), number) for path, number in paths.items())

    def count(self, schema: ClassSchema, where: Condition, index: Index | None = None) -> int:
        """Count; without a condition by what MongoDB keeps anyway, as Parse Server does."""
        objects = self._database[schema.class_name]
        search = text_search(where)
        with translated_errors(), refused_queries() if search else nullcontext():
            if where == EVERYTHING:
                return objects.estimated_document_count()
            if search is not None:
                ensure_text_index(self._database, schema, search)
            hint: dict[str, Any] = {} if index is None else {"hint": _keys(schema, index)}
            return objects.count_documents(to_filter(schema, without_order(where)), **hint)

    def insert(self, schema: ClassSchema, document: Document) -> None:
        row = stored_row(schema, document)
        with translated_errors():
            self._database[schema.class_name].insert_one(row)

    def update(
        self,
        schema: ClassSchema,
        where: Condition,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        selected, update = to_filter(schema, where), to_update(schema, operations)
        try:
            row = self._find_one_and_update(schema, selected, update, upsert)
        except DuplicateObject as error:
            if not (upsert and error.column in (None, "objectId")):
                raise
            # Another upsert made the row between our search and our insert.
            row = self._find_one_and_update(schema, selected, update, upsert)
        return None if row is None else parse_row(schema, row)

    def _find_one_and_update(
        self, schema: ClassSchema, where: Row, update: Row, upsert: bool
    ) -> Row | None:
        with translated_errors():
            return self._database[schema.class_name].find_one_and_update(
                where, update, upsert=upsert, return_document=ReturnDocument.AFTER
            )

    def update_all(
        self, schema: ClassSchema, where: Condition, operations: Mapping[str, Operation]
    ) -> int:
        selected, update = to_filter(schema, where), to_update(schema, operations)
        with translated_errors():
            return self._database[schema.class_name].update_many(selected, update).matched_count

    def delete(self, schema: ClassSchema, where: Condition) -> int:
        selected = to_filter(schema, where)
        with translated_errors():
            return self._database[schema.class_name].delete_many(selected).deleted_count

    def ensure_index(self, schema: ClassSchema, index: Index) -> None:
        """Make the index if it is not there yet; one that is there for the same columns will do,
        except that a unique one has to be."""
        keys = _keys(schema, index)
        with translated_errors(), more_time(self._database, INDEX_TIMEOUT_S):
            try:
                self._database[schema.class_name].create_index(keys, **_options(index))
            except OperationFailure as error:
                if index.kinds and error.code in _NO_SUCH_INDEX_CAN_BE:
                    raise Refused(f"MongoDB: {error}") from error
                if index.kinds or index.unique or error.code not in _INDEX_EXISTS_OTHERWISE:
                    raise

    def drop_index(self, schema: ClassSchema, index: Index) -> None:
        with translated_errors():
            try:
                self._database[schema.class_name].drop_index(index.name)
            except OperationFailure as error:
                if error.code not in _NO_SUCH_INDEX:
                    raise

    def drop(self, schema: ClassSchema) -> int:
        collection = self._database[schema.class_name]
        with translated_errors():
            in_the_way = collection.count_documents({})
            if not in_the_way:
                collection.drop()
        return in_the_way


def _keys(schema: ClassSchema, index: Index) -> list[tuple[str, int | str]]:
    kinds = index.kinds or (1,) * len(index.columns)
    paths = [stored_path(schema, column) for column in index.columns]
    return list(zip(paths, kinds, strict=True))


def _is_number(schema: ClassSchema, name: str) -> bool:
    return name in schema.columns and schema.columns[name].kind == "Number"


def _plain(value: Any, is_number: bool) -> Any:
    if is_number:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, str) else None


def _options(index: Index) -> dict[str, Any]:
    """Return an index's options as Parse Server gives them: sparse, so that objects without the
    columns stay out. Where each object has one of them that would only forbid sorting by it."""
    if index.kinds:
        return {"name": index.name}
    options: dict[str, Any] = {"name": index.name, "unique": index.unique}
    options["sparse"] = _IN_EVERY_OBJECT.isdisjoint(index.columns)
    if index.expires:
        options["expireAfterSeconds"] = 0
    return options | ({"collation": _IGNORE_CASE} if index.ignore_case else {})
