"""An app behind uvicorn in a thread, and clients of its LiveQuery over real WebSockets."""

import json
import threading
import time
from contextlib import ExitStack, suppress

import uvicorn
from running_server import free_port
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.sync.client import connect

from server.live_query import bus
from server.live_query.face import live_query_face
from server.live_query.limits import MAX_MESSAGE_BYTES, PING_EVERY_S

_SILENCE_S = 0.3
# What is heard later than that counts as lost, and clients are told; tests share a busy machine.
bus._LISTENING_S = 8.0
KEYS_OF_CLIENTS = {"applicationId": "myAppId", "javascriptKey": "myJsKey"}


class LiveServer:
    """The WebSocket side of one app; its HTTP side is the app's own test client."""

    def __init__(self, services, limits=None, **options):
        self.port, self._clients = free_port(), []
        self.face = live_query_face(services, services.settings.parse_mounts, limits)
        config = uvicorn.Config(
            self.face,
            host="127.0.0.1",
            port=self.port,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_EVERY_S,
            ws_per_message_deflate=False,
            lifespan="off",
            log_level="warning",
            **options,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self):
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self.face.close()

    def open(self, path="/parse", **options):
        """A WebSocket that has not said who it is."""
        client = LiveClient(f"ws://127.0.0.1:{self.port}{path}", **options)
        self._clients.append(client)
        return client

    def connect(self, person=None, **said):
        """A client that is connected: `person` has a session, `said` stands in the message."""
        client = self.open()
        token = {} if person is None else {"sessionToken": person.token}
        client.say({"op": "connect", **KEYS_OF_CLIENTS, **token, **said})
        assert client.hear()["op"] == "connected"
        return client


class LiveClient:
    """One WebSocket in the hands of a test."""

    def __init__(self, url, **options):
        self._open = ExitStack()
        self._socket = self._open.enter_context(connect(url, proxy=None, **options))
        self._number = 0

    def say(self, message):
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        self._socket.send(text)

    def hear(self, timeout_s=5.0):
        """The next message; fails when none comes in time."""
        return json.loads(self._socket.recv(timeout=timeout_s))

    def ask(self, message):
        self.say(message)
        return self.hear()

    def subscribe(self, class_name, where=None, **said):
        """Subscribe; returns the answer. `keys` and `watch` go into the query."""
        self._number += 1
        query = {"className": class_name, "where": where or {}}
        query |= {name: said.pop(name) for name in ("keys", "watch", "fields") if name in said}
        return self.ask({"op": "subscribe", "requestId": self._number, "query": query, **said})

    def hears_nothing(self):
        """Whether it is silent for long enough that an event would have come."""
        with suppress(TimeoutError):
            self._heard = self._socket.recv(timeout=_SILENCE_S)
            return False
        return True

    def events(self, count):
        """The next events, as pairs of kind and object."""
        heard = [self.hear() for _ in range(count)]
        return [(event["op"], event["object"]) for event in heard]

    def closing_code(self, timeout_s=5.0):
        """The code with which the server ends the connection, whatever it says before."""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                self._socket.recv(timeout=deadline - time.monotonic())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def is_open(self):
        return self._socket.state is State.OPEN

    def close(self):
        self._open.close()
