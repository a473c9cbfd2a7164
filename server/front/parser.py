"""Reading on behind an upgrade that is none to us."""

from typing import Protocol

import httptools


class Head(Protocol):
    """What is known of the head that was just read."""

    @property
    def ignores_upgrade(self) -> bool:
        """Whether it asks for a protocol that is not spoken here."""

    def head_without_upgrade(self) -> bytes:
        """The same, as it would be had nobody asked for another protocol."""


class RequestParser(httptools.HttpRequestParser):
    """llhttp, for which all that follows an upgrade is another protocol, a request's body as well.

    RFC 9110 7.8 lets a server ignore an upgrade: then the head is read again without it. Java's
    HttpClient asks each server for HTTP/2 that way.
    """

    def __init__(self, protocol: Head) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # the loop has bytes
        """Take in what has come; raises httptools' errors, and HttpParserUpgrade for WebSockets."""
        rest = memoryview(data)  # of which nothing is copied, however many requests are sent ahead
        while True:
            try:
                return super().feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._protocol.ignores_upgrade:
                    raise
                rest = rest[upgrade.args[0] :]
            super().feed_data(self._protocol.head_without_upgrade())
