"""Copy everything from one database to another: when an installation outgrows its file.

Indexes are made again: here those that somebody asked for, by a server those that it needs.
"""

import itertools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from server.storage.mongo.database import MongoDatabase
from server.storage.port import (
    EVERYTHING,
    ClassExists,
    ClassSchema,
    Compares,
    Database,
    Document,
    Index,
    Join,
    ObjectStore,
    Order,
    Query,
    Refused,
    SchemaChange,
    SortKey,
)
from server.storage.sqlite.database import FILE_NAME, SqliteDatabase

_BATCH = 500
_WRITERS = 8  # MongoDB acknowledges a write only when others have it too


class CannotCopy(Exception):
    """The copy cannot begin, or is not whole; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """How many of something have been copied."""

    what: str
    count: int


def open_source(place: str) -> Database:
    """Open the database of a MongoDB URI or data folder. Raises CannotCopy."""
    if not _is_uri(place) and not (Path(place) / FILE_NAME).is_file():
        raise CannotCopy(f"there is no {FILE_NAME} in {place}")
    return _open(place)


def open_target(place: str) -> Database:
    """Open the database of a MongoDB URI or data folder, made if need be. Raises CannotCopy."""
    if not _is_uri(place):
        try:
            Path(place).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotCopy(f"the folder {place} cannot be made: {error}") from None
    return _open(place)


def _is_uri(place: str) -> bool:
    return place.startswith(("mongodb://", "mongodb+srv://"))


def _open(place: str) -> Database:
    if not _is_uri(place):
        return SqliteDatabase(Path(place))
    try:
        return MongoDatabase(place)
    except ValueError as error:
        raise CannotCopy(str(error)) from None


def copy_database(
    source: Database, target: Database, system_classes: Mapping[str, ClassSchema]
) -> Iterator[Copied]:
    """Copy class by class, then the files; yield what is done. The source stays as it is.

    System classes may hold objects without standing among the schemas. Nobody else may write to
    either database meanwhile. Raises CannotCopy when the target holds objects or files already,
    or the source holds what cannot be copied.
    """
    _require_empty(target, system_classes)
    stored = {schema.class_name: schema for schema in source.schemas.all()}
    for schema in stored.values():
        _create(target, replace(schema, indexes={}))
    for schema in _whole(stored, system_classes):
        count = _copy_objects(source.objects, target.objects, schema)
        if count or schema.class_name in stored:
            yield Copied(f"objects of {schema.class_name}", count)
        if schema.indexes:
            yield Copied(f"indexes of {schema.class_name}", _copy_indexes(target, schema))
        for key, column in schema.columns.items():
            if column.kind == "Relation":
                count = _copy_relation(source, target, Join(key, schema.class_name))
                if count:
                    yield Copied(f"relations {key} of {schema.class_name}", count)
    yield Copied("files", _copy_files(source, target))


def _whole(
    stored: Mapping[str, ClassSchema], system_classes: Mapping[str, ClassSchema]
) -> list[ClassSchema]:
    """Every class that may hold objects, system classes with all their columns."""
    merged = {**system_classes, **stored}
    for name in stored.keys() & system_classes.keys():
        columns = {**system_classes[name].columns, **stored[name].columns}
        merged[name] = replace(stored[name], columns=columns)
    return sorted(merged.values(), key=lambda schema: schema.class_name)


def _require_empty(target: Database, system_classes: Mapping[str, ClassSchema]) -> None:
    stored = {schema.class_name: schema for schema in target.schemas.all()}
    for schema in _whole(stored, system_classes):
        if target.objects.find(schema, Query(limit=1)):
            raise CannotCopy(
                f"the target holds objects of {schema.class_name} already; name an empty one"
            )
    if next(target.files.names(), None) is not None:
        raise CannotCopy("the target holds files already; name an empty one")


def _create(target: Database, schema: ClassSchema) -> None:
    try:
        target.schemas.create(schema)
    except ClassExists:  # made by a server that once ran on the target
        target.schemas.add_columns(schema.class_name, schema.columns)


def _copy_indexes(target: Database, schema: ClassSchema) -> int:
    """Make the indexes that somebody asked for, those that this database can have."""
    made = {}
    for name, keys in schema.indexes.items():
        try:
            if keys != {"_id": 1}:  # which every class has
                target.objects.ensure_index(schema, Index.asked_for(name, keys))
        except Refused:
            continue
        made[name] = keys
    target.schemas.change(schema.class_name, SchemaChange(indexes=made))
    return len(made)


def _copy_objects(source: ObjectStore, target: ObjectStore, schema: ClassSchema) -> int:
    def insert(document: Document) -> None:
        try:
            target.insert(schema, document)
        except (TypeError, ValueError) as error:
            name = f"{schema.class_name} {document['objectId']}"
            raise CannotCopy(f"{name} cannot be stored: {error}") from error

    copied = 0
    with ThreadPoolExecutor(_WRITERS) as writers:
        for batch in _batches(source, schema):
            copied += sum(1 for _ in writers.map(insert, batch))
    there = source.count(schema, EVERYTHING)
    if copied != there:
        raise CannotCopy(
            f"of {there} objects of {schema.class_name} {copied} were copied; is something else "
            "writing to the source, or are there objectIds that are no texts?"
        )
    return copied


def _batches(source: ObjectStore, schema: ClassSchema) -> Iterator[list[Document]]:
    """Read a class in the order of objectIds, which both databases have an index for."""
    by_id = (SortKey("objectId"),)
    query = Query(order=by_id, limit=_BATCH)
    while batch := source.find(schema, query):
        yield batch
        query = replace(query, where=Compares("objectId", Order.GREATER, batch[-1]["objectId"]))


def _copy_relation(source: Database, target: Database, join: Join) -> int:
    copied = 0
    for owning_id, pairs in itertools.groupby(source.relations.all(join), key=lambda pair: pair[0]):
        related_ids = [related_id for _, related_id in pairs]
        for start in range(0, len(related_ids), _BATCH):
            target.relations.add(join, owning_id, related_ids[start : start + _BATCH])
        copied += len(related_ids)
    return copied


def _copy_files(source: Database, target: Database) -> int:
    copied = 0
    for name in source.files.names():
        stored, data = source.files.stat(name), source.files.read(name)
        if stored is None or data is None:
            raise CannotCopy(f"the file {name} went away; is something else writing to the source?")
        target.files.put(name, data, stored.metadata)
        copied += 1
    return copied
