"""Wrong passwords and codes, counted, so that nobody can try them all.

A try is counted before it is looked at, and taken off again if it was right: of a hundred tries at
once no more than LIMIT are looked at. The counters are in the database, for all processes, under
hashes that tell neither names nor addresses.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from admin.ports.sign_ins import LockedOut
from cloud.operations import Increment, Set
from server.panel.tables import TRIES, PanelTables
from server.storage.port import (
    All,
    Compares,
    Condition,
    DuplicateObject,
    Equals,
    Order,
)

LIMIT = 8
WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Try:
    """A try that may be looked at: one of each counter."""

    counters: Sequence[str]


class Lockout:
    """Counts wrong tries by what they are tried on; thread-safe."""

    def __init__(self, tables: PanelTables, secret: bytes) -> None:
        self._tables, self._objects, self._secret = tables, tables.objects, secret

    def begin(self, keys: Sequence[str], now: datetime) -> Try:
        """Count a try. Raises LockedOut when there were LIMIT wrong ones already."""
        self._tables.declare()
        self._objects.delete(TRIES, Compares("until", Order.LESS, now))
        counted = Try([])
        for counter in map(self._counter, keys):
            until = self._count(counter, now)
            if until is not None:
                self.right(counted, now)
                raise LockedOut(until)
            counted = Try([*counted.counters, counter])
        return counted

    def right(self, tried: Try, now: datetime) -> None:
        """Take a try that was right off again."""
        for counter in tried.counters:
            where = (Equals("objectId", counter), Compares("count", Order.GREATER, 0))
            self._objects.update(TRIES, All((*where, _lasts(now))), {"count": Increment(-1)})

    def wrong(self, tried: Try, now: datetime) -> None:
        """Leave a wrong try counted. Raises LockedOut if it was the last one allowed."""
        until, locked = now + WINDOW, False
        for counter in tried.counters:
            full = Compares("count", Order.GREATER_OR_EQUAL, LIMIT)
            where = All((Equals("objectId", counter), full))
            locked |= self._objects.update(TRIES, where, {"until": Set(until)}) is not None
        if locked:
            raise LockedOut(until)

    def forget(self, key: str) -> None:
        """Forget what was wrong with a key."""
        self._objects.delete(TRIES, Equals("objectId", self._counter(key)))

    def _counter(self, key: str) -> str:
        return hmac.digest(self._secret, f"tries {key}".encode(), hashlib.sha256).hex()[:40]

    def _count(self, counter: str, now: datetime) -> datetime | None:
        """Count one more; return until when nobody may try if that cannot be."""
        is_it = Equals("objectId", counter)
        not_full = Compares("count", Order.LESS, LIMIT)
        first = {"count": 1, "until": now + WINDOW}
        while True:
            where = All((is_it, _lasts(now), not_full))
            if self._objects.update(TRIES, where, {"count": Increment(1)}) is not None:
                return None
            row = self._objects.get(TRIES, counter)
            if row is None:
                if self._insert(counter, first, now):
                    return None
            elif now < row["until"] <= now + WINDOW:
                if row["count"] >= LIMIT:
                    until: datetime = row["until"]
                    return until
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


def _lasts(now: datetime) -> Condition:
    """Whether a window still lasts; one that ends far off was written by a clock that was wrong."""
    return All(
        (
            Compares("until", Order.GREATER, now),
            Compares("until", Order.LESS_OR_EQUAL, now + WINDOW),
        )
    )


def account_key(user_id: str | None, name: str) -> str:
    """What tries on an account are counted by; what nobody is called is counted just the same."""
    return f"account {user_id}" if user_id is not None else f"name {name.strip().casefold()}"


def address_key(address: str) -> str:
    """What tries from an address are counted by: of IPv6, where each has many, their network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "address unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address {parsed.ipv4_mapped}"
        return f"address {ip_network((parsed, 64), strict=False)}"
    return f"address {parsed}"
