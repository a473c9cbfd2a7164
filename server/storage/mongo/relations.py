"""The RelationStore in MongoDB: Parse Server's collections `_Join:key:Class`."""

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import IndexModel, UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from server.storage.mongo.errors import INDEX_TIMEOUT_S, more_time, translated_errors
from server.storage.port import Join


class MongoRelations:
    """The RelationStore; see the port for its contract."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._database = database
        self._indexed: set[Join] = set()

    def add(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        rows = [{"relatedId": related_id, "owningId": owning_id} for related_id in related_ids]
        if not rows:
            return
        with translated_errors():
            self._ensure_indexes(join)
            self._rows(join).bulk_write(
                [UpdateOne(row, {"$set": row}, upsert=True) for row in rows]
            )

    def remove(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        with translated_errors():
            self._rows(join).delete_many(
                {"owningId": owning_id, "relatedId": {"$in": list(related_ids)}}
            )

    def related_ids(self, join: Join, owning_ids: Sequence[str]) -> list[str]:
        return self._others(join, "owningId", owning_ids, "relatedId")

    def owning_ids(self, join: Join, related_ids: Sequence[str]) -> list[str]:
        return self._others(join, "relatedId", related_ids, "owningId")

    def all(self, join: Join) -> Iterator[tuple[str, str]]:
        with translated_errors():
            for row in self._rows(join).find({}):
                yield row["owningId"], row["relatedId"]

    def drop(self, join: Join) -> None:
        with translated_errors():
            self._rows(join).drop()
        self._indexed.discard(join)

    def _others(self, join: Join, side: str, ids: Sequence[str], other: str) -> list[str]:
        with translated_errors():
            rows = list(self._rows(join).find({side: {"$in": list(ids)}}, {other: 1, "_id": 0}))
        return list(dict.fromkeys(row[other] for row in rows))  # two rows may say the same

    def _ensure_indexes(self, join: Join) -> None:
        """Index both sides. Parse Server does not, and reads every row of a relation each time."""
        if join not in self._indexed:
            with more_time(self._database, INDEX_TIMEOUT_S):
                self._rows(join).create_indexes([IndexModel("owningId"), IndexModel("relatedId")])
            self._indexed.add(join)

    def _rows(self, join: Join) -> Collection[dict[str, Any]]:
        return self._database[f"_Join:{join.key}:{join.class_name}"]
