"""Brings writes to all processes that listen, this one included.

Writers never wait and never fail for it: one thread sends. A carrier takes what is sent to the
other processes; while it cannot, the newest writes wait here, and when there are too many of
them, listeners are told that they missed some.
"""

import logging
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Protocol

from server.live_query.writes import NotAWrite, Write, from_line, to_line

logger = logging.getLogger(__name__)

_MAX_WAITING = 10_000
_TRY_AGAIN_S = 0.5
_CLOSE_S = 2.0
_LISTENING_S = 2.0
_LOST = b"lost"


class CarrierDown(Exception):
    """What was to be sent may not have reached everybody; it can be tried again."""


class Carrier(Protocol):
    """Takes lines from any process of the installation to all the others that listen."""

    def send(self, line: bytes) -> None:
        """Send a line, within seconds. Raises CarrierDown. One thread at a time calls it."""

    def receive(self, take: Callable[[bytes], None], begun: Callable[[], None]) -> None:
        """Call `take` with each line until closed; `begun` each time that lines come from now on,
        so once more after an interruption. Own lines may be among them."""

    def close(self) -> None:
        """End `receive`, and let go of connections."""


class Listener(Protocol):
    """Who wants to hear of writes. Its methods return at once."""

    def hears_of(self, class_name: str) -> bool:
        """Whether writes to this class are of interest at the moment."""

    def changed(self, write: Write) -> None:
        """Take note of a write."""

    def lost(self) -> None:
        """Take note that there were writes which nobody will tell of any more."""


class Bus:
    """Publishes to the listener of this process and, by the carrier, to those of others."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._name = uuid.uuid4().hex
        self._listener: Listener | None = None
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._is_sending = False
        self._receiving = threading.Event()
        self._may_have_missed = False

    def publish(self, write: Write) -> None:
        """Tell everybody of a write; whatever goes wrong is logged, never raised."""
        try:
            line = to_line(write, self._name)
            if self._listener is not None and self._listener.hears_of(write.class_name):
                self._listener.changed(from_line(line)[0])  # which nobody changes any more
            self._put(line)
        except Exception:  # the write is made, and its client has an answer to get
            logger.exception("a write to %s could not be published", write.class_name)

    def lose(self) -> None:
        """Tell everybody that there were writes too many to tell of."""
        if self._listener is not None:
            self._listener.lost()
        self._put(_LOST)

    def listen(self, listener: Listener) -> None:
        """Tell the listener from now on; waits shortly until other processes are heard."""
        with self._changed:
            if self._listener is None and not self._closing:
                self._listener = listener
                self._start("live query receiver", self._receive)
        if not self._may_have_missed and not self._receiving.wait(_LISTENING_S):
            self._may_have_missed = True

    def close(self) -> None:
        """Send what waits, if that goes quickly, and let go of the carrier."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.name == "live query sender":
                thread.join(_CLOSE_S)
        self._carrier.close()
        for thread in self._threads:
            thread.join(_CLOSE_S)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- sending --------------------------------------------------------------------------------

    def _put(self, line: bytes) -> None:
        with self._changed:
            if self._closing:
                return
            if not self._is_sending:
                self._is_sending = True
                self._start("live query sender", self._send_all)
            if len(self._waiting) >= _MAX_WAITING:
                self._waiting.clear()
                self._waiting.append(_LOST)
            self._waiting.append(line)
            self._changed.notify()

    def _send_all(self) -> None:
        is_down = False
        while (line := self._next_line()) is not None:
            try:
                self._carrier.send(line)
                if is_down:
                    logger.info("writes are published to other processes again")
                is_down = False
            except CarrierDown as error:
                if not is_down:
                    logger.warning("writes cannot be published to other processes: %s", error)
                is_down = True
                if not self._put_back(line):
                    return
            except Exception:  # the worker loop: the next line may go better
                logger.exception("a write could not be published to other processes")

    def _next_line(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _put_back(self, line: bytes) -> bool:
        """Keep the line for later, unless it is time to end."""
        with self._changed:
            self._waiting.appendleft(line)
            return not self._changed.wait_for(lambda: self._closing, _TRY_AGAIN_S)

    # --- receiving ------------------------------------------------------------------------------

    def _receive(self) -> None:
        self._carrier.receive(self._take, self._begun)

    def _begun(self) -> None:
        """Writes may have been made since the listener's clients were told that they will hear."""
        if (self._receiving.is_set() or self._may_have_missed) and self._listener is not None:
            self._listener.lost()
        self._receiving.set()

    def _take(self, line: bytes) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            if line == _LOST:
                listener.lost()
                return
            write, sender = from_line(line)
            if sender != self._name and listener.hears_of(write.class_name):
                listener.changed(write)
        except NotAWrite:
            logger.exception("another process published what is no write")
