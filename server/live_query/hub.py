"""Who has subscribed to what in this process, and the thread that tells them of writes.

One thread takes one write after the other, so a client hears of them in the order in which they
came here, and no look-up or regular expression holds up the connections.
"""

import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from cloud.moderation.errors import StoreUnavailable
from server.auth import Caller
from server.live_query.bus import Bus
from server.live_query.callers import Callers
from server.live_query.events import Event, PatternsOverrun, Told
from server.live_query.limits import (
    MAX_SUBSCRIPTIONS,
    MAX_SUBSCRIPTIONS_OF_CLIENT,
    PATTERNS_OF_CLIENT_S,
)
from server.live_query.messages import Subscribe, Voice, error_message
from server.live_query.subscriptions import Subscription, read_subscription
from server.live_query.writes import PublishedClasses, Write
from server.objects.find_triggers import FindTriggers
from server.objects.schemas import Schemas
from server.parse.encode import FileUrl
from server.parse.errors import (
    INVALID_SESSION_TOKEN,
    OPERATION_FORBIDDEN,
    REQUEST_LIMIT_EXCEEDED,
    ParseError,
    as_parse_error,
)
from server.storage.port import ClassSchema

logger = logging.getLogger(__name__)

_MAX_WRITES_WAITING = 10_000
# How often the sessions of subscriptions that hear of nothing are looked at.
_LOOK_EVERY_S = 5.0
_TRY_AGAIN_LATER = 1013  # RFC 6455's register of closing codes


class Client(Protocol):
    """One connection, as the hub needs it. Its methods return at once, from any thread."""

    @property
    def voice(self) -> Voice:
        """How to speak to it."""

    @property
    def caller(self) -> Caller:
        """Its keys' rights."""

    @property
    def session_token(self) -> str | None:
        """The session of the connection, which counts for subscriptions without one."""

    @property
    def url_of(self) -> FileUrl:
        """Where it reads files: the same object for all who read them at the same place."""

    def send(self, text: str) -> None:
        """Send a message after those before."""

    def end(self, code: int, reason: str) -> None:
        """End the connection."""


@dataclass(frozen=True, slots=True)
class _Subscriber:
    client: Client
    request_id: int
    subscription: Subscription

    @property
    def token(self) -> str | None:
        return self.subscription.session_token or self.client.session_token


_Key = tuple[str, int]
"""A client's id, and the client's number for the subscription."""


class Hub:
    """The subscriptions of one process; thread-safe. It is the bus's Listener."""

    def __init__(
        self, bus: Bus, callers: Callers, schemas: Schemas, classes: PublishedClasses
    ) -> None:
        self._bus, self._callers, self._schemas, self._classes = bus, callers, schemas, classes
        self._lock = threading.Lock()
        self._by_class: dict[str, dict[_Key, _Subscriber]] = {}
        self._by_client: dict[str, dict[int, str]] = {}
        self._slowness: dict[str, float] = {}  # the most seconds that a client's patterns took
        self._count = 0
        self._writes: queue.Queue[Write | None] = queue.Queue(_MAX_WRITES_WAITING)
        self._has_lost = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin to listen, once; returns when writes of other processes are heard."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="live query", daemon=True)
                self._thread.start()
        self._bus.listen(self)

    def close(self) -> None:
        """Tell nobody any more."""
        self._closing.set()
        with suppress(queue.Full):
            self._writes.put_nowait(None)  # which the thread may be waiting for
        if self._thread is not None:
            self._thread.join()

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return self._count

    # --- subscribing ----------------------------------------------------------------------------

    def subscribe(self, client: Client, asked: Subscribe) -> None:
        """Subscribe a client and tell it so, in place of what has the same number.

        Raises ParseError, StoreUnavailable, Refused, and then nothing has that number.
        """
        with self._lock:
            self._remove(client, asked.request_id)
        if asked.class_name not in self._classes:
            message = f"{asked.class_name} has no LiveQuery; LIVE_QUERY_CLASSES names what has."
            raise ParseError(OPERATION_FORBIDDEN, message)
        if FindTriggers.exist_for(asked.class_name) and not client.caller.master:
            message = f"{asked.class_name} has no LiveQuery, which its find triggers cannot change."
            raise ParseError(OPERATION_FORBIDDEN, message)
        token = asked.session_token or client.session_token
        caller = self._callers.with_session(client.caller, token)
        subscription = read_subscription(asked, caller, self._schema(asked.class_name))
        with self._lock:
            own = self._by_client.setdefault(client.voice.client_id, {})
            if len(own) >= MAX_SUBSCRIPTIONS_OF_CLIENT or self._count >= MAX_SUBSCRIPTIONS:
                raise ParseError(REQUEST_LIMIT_EXCEEDED, "There are too many subscriptions.")
            own[asked.request_id] = asked.class_name
            subscriber = _Subscriber(client, asked.request_id, subscription)
            subscribers = self._by_class.setdefault(asked.class_name, {})
            subscribers[client.voice.client_id, asked.request_id] = subscriber
            self._count += 1
            client.send(client.voice.say("subscribed", asked.request_id))

    def unsubscribe(self, client: Client, request_id: int) -> bool:
        """End a subscription and tell the client so; False if there is none."""
        with self._lock:
            if not self._remove(client, request_id):
                return False
            client.send(client.voice.say("unsubscribed", request_id))
            return True

    def leave(self, client: Client) -> None:
        """End whatever the client has subscribed to."""
        with self._lock:
            for request_id in list(self._by_client.get(client.voice.client_id, ())):
                self._remove(client, request_id)
            self._by_client.pop(client.voice.client_id, None)
            self._slowness.pop(client.voice.client_id, None)

    def _remove(self, client: Client, request_id: int) -> bool:
        own = self._by_client.get(client.voice.client_id, {})
        class_name = own.pop(request_id, None)
        if class_name is None:
            return False
        subscribers = self._by_class[class_name]
        del subscribers[client.voice.client_id, request_id]
        if not subscribers:
            del self._by_class[class_name]
        self._count -= 1
        return True

    # --- the bus's listener ---------------------------------------------------------------------

    def hears_of(self, class_name: str) -> bool:
        """See the protocol."""
        return class_name in self._by_class

    def changed(self, write: Write) -> None:
        """See the protocol."""
        try:
            self._writes.put_nowait(write)
        except queue.Full:
            self.lost()

    def lost(self) -> None:
        """See the protocol."""
        self._has_lost.set()

    # --- telling --------------------------------------------------------------------------------

    def _run(self) -> None:
        look_at = time.monotonic() + _LOOK_EVERY_S
        while not self._closing.is_set():
            try:
                write = self._writes.get(timeout=0.2)
                if write is not None:
                    self._tell(write)
            except queue.Empty:
                pass
            except Exception:  # the worker loop: the next write may go better
                logger.exception("clients of LiveQuery could not be told of a write")
                self.lost()
            if self._has_lost.is_set():
                self._disconnect_all()
            if time.monotonic() >= look_at:
                self._look_at_sessions()
                look_at = time.monotonic() + _LOOK_EVERY_S

    def _tell(self, write: Write) -> None:
        with self._lock:
            subscribers = list(self._by_class.get(write.class_name, {}).values())
        if not subscribers:
            return
        told = Told(write, self._schema(write.class_name))
        for subscriber in self._quickest_first(subscribers):
            client = subscriber.client
            try:
                caller = self._callers.with_session(client.caller, subscriber.token)
                event = told.event_of(subscriber.subscription, caller, client.voice.client_id)
            except PatternsOverrun:
                client.end(_TRY_AGAIN_LATER, "some events could not be told")
                self.leave(client)  # at once, for the next write may be as slow
                continue
            except Exception as error:
                self._failed(subscriber, error)
                continue
            if event is not None:
                self._send(subscriber, event, told)
        self._note_slowness(told)

    def _quickest_first(self, subscribers: list[_Subscriber]) -> list[_Subscriber]:
        """Put those without patterns first, and last those whose client was slow or is new."""

        def slowness(subscriber: _Subscriber) -> float:
            if subscriber.subscription.plain_test is not None:
                return 0.0
            return self._slowness.get(subscriber.client.voice.client_id, PATTERNS_OF_CLIENT_S)

        return sorted(subscribers, key=slowness)

    def _note_slowness(self, told: Told) -> None:
        with self._lock:
            for client_id, seconds in told.pattern_seconds.items():
                if seconds > 0 and client_id in self._by_client:
                    self._slowness[client_id] = max(seconds, self._slowness.get(client_id, 0.0))

    def _send(self, subscriber: _Subscriber, event: Event, told: Told) -> None:
        client, keys = subscriber.client, subscriber.subscription.keys
        parts = {
            name: told.text_of(document, keys, client.url_of)
            for name, document in (("object", event.object), ("original", event.original))
            if document is not None
        }
        text = client.voice.tell(event.kind, subscriber.request_id, parts)
        with self._lock:
            if self._is_subscribed(subscriber):
                client.send(text)

    def _failed(self, subscriber: _Subscriber, error: Exception) -> None:
        """End what cannot be decided: the subscription where its right has ended, and otherwise
        the connection, so that the client asks again."""
        refusal = as_parse_error(error)
        if refusal is None or isinstance(error, StoreUnavailable):
            if refusal is None:
                logger.error("a write could not be told to a client", exc_info=error)
            subscriber.client.end(_TRY_AGAIN_LATER, "some events could not be told")
            return
        with self._lock:
            if self._is_subscribed(subscriber):
                self._remove(subscriber.client, subscriber.request_id)
                sentence, request_id = refusal.message, subscriber.request_id
                subscriber.client.send(error_message(refusal.code, sentence, request_id))

    def _is_subscribed(self, subscriber: _Subscriber) -> bool:
        key = subscriber.client.voice.client_id, subscriber.request_id
        known = self._by_class.get(subscriber.subscription.class_name, {})
        return known.get(key) is subscriber

    def _disconnect_all(self) -> None:
        """Who may have missed something is to connect again, and so knows to look."""
        self._has_lost.clear()
        while not self._writes.empty():
            self._writes.get_nowait()
        for client in {id(s.client): s.client for s in self._all()}.values():
            client.end(_TRY_AGAIN_LATER, "some events were lost")

    def _look_at_sessions(self) -> None:
        """Tell whose session has ended, though nothing is written that they could hear of."""
        by_token = [(s.token, s) for s in self._all() if not s.client.caller.master]
        try:
            ended = self._callers.ended(token for token, _ in by_token if token is not None)
        except StoreUnavailable:  # nothing can be written then either
            return
        for token, subscriber in by_token:
            if token in ended:
                self._failed(subscriber, ParseError(INVALID_SESSION_TOKEN, "Invalid session token"))

    def _all(self) -> list[_Subscriber]:
        with self._lock:
            return [s for known in self._by_class.values() for s in known.values()]

    def _schema(self, class_name: str) -> ClassSchema:
        return self._schemas.find(class_name) or ClassSchema(class_name)
