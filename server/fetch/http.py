"""`PinnedFetcher`, the one door to the outside: GET a URL that a stranger chose, POST a webhook.

Every hop goes the same way: parse the URL, resolve its host once, check every address, connect to
a checked address and to nothing else, exchange one request, close. One deadline and one byte budget
span the whole. What cloud.moderation.errors does not name does not leave here.

The exchange is http.client's over a socket of ours. requests and urllib3 parse answers with
http.client too; what they add (pools, proxies, cookies, .netrc, redirects, decoding, their own
connecting) is what would have to be switched off or replaced here, piece by piece, to be sure of
the promises. A socket that is connected, checked and limited before HTTP sees it needs none of it.
"""

import http.client
import os
import re
import ssl
import threading
import uuid
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import certifi

from cloud.moderation.errors import AddressRefused, FetchError, FetchTimedOut, UpstreamFailed
from server.fetch.address import AllowedHost, is_public
from server.fetch.content import BadContent, body_pieces
from server.fetch.names import Resolve, Resolver, system_resolve
from server.fetch.sockets import (
    Budget,
    BudgetSocket,
    BudgetTlsSocket,
    WireBytesExceeded,
    connect,
    start_tls,
)
from server.fetch.url import Target, follow, parse_url

_OPEN_PORTS = (80, 443)
_REDIRECTS = (301, 302, 303, 307, 308)

# So many addresses of one host are tried; more would make us a port scanner in a stranger's hand.
_MAX_ATTEMPTS = 8

# Status line, headers, endless 1xx answers, and what a buffered read takes of the body beforehand.
_HEAD_BYTES = 256 * 1024
# Chunk sizes, extensions and trailers: 1/32 of the body suffices from chunks of 256 bytes upwards.
_FRAMING_SHARE = 32

_IP_LITERAL = re.compile(r"[0-9.]+|.*:.*")  # of a normalised host, where names end in a letter
_HEADER_TEXT = re.compile(r"[\x20-\x7e]+")
_NO_HEADERS: Mapping[str, str] = {}


class PinnedFetcher:
    """Fetches http(s) URLs from public addresses, and from the hosts that the operator allows.

    Thread-safe, and safe to make before a fork: threads and certificates come with the first use.
    Nothing is kept between fetches, neither connections nor cookies nor looked-up names.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        max_bytes: int,
        allowed: Sequence[AllowedHost] = (),
        allowed_by: str = "IMAGE_FETCH_ALLOW",
        resolve: Resolve = system_resolve,
        max_redirects: int = 3,
        user_agent: str = "Parsewarden/0.1",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Set the limits of `fetch`; `ssl_context` replaces certifi's and is taken over for good.

        `allowed` hosts may lead to any address; `allowed_by` names their setting in errors. Raises
        ValueError for limits that allow nothing.
        """
        _check_limits(timeout_s, max_bytes)
        if not _HEADER_TEXT.fullmatch(user_agent):
            raise ValueError("user_agent must be printable ASCII")
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._allowed = tuple(allowed)
        self._allowed_by = allowed_by
        self._resolver = Resolver(resolve)
        self._max_redirects = max_redirects
        self._user_agent = user_agent
        self._tls = _TlsContext(ssl_context)

    def fetch(self, url: str) -> bytes:
        """Return the whole body of `url`, at least one byte.

        Blocks for at most timeout_s in all. Raises InvalidUrl, AddressRefused, FetchTimedOut,
        UpstreamFailed, or ImageTooManyBytes beyond max_bytes, as sent or decoded.
        """
        return b"".join(self._pieces(url, self._timeout_s, self._max_bytes))

    def download(self, url: str, destination: Path, *, max_bytes: int, timeout_s: float) -> None:
        """Fetch `url` into a file, with limits of its own; its folder must exist.

        The file appears whole or not at all, and replaces an older one. Several downloads of one
        file may run at once. Raises what `fetch` raises, and FetchError when the disk refuses.
        """
        _check_limits(timeout_s, max_bytes)
        part = destination.with_name(f".{destination.name}.{uuid.uuid4().hex}.part")
        try:
            with closing(self._pieces(url, timeout_s, max_bytes)) as pieces:
                _write_whole(part, destination, pieces)
        except OSError as error:  # the disk's; the network's have other names by now
            raise FetchError(f"cannot write {destination}: {error}") from error

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` to `url` and return the answer's status; nobody follows or reads the answer.

        Blocks for at most timeout_s. Raises InvalidUrl, AddressRefused, FetchTimedOut or
        UpstreamFailed; then the host may have the body nevertheless.
        """
        target = parse_url(url)
        budget = Budget(self._timeout_s)
        with _named_failures(target), self._answer(target, budget, body, headers) as answer:
            return answer.status

    def _pieces(self, url: str, timeout_s: float, max_bytes: int) -> Generator[bytes, None, None]:
        budget = Budget(timeout_s)
        target = parse_url(url)
        for _ in range(1 + self._max_redirects):
            with _named_failures(target), self._answer(target, budget) as answer:
                if answer.status not in _REDIRECTS:
                    yield from _body(target, answer, budget, max_bytes)
                    return
                target = _redirect_target(target, answer)
        raise UpstreamFailed(
            f"{target.loggable}: one redirect more than the {self._max_redirects} that we follow",
            "The image's host redirects too often.",
        )

    @contextmanager
    def _answer(
        self,
        target: Target,
        budget: Budget,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Iterator[http.client.HTTPResponse]:
        with closing(_Exchange(self._connect(target, budget))) as exchange:
            exchange.send_request(target, {"User-Agent": self._user_agent, **headers}, body)
            with exchange.getresponse() as answer:
                yield answer

    def _connect(self, target: Target, budget: Budget) -> BudgetSocket:
        addresses = self._checked_addresses(target, budget)
        budget.allow_bytes(_HEAD_BYTES)
        try:
            sock = connect(addresses[:_MAX_ATTEMPTS], target.port, budget)
        except TimeoutError:
            raise
        except OSError as error:
            raise _upstream_failed(target, error, "cannot be reached") from error
        if target.scheme == "http":
            return sock
        try:
            return start_tls(sock, target.host, self._tls.get())
        except TimeoutError:
            raise
        except OSError as error:
            raise _upstream_failed(target, error, "cannot be reached securely") from error

    def _checked_addresses(self, target: Target, budget: Budget) -> Sequence[str]:
        """Return where to connect: every address of the host, each of them permitted."""
        if any(entry.opens(target.host, target.port) for entry in self._allowed):
            return self._addresses(target, budget)
        if target.port not in _OPEN_PORTS:
            raise self._refused(
                target, f"port {target.port} is not open", "uses a port other than 80 and 443"
            )
        addresses = self._addresses(target, budget)
        for address in addresses:
            if not is_public(address):
                raise self._refused(
                    target, f"it leads to {address}", "leads to an address that is not public"
                )
        return addresses

    def _refused(self, target: Target, detail: str, clause: str) -> AddressRefused:
        detail = f"{target.loggable}: {detail}; see {self._allowed_by}"
        return AddressRefused(detail, f"The image's URL {clause}.")

    def _addresses(self, target: Target, budget: Budget) -> Sequence[str]:
        if _IP_LITERAL.fullmatch(target.host):
            return [target.host]
        try:
            addresses = self._resolver.resolve(target.host, budget.remaining_s())
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            raise _upstream_failed(target, error, "cannot be found") from error
        if not addresses:
            raise _upstream_failed(target, "no addresses", "cannot be found")
        return addresses


class _Exchange(http.client.HTTPConnection):
    """One request and its answer over a socket that is connected already."""

    auto_open = 0  # never connect by yourself

    def __init__(self, sock: BudgetSocket) -> None:
        super().__init__("pinned")  # a name that is never looked up
        self.sock = sock

    def send_request(
        self, target: Target, headers: Mapping[str, str], body: bytes | None = None
    ) -> None:
        """Send a GET, or with a body a POST, and no headers but the given and what HTTP needs."""
        method = "GET" if body is None else "POST"
        self.putrequest(method, target.request_target, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", target.authority)
        for name, value in headers.items():
            self.putheader(name, value)
        self.putheader("Accept", "*/*")
        self.putheader("Accept-Encoding", "identity")
        self.putheader("Connection", "close")
        if body is not None:
            self.putheader("Content-Length", str(len(body)))
        self.endheaders(body)


class _TlsContext:
    """The TLS settings of one fetcher, made once, because loading certificates takes 20 ms."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._lock = threading.Lock()
        self._context = context
        if context is not None:
            context.sslsocket_class = BudgetTlsSocket

    def get(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = _certifi_context()
            return self._context


def _certifi_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = BudgetTlsSocket
    return context


def _body(
    target: Target, answer: http.client.HTTPResponse, budget: Budget, max_bytes: int
) -> Iterator[bytes]:
    if answer.status != HTTPStatus.OK:
        status = _status_text(answer.status)
        raise _upstream_failed(target, f"answered {status}", f"answered {status}")
    budget.allow_bytes(_HEAD_BYTES + max_bytes + max_bytes // _FRAMING_SHARE)
    yield from body_pieces(answer, max_bytes)


def _redirect_target(target: Target, answer: http.client.HTTPResponse) -> Target:
    location = answer.headers.get("Location")
    if location is None:
        raise _upstream_failed(target, "no Location", "redirects without saying where to")
    return follow(target, _as_sent(location))


def _as_sent(header: str) -> str:
    """Undo http.client's ISO 8859-1 where the header was UTF-8."""
    try:
        return header.encode("iso-8859-1").decode("utf-8")
    except UnicodeError:
        return header


def _status_text(status: int) -> str:
    """Name a status in our own words; the host's words are a stranger's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _write_whole(part: Path, destination: Path, pieces: Iterator[bytes]) -> None:
    try:
        with part.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, destination)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _named_failures(target: Target) -> Iterator[None]:
    """Turn what sockets, TLS, HTTP and zlib raise into the errors that moderation knows."""
    try:
        yield
    except TimeoutError as error:
        raise FetchTimedOut(
            f"{target.loggable}: not there whole before the deadline ({error})",
            "The image was not there in time.",
        ) from error
    except (BadContent, OSError, http.client.IncompleteRead, zlib.error) as error:
        raise _upstream_failed(target, error, "did not send a whole, readable body") from error
    except (http.client.HTTPException, WireBytesExceeded, ValueError) as error:
        raise _upstream_failed(target, error, "did not answer in proper HTTP") from error


def _upstream_failed(target: Target, detail: object, clause: str) -> UpstreamFailed:
    detail = repr(detail) if isinstance(detail, Exception) else detail
    return UpstreamFailed(f"{target.loggable}: {detail}", f"The image's host {clause}.")


def _check_limits(timeout_s: float, max_bytes: int) -> None:
    if not timeout_s > 0 or max_bytes < 1:
        raise ValueError("timeout_s and max_bytes must be more than 0")
