"""How many connections one process holds, and how much it holds for who neither reads nor sends on.

There is always room for one more: it is made by the connection that has been longest without a
request in hand, an idle or a dripping one. So those who come only to hold connections drive out
each other.
"""

import logging
import time
from collections import OrderedDict
from typing import Protocol

logger = logging.getLogger(__name__)

# So often the log says that connections are let go; a flood must not fill the disk.
_SAID_EVERY_S = 10.0


class Connection(Protocol):
    """What can be let go."""

    def let_go(self) -> None:
        """Close at once; `connection_lost` follows, later."""


class _Held:
    """Bytes by connection; of too many in all, who has had them longest without a change goes."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._by_connection: OrderedDict[Connection, int] = OrderedDict()

    def hold(self, who: Connection, size: int) -> list[Connection]:
        """Note how much it is now; returns who has to go, and holds nothing for them."""
        self.drop(who)
        self._by_connection[who] = size
        self._bytes += size
        gone = []
        while self._bytes > self._most_bytes:
            gone.append(next(iter(self._by_connection)))
            self.drop(gone[-1])
        return gone

    def drop(self, who: Connection) -> None:
        self._bytes -= self._by_connection.pop(who, 0)


class Connections:
    """Those of one process. Belongs to its event loop; every method takes constant time."""

    def __init__(self, most: int, most_unread_bytes: int, most_unsent_bytes: int) -> None:
        self._most = most
        self._without_request: OrderedDict[Connection, None] = OrderedDict()
        self._unread, self._unsent = _Held(most_unread_bytes), _Held(most_unsent_bytes)
        self._said_at = float("-inf")

    def make_room(self, open_now: int) -> bool:
        """Let the longest idle go if there are too many; False when all have a request in hand."""
        if open_now <= self._most:
            return True
        if not self._without_request:
            return False
        longest, _ = self._without_request.popitem(last=False)
        self._say("there are too many connections: the longest idle are closed")
        longest.let_go()
        return True

    def has_none(self, who: Connection) -> None:
        """Note that no whole request of this connection is in hand."""
        self._without_request[who] = None

    def has_request(self, who: Connection) -> None:
        """Note that a request of this connection is being answered."""
        self._without_request.pop(who, None)

    def leaves_unread(self, who: Connection, size: int) -> None:
        """Note what waits for a client that does not read; too much, and the oldest goes."""
        for oldest in self._unread.hold(who, size):
            self._say("too many answers are not read: the oldest are cut off")
            oldest.let_go()

    def reads(self, who: Connection) -> None:
        """Note that nothing waits for this client any more."""
        self._unread.drop(who)

    def has_sent_a_part(self, who: Connection, size: int) -> None:
        """Note what is there of a body that has no place; too much, and the oldest goes."""
        for oldest in self._unsent.hold(who, size):
            self._say("too many bodies are not sent to their end: the oldest are cut off")
            oldest.let_go()

    def has_sent_all(self, who: Connection) -> None:
        """Note that no part of a body waits for its rest any more, or not without a place."""
        self._unsent.drop(who)

    def forget(self, who: Connection) -> None:
        """The connection is lost, or no HTTP any more."""
        self.has_request(who)
        self.reads(who)
        self.has_sent_all(who)

    def _say(self, what: str) -> None:
        if time.monotonic() - self._said_at >= _SAID_EVERY_S:
            self._said_at = time.monotonic()
            logger.warning(what)
