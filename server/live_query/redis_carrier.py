"""Carries writes between processes on any machines, by Redis's publish and subscribe."""

import logging
import threading
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError

from server.live_query.bus import CarrierDown

logger = logging.getLogger(__name__)

_CONNECT_LIMIT_S, _ANSWER_LIMIT_S = 2.0, 3.0
_TRY_AGAIN_S = 0.5
# How often a receiver looks whether it is to end, and makes sure that Redis is still there.
_LOOK_S, _CHECK_S = 0.2, 5


class RedisCarrier:
    """The Carrier on Redis. Reaches out to nothing before it is used."""

    def __init__(self, url: str, app_id: str) -> None:
        self._url = url
        self._sender = self._client()
        self._channel = f"parsewarden.live:{app_id}"
        self._closing = threading.Event()

    def send(self, line: bytes) -> None:
        try:
            self._sender.publish(self._channel, line)
        except (RedisError, OSError) as error:
            raise CarrierDown(str(error)) from error

    def receive(self, take: Callable[[bytes], None], begun: Callable[[], None]) -> None:
        is_away = False

        def begun_again() -> None:
            nonlocal is_away
            is_away = False
            begun()

        with self._client() as client:
            while not self._closing.is_set():
                try:
                    self._listen(client, take, begun_again)
                except (RedisError, OSError) as error:
                    if not is_away:
                        logger.warning("writes of other processes cannot be heard: %s", error)
                    is_away = True
                    self._closing.wait(_TRY_AGAIN_S)

    def close(self) -> None:
        self._closing.set()
        self._sender.close()

    def _listen(
        self, client: "Redis", take: Callable[[bytes], None], begun: Callable[[], None]
    ) -> None:
        with client.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(self._channel)
            while not self._closing.is_set():
                message = subscription.get_message(timeout=_LOOK_S)
                match message and message["type"]:
                    case "subscribe":
                        begun()
                    case "message":
                        take(message["data"])

    def _client(self) -> "Redis":
        return Redis.from_url(
            self._url,
            socket_connect_timeout=_CONNECT_LIMIT_S,
            socket_timeout=_ANSWER_LIMIT_S,
            health_check_interval=_CHECK_S,
        )
