"""What waits, and since when: to be judged, for a moderator, for an admin."""

from collections.abc import Mapping

from admin.ports.figures import Waiting
from cloud.moderation.items import Lane, State
from server.moderation.items import ITEM
from server.storage.port import Condition, Equals, ObjectStore, Query, SortKey

QUEUES: Mapping[str, Condition] = {
    "pending": Equals("state", State.PENDING.value),
    "review": Equals("lane", Lane.REVIEW.value),
    "escalated": Equals("lane", Lane.ESCALATED.value),
}


def waiting(objects: ObjectStore, queue: str) -> Waiting:
    """How many items wait in one of the QUEUES, and since when the oldest of them is there.

    Served by an index however many wait. Raises StoreUnavailable.
    """
    where = QUEUES[queue]
    query = Query(where, order=(SortKey("createdAt"),), limit=1, columns=frozenset(["state"]))
    oldest = objects.find(ITEM, query)
    count = objects.count(ITEM, where) if oldest else 0
    return Waiting(count, oldest[0]["createdAt"] if oldest else None)
