"""Receivers that do not take what they are sent, for the operator."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.storage.port import All, Equals, Exists, ObjectStore, Query, SortKey
from server.webhooks.deliveries import SCHEMA, DeliveryState
from server.webhooks.receivers import Receiver


@dataclass(frozen=True, slots=True)
class Failure:
    """How many posts to a receiver failed and wait to be sent again, and why the last one did.

    `url` is without its query.
    """

    url: str
    posts: int
    problem: str


def failures(objects: ObjectStore, receivers: Iterable[Receiver]) -> Iterator[Failure]:
    """Yield those that fail. Raises StoreUnavailable."""
    for receiver in receivers:
        is_waiting = Equals("state", DeliveryState.WAITING.value)
        where = All((Equals("url", receiver.shown), is_waiting, Exists("lastError", exists=True)))
        newest = Query(where, order=(SortKey("updatedAt", descending=True),), limit=1)
        for row in objects.find(SCHEMA, newest):
            yield Failure(receiver.shown, objects.count(SCHEMA, where), row["lastError"])
