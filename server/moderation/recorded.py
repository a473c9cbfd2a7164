"""The predictions on record: one image and model after the other, by objectId."""

from collections.abc import Iterator
from dataclasses import replace

from cloud.moderation.policy_check import Recorded
from cloud.moderation.predictions import from_objects
from server.moderation.classifications import SCHEMA
from server.storage.port import Compares, ObjectStore, Order, Query, SortKey

_PAGE = 500


def recorded_predictions(store: ObjectStore) -> Iterator[Recorded]:
    """Yield every ImageClassification, by its objectId, a page in memory at a time."""
    columns = frozenset(["predictions"])
    query = Query(order=(SortKey("objectId"),), limit=_PAGE, columns=columns)
    while documents := store.find(SCHEMA, query):
        for document in documents:
            yield Recorded(document["objectId"], from_objects(document["predictions"]))
        after = Compares("objectId", Order.GREATER, documents[-1]["objectId"])
        query = replace(query, where=after)
