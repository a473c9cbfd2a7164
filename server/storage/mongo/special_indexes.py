"""The indexes without which MongoDB does not answer, made when a query first needs them, as Parse
Server does."""

from typing import Any

from pymongo.collection import Collection
from pymongo.database import Database

from server.storage.mongo.errors import INDEX_TIMEOUT_S, more_time
from server.storage.mongo.rows import Row
from server.storage.port import ClassSchema, FindsText, RefusedQuery


def make_geo_index(database: Database[Row], schema: ClassSchema, path: str) -> None:
    """Make the index by which MongoDB finds what is near."""
    with more_time(database, INDEX_TIMEOUT_S):
        database[schema.class_name].create_index([(path, "2d")])


def ensure_text_index(database: Database[Row], schema: ClassSchema, search: FindsText) -> None:
    """Make the text index unless there is one, of which MongoDB has a single one for a class.

    It searches all of its columns whichever was named. Raises RefusedQuery where the one that was
    named is not among them, or one that is hidden from who asks is.
    """
    collection = database[schema.class_name]
    columns = _text_columns(collection)
    if not columns:
        with more_time(database, INDEX_TIMEOUT_S):
            collection.create_index([(search.path, "text")], name=f"{search.path}_text")
        return
    covers_all = "$**" in columns
    if search.path not in columns and not covers_all:
        raise RefusedQuery(f"the text index of {schema.class_name} is over other columns")
    if search.hidden and (covers_all or not search.hidden.isdisjoint(columns)):
        raise RefusedQuery(f"the text index of {schema.class_name} is over hidden columns as well")


def _text_columns(collection: Collection[Row]) -> set[str]:
    columns: set[str] = set()
    for index in collection.index_information().values():
        keys: list[tuple[str, Any]] = index["key"]
        if any(kind == "text" for _, kind in keys):
            columns |= dict(index.get("weights", {})).keys()
            columns |= {name for name, kind in keys if kind == "text" and name != "_fts"}
    return columns
