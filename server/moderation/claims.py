"""Who looks at which item in review, and how many wait: the queue as the review desk asks for it.

A claim is three columns of the item. It is taken by one conditional change of all items that it is
taken of, so that of any number of processes one gets each.
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime

from cloud.moderation.items import LONGEST_CLAIM, Claim, Decision, Item, Lane, State
from cloud.operations import AddUnique, Delete, Operation, Set
from cloud.values import Pointer
from server.moderation.item_columns import (
    claim_columns,
    claim_of_row,
    decision_of_row,
    item_of_row,
    readable,
)
from server.moderation.items import CLAIM, DECISION, ITEM, ITEM_CLASSES
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.storage.port import (
    All,
    Compares,
    Condition,
    Database,
    Differs,
    Document,
    Either,
    Equals,
    Neither,
    NoneOf,
    OneOf,
    Order,
    Query,
    SortKey,
)

# A queue of this length takes a database some time to count, and a few more or less say little.
_LONG = 5_000
_LONG_IS_COUNTED_EVERY_S = 3.0


class StoredClaims:
    """The Claims port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._declare = Declaration(database.objects, schemas, *ITEM_CLASSES)

    def held(
        self, session_id: str, lane: Lane, now: datetime, *, riskiest_first: bool
    ) -> list[Item]:
        self._declare()
        rows = self._objects.find(ITEM, Query(_is_of(session_id)))
        rows.sort(key=_by_risk if riskiest_first else _by_age)
        items = readable(item_of_row, rows)
        return [i for i in items if i.lane is lane and i.claim is not None and i.claim.holds(now)]

    def free(
        self,
        lane: Lane,
        now: datetime,
        limit: int,
        *,
        riskiest_first: bool,
        skipping: Collection[str],
    ) -> list[str]:
        self._declare()
        where = All((_waits_in(lane), _is_free(now), NoneOf("objectId", tuple(skipping))))
        query = Query(where, order=_order(riskiest_first), limit=limit, columns=frozenset())
        return [row["objectId"] for row in self._objects.find(ITEM, query)]

    def take(self, item_ids: Sequence[str], lane: Lane, claim: Claim, now: datetime) -> list[Item]:
        self._declare()
        is_one, is_ours = OneOf("objectId", tuple(item_ids)), _is_of(claim.session_id)
        is_to_be_had = All((is_one, _is_in(lane), Either((is_ours, _is_free(now)))))
        operations: dict[str, Operation] = {
            name: Set(value) for name, value in claim_columns(claim).items()
        }
        operations |= {"shownTo": AddUnique((claim.moderator_id,)), "updatedAt": Set(now)}
        self._objects.update_all(ITEM, is_to_be_had, operations)
        taken = self._objects.find(ITEM, Query(All((is_one, is_ours))))
        places = {item_id: place for place, item_id in enumerate(item_ids)}
        return sorted(readable(item_of_row, taken), key=lambda item: places[item.item_id])

    def release(
        self,
        session_id: str,
        item_ids: Collection[str] | None = None,
        *,
        until: datetime | None = None,
    ) -> None:
        self._declare()
        is_ours: list[Condition] = [_is_of(session_id)]
        if item_ids is not None:
            is_ours.append(OneOf("objectId", tuple(item_ids)))
        if until is not None:
            is_ours.append(Neither((Compares("claimedUntil", Order.GREATER, until),)))
        self._objects.update_all(ITEM, All(tuple(is_ours)), dict.fromkeys(CLAIM, Delete()))

    def release_elsewhere(self, moderator_id: str, session_id: str, now: datetime) -> None:
        self._declare()
        is_hers = Equals("claimedBy", moderator_id)
        is_elsewhere = Neither((_is_of(session_id),))
        where = All((*_holds(now), is_hers, is_elsewhere))
        self._objects.update_all(ITEM, where, dict.fromkeys(CLAIM, Delete()))

    def standing(self, lane: Lane, now: datetime) -> list[Claim]:
        self._declare()
        is_held = All((*_holds(now), _is_in(lane)))
        rows = self._objects.find(ITEM, Query(is_held, columns=frozenset(CLAIM)))
        return [claim for claim in readable(claim_of_row, rows) if claim is not None]


class StoredRecords:
    """The ItemRecords port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._counted: dict[Lane, tuple[float, int]] = {}
        self._declare = Declaration(database.objects, schemas, *ITEM_CLASSES)

    def decisions(self, item_id: str) -> list[Decision]:
        self._declare()
        is_items = Equals("item", Pointer(ITEM.class_name, item_id))
        decisions = readable(decision_of_row, self._objects.find(DECISION, Query(is_items)))
        return sorted(decisions, key=lambda decision: decision.number)

    def waiting(self, lane: Lane) -> int:
        self._declare()
        counted_at, count = self._counted.get(lane, (0.0, 0))
        if count < _LONG or time.monotonic() - counted_at > _LONG_IS_COUNTED_EVERY_S:
            counted_at, count = time.monotonic(), self._objects.count(ITEM, _waits_in(lane))
            self._counted[lane] = counted_at, count
        return count

    def oldest(self, lane: Lane) -> datetime | None:
        self._declare()
        query = Query(_waits_in(lane), order=_order(False), limit=1, columns=frozenset())
        rows = self._objects.find(ITEM, query)
        since: datetime | None = rows[0]["createdAt"] if rows else None
        return since

    def record_of(self, uploader: str) -> dict[State, int]:
        self._declare()
        is_hers = Equals("uploader", uploader)
        return {
            state: self._objects.count(ITEM, All((is_hers, Equals("state", state.value))))
            for state in State
        }


def _waits_in(lane: Lane) -> Condition:
    """An item has a lane only while it is in review."""
    return Equals("lane", lane.value)


def _is_in(lane: Lane) -> Condition:
    """The same, said so that databases look for ids beside it, and do not read the whole lane."""
    return Neither((Differs("lane", lane.value),))


def _is_of(session_id: str) -> Condition:
    return Equals("claimSession", session_id)


def _holds(now: datetime) -> tuple[Condition, ...]:
    """A claim on it holds; see `Claim.holds`."""
    return (
        Compares("claimedUntil", Order.GREATER, now),
        Compares("claimedUntil", Order.LESS_OR_EQUAL, now + LONGEST_CLAIM),
    )


def _is_free(now: datetime) -> Condition:
    """No claim on it holds; see `Claim.holds`."""
    return Either(
        (
            Equals("claimedUntil", None),
            Compares("claimedUntil", Order.LESS_OR_EQUAL, now),
            Compares("claimedUntil", Order.GREATER, now + LONGEST_CLAIM),
        )
    )


def _order(riskiest_first: bool) -> tuple[SortKey, ...]:
    return (SortKey("risk", descending=True),) if riskiest_first else (SortKey("createdAt"),)


def _by_risk(row: Document) -> float:
    return -float(row.get("risk", -1))


def _by_age(row: Document) -> datetime:
    created_at: datetime = row["createdAt"]
    return created_at
