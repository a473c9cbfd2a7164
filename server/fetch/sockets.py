"""Sockets that obey one deadline and one byte budget, however slowly the peer sends.

A socket's timeout counts anew with every call, so a peer that sends a byte now and then stretches
it for ever. Here every call gets what is left until the deadline. Knows no HTTP and no URLs.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class WireBytesExceeded(Exception):
    """The peer sent more bytes than the budget holds."""


class Budget:
    """What one fetch may still spend: seconds until its deadline, and bytes from the wire."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at_s = time.monotonic() + timeout_s
        self._bytes_left = 0

    def remaining_s(self) -> float:
        """Return the seconds left, more than 0. Raises TimeoutError at the deadline."""
        left_s = self._ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline has passed")
        return left_s

    def allow_bytes(self, count: int) -> None:
        """Set how many more bytes may come."""
        self._bytes_left = count

    def spend_bytes(self, count: int) -> None:
        """Count received bytes. Raises WireBytesExceeded."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise WireBytesExceeded(
                "more bytes on the wire than headers, framing and body may have"
            )


class BudgetSocket(socket.socket):
    """A TCP socket whose calls end at its budget's deadline and whose bytes are counted.

    http.client reads with recv_into and writes with sendall; both are total within one call.
    """

    budget: Budget

    def recv_into(
        self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0
    ) -> int:
        self.settimeout(self.budget.remaining_s())
        count = super().recv_into(buffer, nbytes or 0, flags)
        self.budget.spend_bytes(count)
        return count

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        self.settimeout(self.budget.remaining_s())
        return super().send(data, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        self.settimeout(self.budget.remaining_s())
        super().sendall(data, flags)


class BudgetTlsSocket(BudgetSocket, ssl.SSLSocket):
    """The same over TLS; the bytes counted are those inside the records."""

    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(self.budget.remaining_s())
        super().do_handshake(block)  # one deadline for the whole handshake, see _ssl.c


def connect(addresses: Sequence[str], port: int, budget: Budget) -> BudgetSocket:
    """Connect to the first of the address literals that answers.

    Each attempt may use its share of the remaining time, so a dead first address leaves time for
    the second. Raises the last attempt's OSError; TimeoutError when the deadline is reached.
    """
    last_error = OSError("no address to connect to")
    for index, address in enumerate(addresses):
        share_s = budget.remaining_s() / (len(addresses) - index)
        try:
            return _connect_to(address, port, share_s, budget)
        except OSError as error:
            last_error = error
    budget.remaining_s()
    raise last_error


def _connect_to(address: str, port: int, timeout_s: float, budget: Budget) -> BudgetSocket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = BudgetSocket(family, socket.SOCK_STREAM)
    try:
        sock.budget = budget
        sock.settimeout(timeout_s)
        sock.connect((address, port))
        check_peer(sock, address)
        # Else Nagle holds the request back until the peer has acknowledged the TLS handshake.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def check_peer(sock: socket.socket, address: str) -> None:
    """Raise OSError unless the socket is connected to exactly this address."""
    peer = sock.getpeername()[0]
    if socket.inet_pton(sock.family, peer) != socket.inet_pton(sock.family, address):
        raise OSError(f"connected to {peer} instead of {address}")


def start_tls(sock: BudgetSocket, host: str, context: ssl.SSLContext) -> BudgetTlsSocket:
    """Shake hands as a client that expects a certificate for `host`. Closes `sock` on failure.

    `context.sslsocket_class` must be BudgetTlsSocket. An end of the connection without TLS's own
    closing message is an error, so that nobody on the way can cut a body short.
    """
    tls = context.wrap_socket(
        sock, server_hostname=host, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    assert isinstance(tls, BudgetTlsSocket)  # noqa: S101 - tells mypy what sslsocket_class made
    try:
        tls.budget = sock.budget
        tls.do_handshake()
    except BaseException:
        tls.close()
        raise
    return tls
