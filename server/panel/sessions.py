"""Sessions of the panel: one row for each sign-in, under the hash of what its cookie holds."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from admin.people import Device
from cloud.operations import Set
from cloud.values import Pointer
from server.panel.tables import ACCOUNT, SESSION, PanelTables, user_pointer
from server.storage.port import (
    Compares,
    Document,
    Equals,
    OneOf,
    Order,
    Query,
)

# Until then the second factor, or a first one, has to be there.
_HALF_WAY_LENGTH = timedelta(minutes=15)
# How exactly it is known when a session was seen last: a write for each picture would be too many.
_SEEN_EVERY = timedelta(minutes=1)
_USER_AGENT_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long a session lasts at most, and without being used."""

    whole: timedelta
    idle: timedelta


class Sessions:
    """Starts, finds and ends sessions; thread-safe."""

    def __init__(self, tables: PanelTables, lengths: Lengths) -> None:
        self._tables, self._objects, self._lengths = tables, tables.objects, lengths

    def start(
        self, user: Document, device: Device, now: datetime, *, needs_second_factor: bool
    ) -> str:
        """Start a session; return what its cookie holds, which is kept nowhere."""
        self._tables.declare()
        self._objects.delete(SESSION, Compares("expiresAt", Order.LESS, now))
        marked = (user_pointer(user["objectId"]), password_mark(user))
        return self._insert(*marked, device, now, needs_second_factor=needs_second_factor)

    def renew(self, session_id: str, device: Device, now: datetime) -> str | None:
        """Start a session that needs no second factor in place of one that did; None if that one
        has ended. Whoever knew the old token is not in."""
        row = self._objects.get(SESSION, session_id)
        if row is None or not self._objects.delete(SESSION, Equals("objectId", session_id)):
            return None
        marked = (row["user"], row["_password_sha256"])
        return self._insert(*marked, device, now, needs_second_factor=False)

    def _insert(
        self, user: Pointer, mark: str, device: Device, now: datetime, *, needs_second_factor: bool
    ) -> str:
        token = secrets.token_urlsafe(32)
        length = self._lengths.whole
        if needs_second_factor:
            length = min(length, _HALF_WAY_LENGTH)
        row: Document = {
            "objectId": session_id(token),
            "createdAt": now,
            "updatedAt": now,
            "ACL": {},
            "user": user,
            "seenAt": now,
            "expiresAt": now + length,
            "address": device.address,
            "userAgent": device.user_agent[:_USER_AGENT_LENGTH],
            "needsSecondFactor": needs_second_factor,
            "_password_sha256": mark,
        }
        self._objects.insert(SESSION, row)
        return token

    def find(self, token: str) -> Document | None:
        """Return the session of a token; it may be over."""
        return self._objects.get(SESSION, session_id(token))

    def see(self, row: Document, now: datetime) -> Document:
        """Note that a session is in use; return it as it is now."""
        if now - row["seenAt"] < _SEEN_EVERY:
            return row
        where = Equals("objectId", row["objectId"])
        seen = {"seenAt": Set(now)}
        self._objects.update(ACCOUNT, Equals("objectId", row["user"].object_id), seen)
        return self._objects.update(SESSION, where, seen) or row

    def of_user(self, user: Document, now: datetime) -> list[Document]:
        """Return a user's sessions that have not ended, the one seen last first."""
        where = Equals("user", user_pointer(user["objectId"]))
        rows = self._objects.find(SESSION, Query(where))
        lasting = [row for row in rows if self.lasts(row, user, now)]
        return sorted(lasting, key=lambda row: row["seenAt"], reverse=True)

    def end(
        self,
        user_id: str,
        *,
        only: str | None = None,
        but: str | None = None,
        until: datetime | None = None,
    ) -> list[str]:
        """End a user's sessions: all, one, all but one, or those begun until a time."""
        rows = self._objects.find(SESSION, Query(Equals("user", user_pointer(user_id))))
        ended = tuple(
            row["objectId"]
            for row in rows
            if only in (None, row["objectId"])
            and but != row["objectId"]
            and (until is None or row["createdAt"] <= until)
        )
        if ended:
            self._objects.delete(SESSION, OneOf("objectId", ended))
        return list(ended)

    def lasts(self, row: Document, user: Document, now: datetime) -> bool:
        """Whether a session counts: not over, used lately, and begun with the user's password as
        it still is. What a clock that was wrong wrote lasts no longer than others."""
        is_fresh = now < row["expiresAt"] <= now + self._lengths.whole
        is_used = row["seenAt"] + self._lengths.idle > now
        return is_fresh and is_used and row.get("_password_sha256") == password_mark(user)


def session_id(token: str) -> str:
    """What a session is called; nobody can tell its token from it."""
    return hashlib.sha256(token.encode()).hexdigest()


def password_mark(user: Document) -> str:
    """What tells that a password was changed: a session lasts as long as the one it began with."""
    return hashlib.sha256(str(user.get("_hashed_password")).encode()).hexdigest()
