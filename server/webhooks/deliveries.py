"""What is to be told to whom, as objects for the master key alone: at once queue and log.

A delivery waits in the database until somebody leases it, so none is lost with a process. Its id
follows from decision and receiver: announcing again adds nothing, and receivers can drop doubles.

An undo withdraws what nobody has leased yet. Lease and withdrawal are conditional changes of the
one row, so a receiver is told of a decision and of its undo, or of neither.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.moderation.items import Decision
from cloud.moderation.webhooks import announcement, is_news
from cloud.operations import Delete, Increment, Operation, Set
from cloud.values import Pointer
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Database,
    Document,
    DuplicateObject,
    Either,
    Equals,
    Index,
    Order,
    Query,
    SortKey,
)
from server.webhooks.receivers import Receiver

SCHEMA = ClassSchema(
    "ModerationWebhookDelivery",
    {
        "url": ColumnType("String"),
        "decision": ColumnType("Pointer", "ModerationDecision"),
        "body": ColumnType("String"),
        "state": ColumnType("String"),
        "attempts": ColumnType("Number"),
        "lastStatus": ColumnType("Number"),
        "lastError": ColumnType("String"),
        "notBefore": ColumnType("Date"),
        "nextAttemptAt": ColumnType("Date"),
        "deliveredAt": ColumnType("Date"),
    },
    permissions=NOBODY,
)
# With the state in it, looking for what is due never reads what is done.
_INDEX = Index("url_state_next", ("url", "state", "nextAttemptAt"))

# No lease and no wait is longer: a time further off was written by a clock that was wrong.
_LONGEST_WAIT = timedelta(hours=2)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    WITHDRAWN = "withdrawn"
    """The decision was undone before anybody was told of it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased delivery; `attempts` counts this one."""

    delivery_id: str
    url: str
    body: str
    attempts: int


class StoredDeliveries:
    """The Notifier port on a Database, and what the deliverer asks of it.

    Thread-safe. Every method raises StoreUnavailable. Without receivers nothing is written.
    """

    def __init__(self, database: Database, schemas: Schemas, receivers: Sequence[Receiver]) -> None:
        self._objects = database.objects
        self._receivers = tuple(receivers)
        self._declare = Declaration(database.objects, schemas, (SCHEMA, [_INDEX]))

    def announce(self, decision: Decision) -> None:
        """See the port."""
        if not is_news(decision):
            return
        for receiver in self._receivers:
            self._declare()
            if self._undone_in_time(decision, receiver):
                continue
            try:
                self._objects.insert(SCHEMA, _document(decision, receiver))
            except DuplicateObject:  # announced before
                continue

    def _undone_in_time(self, decision: Decision, receiver: Receiver) -> bool:
        """Withdraw what an undo takes back; False: it is none, or the receiver may have heard.

        Where other decisions lie between the two, the receiver may have heard of those.
        """
        undone = decision.undone_id
        if undone is None or decision.undoes != decision.number - 1:
            return False
        delivery_id = _delivery_id(undone, receiver)
        untried = All((_is_waiting(delivery_id), Equals("attempts", 0)))
        withdrawn: dict[str, Operation] = {
            "state": Set(DeliveryState.WITHDRAWN.value),
            "nextAttemptAt": Delete(),
        }
        row = self._updated(untried, withdrawn, decision.decided_at)
        row = row or self._objects.get(SCHEMA, delivery_id)
        return row is not None and row["state"] == DeliveryState.WITHDRAWN.value

    def due(self, url: str, now: datetime, limit: int) -> list[str]:
        """Return the ids of deliveries to a receiver that wait no longer, oldest first."""
        self._declare()
        query = Query(
            All((Equals("url", url), _is_due(now))),
            order=(SortKey("nextAttemptAt"),),
            limit=limit,
            columns=frozenset(),
        )
        return [document["objectId"] for document in self._objects.find(SCHEMA, query)]

    def lease(self, delivery_id: str, now: datetime, until: datetime) -> Delivery | None:
        """Take a delivery that is due, and count the attempt; None if it is not to be had.

        Until then nobody else gets it.
        """
        where = All((Equals("objectId", delivery_id), _is_due(now)))
        document = self._updated(
            where, {"nextAttemptAt": Set(until), "attempts": Increment(1)}, now
        )
        return None if document is None else _delivery(document)

    def delivered(self, delivery: Delivery, status: int, now: datetime) -> None:
        """Note that the receiver has it, whoever else may have sent it again meanwhile."""
        operations: dict[str, Operation] = {
            "state": Set(DeliveryState.DELIVERED.value),
            "deliveredAt": Set(now),
            "lastStatus": Set(status),
            "lastError": Delete(),
            "nextAttemptAt": Delete(),
        }
        self._updated(_is_waiting(delivery.delivery_id), operations, now)

    def failed(
        self,
        delivery: Delivery,
        status: int | None,
        problem: str,
        now: datetime,
        next_attempt_at: datetime | None,
    ) -> None:
        """Note why the attempt failed, and when to try again; None: never."""
        operations: dict[str, Operation] = {
            "lastStatus": Delete() if status is None else Set(status),
            "lastError": Set(problem),
        }
        if next_attempt_at is None:
            operations["state"] = Set(DeliveryState.GIVEN_UP.value)
            operations["nextAttemptAt"] = Delete()
        else:
            operations["nextAttemptAt"] = Set(next_attempt_at)
        of_this_attempt = Equals("attempts", delivery.attempts)
        where = All((_is_waiting(delivery.delivery_id), of_this_attempt))
        self._updated(where, operations, now)

    def _updated(
        self, where: Condition, operations: Mapping[str, Operation], now: datetime
    ) -> Document | None:
        return self._objects.update(SCHEMA, where, {**operations, "updatedAt": Set(now)})


def _is_waiting(delivery_id: str) -> Condition:
    return All((Equals("objectId", delivery_id), Equals("state", DeliveryState.WAITING.value)))


def _is_due(now: datetime) -> Condition:
    """Waiting, and nobody has it; a time far off was written while a clock was wrong."""
    due = Either(
        (
            Compares("nextAttemptAt", Order.LESS_OR_EQUAL, now),
            Compares("nextAttemptAt", Order.GREATER, now + _LONGEST_WAIT),
        )
    )
    return All((Equals("state", DeliveryState.WAITING.value), due))


def _delivery_id(decision_id: str, receiver: Receiver) -> str:
    return hashlib.sha256(f"{decision_id} {receiver.shown}".encode()).hexdigest()[:24]


def _document(decision: Decision, receiver: Receiver) -> Document:
    identity = decision.decision_id
    told_at = decision.held_until or decision.decided_at
    return {
        "objectId": _delivery_id(identity, receiver),
        "createdAt": decision.decided_at,
        "updatedAt": decision.decided_at,
        "ACL": {},
        "url": receiver.shown,
        "decision": Pointer("ModerationDecision", identity),
        "body": json.dumps(announcement(decision)),
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "notBefore": told_at,
        "nextAttemptAt": told_at,
    }


def _delivery(document: Document) -> Delivery:
    return Delivery(
        delivery_id=document["objectId"],
        url=document["url"],
        body=document["body"],
        attempts=int(document["attempts"]),
    )
