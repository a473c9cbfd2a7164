"""LiveQuery's WebSockets, as an ASGI application: read, answer, and send what the hub says.

Knows Parse's protocol and its bounds; HTTP, pings and the size of frames are the server's in front.
"""

import asyncio
import logging
import threading
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from cloud.moderation.errors import StoreUnavailable
from config import Settings
from server.auth import Caller, authorise
from server.files.urls import file_url
from server.live_query.callers import Callers
from server.live_query.handshake import Handshake, read_handshake
from server.live_query.hub import Hub
from server.live_query.limits import Limits
from server.live_query.message_queue import Backlog, MessageQueue, Send
from server.live_query.messages import (
    BAD_MESSAGE,
    NOT_THERE,
    WRONG_KEY,
    BadMessage,
    Connect,
    Subscribe,
    Unsubscribe,
    Voice,
    error_message,
    read_message,
)
from server.live_query.writes import PublishedClasses
from server.parse.encode import FileUrl
from server.parse.errors import ParseError, as_parse_error
from server.services import Services

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_THREADS = 4

_NO_TEXT, _POLICY, _TRY_AGAIN_LATER = 1003, 1008, 1013  # RFC 6455's register

_NOT_CONNECTED = "Can not find this client, make sure you connect to server before {}"
_NOT_SUBSCRIBED = (
    "Cannot find subscription with clientId {} subscriptionId {}. Make sure you subscribe to "
    "live query server before unsubscribing."
)


class LiveQueryFace:
    """Serves the WebSockets of one process."""

    def __init__(
        self, settings: Settings, mounts: list[str], hub: Hub, limits: Limits | None = None
    ) -> None:
        self._settings, self._mounts = settings, mounts
        self._limits = limits or Limits()
        self._backlog = Backlog(self._limits.waiting_characters_of_all)
        self.hub = hub
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="live query client")
        # One for all clients of a mount, so that the hub writes each object once for them.
        self._urls_below = lru_cache(maxsize=100)(partial(_urls, settings))
        self.clients = 0
        """How many are connected."""

    def close(self) -> None:
        """Tell nobody any more."""
        self.hub.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, a scope of type "websocket"."""
        await receive()  # that it wants to connect
        if self.clients >= self._limits.clients:
            await send({"type": "websocket.close", "code": _TRY_AGAIN_LATER})
            return
        handshake = read_handshake(scope, self._settings, self._mounts)
        url_of = self._urls_below(handshake.mount_url)
        queue = MessageQueue(self._limits, self._backlog)
        connection = _Connection(self._settings, handshake, self.hub, url_of, queue)
        self.clients += 1
        try:
            await send({"type": "websocket.accept"})
            await self._serve(connection, receive, send)
        finally:
            self.clients -= 1
            with suppress(RuntimeError):  # closed, and with it the hub
                self._threads.submit(connection.leave)

    async def _serve(self, connection: "_Connection", receive: Receive, send: Send) -> None:
        """Read and write until either ends."""
        reader = asyncio.create_task(self._read(connection, receive))
        writer = asyncio.create_task(connection.queue.write(send))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not writer.done():
                connection.queue.finish()
                await asyncio.wait({writer}, timeout=1.0)
        finally:
            reader.cancel()
            writer.cancel()
            for ended in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(ended, Exception):
                    logger.error("a connection of LiveQuery failed", exc_info=ended)

    async def _read(self, connection: "_Connection", receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.connect_s
        while True:
            try:
                async with asyncio.timeout_at(None if connection.client else deadline):
                    message = await receive()
            except TimeoutError:
                return connection.queue.end(_POLICY, "say who you are sooner")
            if message["type"] != "websocket.receive":
                return None
            text = message.get("text")
            if text is None:
                return connection.queue.end(_NO_TEXT, "messages are text")
            await loop.run_in_executor(self._threads, connection.handle, text)


def _urls(settings: Settings, mount_url: str) -> FileUrl:
    return partial(file_url, settings, mount_url)


@dataclass(frozen=True, slots=True)
class _Connected:
    """A client whose keys are right: the hub's Client."""

    voice: Voice
    caller: Caller
    session_token: str | None
    url_of: FileUrl
    queue: MessageQueue

    def send(self, text: str) -> None:
        self.queue.put(text)

    def end(self, code: int, reason: str) -> None:
        self.queue.end(code, reason)


class _Connection:
    """One WebSocket: its messages are handled one after the other, in a thread."""

    def __init__(
        self,
        settings: Settings,
        handshake: Handshake,
        hub: Hub,
        url_of: FileUrl,
        queue: MessageQueue,
    ) -> None:
        self._settings, self._handshake, self._hub = settings, handshake, hub
        self._url_of = url_of
        self.queue = queue
        self.client: _Connected | None = None
        self._lock = threading.Lock()
        self._has_left = False

    def leave(self) -> None:
        """End all its subscriptions, once the message in hand is handled."""
        with self._lock:
            self._has_left = True
            self._leave_hub()

    def handle(self, text: str) -> None:
        """Do what a message asks for, and answer it; never raises."""
        with self._lock:
            if not self._has_left:
                self._handle(text)

    def _leave_hub(self) -> None:
        if self.client is not None:
            self._hub.leave(self.client)

    def _handle(self, text: str) -> None:
        try:
            message = read_message(text)
        except BadMessage as error:
            self.queue.put(error_message(BAD_MESSAGE, str(error)))
            return
        try:
            match message:
                case Connect():
                    self._connect(message)
                case Subscribe():
                    self._subscribe(message)
                case Unsubscribe():
                    self._unsubscribe(message)
        except Exception:  # the one handler of these messages
            logger.exception("a message of LiveQuery could not be answered")
            self.queue.end(_TRY_AGAIN_LATER, "something went wrong")

    def _connect(self, message: Connect) -> None:
        credentials, handshake = message.credentials, self._handshake
        try:
            caller = authorise(credentials, handshake.ip, handshake.headers, self._settings)
        except ParseError as refusal:
            logger.info("LiveQuery: a connection was refused: %s", refusal)
            text = error_message(WRONG_KEY, "Key in request is not valid", reconnect=True)
            self.queue.put(text)
            return
        self._leave_hub()
        self._hub.open()
        self.client = _Connected(
            Voice(str(uuid.uuid4()), credentials.installation_id),
            caller,
            credentials.session_token,
            self._url_of,
            self.queue,
        )
        self.queue.put(self.client.voice.say("connected"))

    def _subscribe(self, message: Subscribe) -> None:
        if self.client is None:
            self._not_connected("subscribing")
            return
        try:
            self._hub.subscribe(self.client, message)
        except Exception as error:
            refusal = as_parse_error(error)
            if refusal is None:
                raise
            is_away = isinstance(error, StoreUnavailable)
            self.queue.put(
                error_message(refusal.code, refusal.message, message.request_id, reconnect=is_away)
            )

    def _unsubscribe(self, message: Unsubscribe) -> None:
        if self.client is None:
            self._not_connected("unsubscribing")
        elif not self._hub.unsubscribe(self.client, message.request_id):
            sentence = _NOT_SUBSCRIBED.format(self.client.voice.client_id, message.request_id)
            self.queue.put(error_message(NOT_THERE, sentence, reconnect=True))

    def _not_connected(self, doing: str) -> None:
        self.queue.put(error_message(NOT_THERE, _NOT_CONNECTED.format(doing), reconnect=True))


def live_query_face(
    services: Services, mounts: list[str], limits: Limits | None = None
) -> LiveQueryFace:
    """Join one process's face; nothing runs before the first client is there."""
    sessions = services.objects.sessions
    callers = Callers(sessions.user_of, services.roles.names_of, sessions.lasting)
    classes = PublishedClasses(services.settings.live_query_classes)
    hub = Hub(services.bus, callers, services.schemas, classes)
    return LiveQueryFace(services.settings, mounts, hub, limits)
