"""Wrong passwords and codes, counted, so that nobody can try them all: one count for every door.

A try is counted before it is looked at, and taken off again if it was right: of a hundred tries at
once no more than the limit are looked at. The counters are in the database, for all processes,
under hashes that tell neither names nor addresses.
"""

import hashlib
import hmac
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from admin.ports.sign_ins import LockedOut
from cloud.operations import Increment, Set
from config import Settings
from server.networks import network_of
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY, column_types
from server.storage.port import (
    All,
    ClassSchema,
    Compares,
    Condition,
    Document,
    DuplicateObject,
    Equals,
    Index,
    ObjectStore,
    Order,
)

# Named after the panel, whose sign-ins were the first to be counted.
TRIES = ClassSchema(
    "ModerationPanelTries",
    column_types(count="Number", wrong="Number", until="Date"),
    permissions=NOBODY,
)
_UNTIL = Index("until", ("until",))

# A look at a password takes a fraction of a second; longer than this nobody waits for others'.
_PATIENCE_S = 2.0
_PAUSE_S = 0.02
# A try's `now` is that of its begin, and machines' clocks differ.
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many tries may be wrong within the window, of one account and from one address.

    With None for addresses they are not counted.
    """

    account: int = 8
    address: int | None = 8
    window: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Key:
    """What tries are counted by."""

    name: str
    is_address: bool = False


@dataclass(frozen=True, slots=True)
class Try:
    """A try that may be looked at: one of each counter."""

    counters: Sequence[tuple[str, int]]
    """Each with its limit."""


def make_lockout(
    settings: Settings, objects: ObjectStore, schemas: Schemas, secret: bytes
) -> "Lockout":
    """Count as the settings say; whoever has the same secret shares the counts."""
    limits = Limits(
        settings.account_lockout_threshold,
        settings.account_lockout_address_threshold or None,
        timedelta(minutes=settings.account_lockout_duration),
    )
    return Lockout(objects, schemas, secret, limits)


class Lockout:
    """Counts wrong tries by what they are tried on; thread-safe."""

    def __init__(
        self, objects: ObjectStore, schemas: Schemas, secret: bytes, limits: Limits | None = None
    ) -> None:
        self._objects, self._secret = objects, secret
        self._limits = limits or Limits()
        self._declare = Declaration(objects, schemas, (TRIES, [_UNTIL]))

    def begin(self, keys: Sequence[Key], now: datetime) -> Try:
        """Count a try. Raises LockedOut when there were as many wrong ones already as may be.

        While others' tries that nobody has looked at yet could make them as many, it waits.
        """
        self._declare()
        self._objects.delete(TRIES, Compares("until", Order.LESS, now))
        counted = Try([])
        for key in keys:
            limit = self._limits.address if key.is_address else self._limits.account
            if limit is None:
                continue
            counter = self._counter(key)
            until = self._count(counter, limit, now)
            if until is not None:
                self.right(counted, now)
                raise LockedOut(until)
            counted = Try([*counted.counters, (counter, limit)])
        return counted

    def right(self, tried: Try, now: datetime) -> None:
        """Take a try that was right off again."""
        for counter, _ in tried.counters:
            where = (Equals("objectId", counter), Compares("count", Order.GREATER, 0))
            self._objects.update(TRIES, All((*where, self._lasts(now))), {"count": Increment(-1)})

    def wrong(self, tried: Try, now: datetime) -> None:
        """Leave a wrong try counted. Raises LockedOut if it was the last one allowed."""
        until, locked = now + self._limits.window, False
        for counter, limit in tried.counters:
            is_it = All((Equals("objectId", counter), self._lasts(now)))
            row = self._objects.update(TRIES, is_it, {"wrong": Increment(1)})
            if row is not None and row["wrong"] >= limit:
                self._objects.update(TRIES, is_it, {"until": Set(until)})
                locked = True
        if locked:
            raise LockedOut(until)

    def spend(self, key: Key, now: datetime) -> None:
        """Count what may be done that often, right or wrong. Raises LockedOut beyond it."""
        tried = self.begin((key,), now)
        with suppress(LockedOut):  # the next one is refused
            self.wrong(tried, now)

    def forget(self, key: Key) -> None:
        """Forget what was wrong with a key."""
        self._objects.delete(TRIES, Equals("objectId", self._counter(key)))

    def _counter(self, key: Key) -> str:
        message = f"tries {key.name}".encode()
        return hmac.digest(self._secret, message, hashlib.sha256).hex()[:40]

    def _count(self, counter: str, limit: int, now: datetime) -> datetime | None:
        """Count one more; return until when nobody may try if that cannot be."""
        is_it = Equals("objectId", counter)
        not_full = Compares("count", Order.LESS, limit)
        first = {"count": 1, "wrong": 0, "until": now + self._limits.window}
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            where = All((is_it, self._lasts(now), not_full))
            if self._objects.update(TRIES, where, {"count": Increment(1)}) is not None:
                return None
            row = self._objects.get(TRIES, counter)
            if row is None:
                if self._insert(counter, first, now):
                    return None
            elif now < row["until"] <= self._latest(now):
                until = _locked_until(row, limit, is_patient=time.monotonic() < deadline)
                if until is not None:
                    return until
                time.sleep(_PAUSE_S)
            else:  # of a window that is over
                operations = {name: Set(value) for name, value in first.items()}
                over = All((is_it, Equals("until", row["until"])))
                if self._objects.update(TRIES, over, operations) is not None:
                    return None

    def _insert(self, counter: str, first: dict[str, object], now: datetime) -> bool:
        row = {"objectId": counter, "createdAt": now, "updatedAt": now, "ACL": {}, **first}
        try:
            self._objects.insert(TRIES, row)
        except DuplicateObject:  # another try made it
            return False
        return True

    def _lasts(self, now: datetime) -> Condition:
        """Whether a window still lasts; one that ends far off was written by a wrong clock."""
        return All(
            (
                Compares("until", Order.GREATER, now),
                Compares("until", Order.LESS_OR_EQUAL, self._latest(now)),
            )
        )

    def _latest(self, now: datetime) -> datetime:
        """When a window may end at the latest: others may have begun it a little later."""
        return now + self._limits.window + _SKEW


def _locked_until(row: Document, limit: int, *, is_patient: bool) -> datetime | None:
    """Until when nobody may try; None while it is open, for tries are still looked at."""
    if row["count"] < limit:
        return None
    until: datetime = row["until"]
    return until if row.get("wrong", limit) >= limit or not is_patient else None


def account_key(user_id: str | None, name: str) -> Key:
    """What tries on an account are counted by; what nobody is called is counted just the same."""
    return Key(f"account {user_id}" if user_id is not None else f"name {name.strip().casefold()}")


def device_key(user_id: str, device_id: str) -> Key:
    """What tries on an account are counted by from a device that its user was let in on before."""
    return Key(f"device {user_id} {device_id}")


def address_key(address: str) -> Key:
    """What tries from an address are counted by: of IPv6, where each has many, their network."""
    return Key(f"address {network_of(address)}", is_address=True)
