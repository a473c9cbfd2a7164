"""What a hostile host can't make us spend: time beyond the deadline, bytes beyond the cap."""

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hostile_hosts import (
    Certificate,
    Handler,
    HostileServer,
    ScriptedNames,
    answer,
    drip,
    fetcher,
    flood,
    redirect,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.moderation.errors import (
    FetchTimedOut,
    ImageTooManyBytes,
    ModerationError,
    UpstreamFailed,
)
from server.fetch.address import AllowedHost
from server.fetch.sockets import Budget, connect

Serve = Callable[..., HostileServer]

DEADLINE_S = 0.4
OK = b"HTTP/1.1 200 OK\r\n"
GZIP = b"Content-Encoding: gzip\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
IMAGES_TEST = [AllowedHost("images.test", None)]


@contextmanager
def ends_at_the_deadline() -> Iterator[None]:
    """Assert that the block times out, neither early nor more than a second late."""
    started = time.monotonic()
    with pytest.raises(FetchTimedOut) as caught:
        yield
    assert DEADLINE_S - 0.01 <= time.monotonic() - started < DEADLINE_S + 1
    assert caught.value.public_message == "The image was not there in time."


# --- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(drip(b"", b"", 0.05), id="silence"),
        pytest.param(drip(b"", b"H", 0.05), id="a status line that never ends"),
        pytest.param(drip(OK + b"A: ", b"a"), id="a header byte by byte"),
        pytest.param(drip(OK, b"A: b\r\n", 0.05), id="headers one by one"),
        pytest.param(drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), id="endless 100 Continue"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"), id="headers of a 100"),
        pytest.param(drip(OK + b"Content-Length: 90000\r\n\r\n", b"x"), id="a body byte by byte"),
        pytest.param(drip(OK + b"\r\n", b"x"), id="a body without an end"),
        pytest.param(drip(CHUNKED, b"1\r\nx\r\n"), id="tiny chunks"),
        pytest.param(drip(CHUNKED + b"1;", b"a"), id="a chunk extension that never ends"),
        pytest.param(drip(CHUNKED + b"1\r\nx\r\n0\r\n", b"A: b\r\n"), id="endless trailers"),
        pytest.param(
            drip(OK + GZIP + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
            id="empty deflate blocks",
        ),
    ],
)  # fmt: skip
def test_no_slow_answer_stretches_the_deadline(serve: Serve, script: Handler) -> None:
    with ends_at_the_deadline():
        fetcher(timeout_s=DEADLINE_S).fetch(serve(script).url())


def test_slow_redirects_share_one_deadline(serve: Serve) -> None:
    def slowly(connection: socket.socket, stopped: threading.Event) -> None:
        stopped.wait(DEADLINE_S * 0.4)
        connection.sendall(redirect("/again"))

    with ends_at_the_deadline():
        fetcher(timeout_s=DEADLINE_S).fetch(serve(slowly).url())


def test_a_slow_resolver_does_not_stretch_the_deadline() -> None:
    released = threading.Event()

    def resolve(_host: str) -> Sequence[str]:
        released.wait(5)
        return ["8.8.8.8"]

    with ends_at_the_deadline():
        fetcher(timeout_s=DEADLINE_S, resolve=resolve).fetch("http://slow.example/")
    released.set()


def test_stuck_lookups_are_bounded_and_abandoned_ones_never_run() -> None:
    released, running = threading.Event(), []

    def resolve(host: str) -> Sequence[str]:
        running.append(host)
        released.wait(5)
        return []

    door = fetcher(timeout_s=DEADLINE_S, resolve=resolve)

    def attempt(number: int) -> type[Exception]:
        try:
            door.fetch(f"http://slow{number}.example/")
        except ModerationError as error:
            return type(error)
        raise AssertionError("a fetch without an answer came back")

    with ThreadPoolExecutor(40) as callers:
        outcomes = list(callers.map(attempt, range(40)))
    assert outcomes == [FetchTimedOut] * 40
    assert len(running) == 32
    released.set()
    with pytest.raises(UpstreamFailed):
        door.fetch("http://next.example/")
    assert running[32:] == ["next.example"]


def test_a_host_that_never_connects_does_not_stretch_the_deadline() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        names = ScriptedNames(images_test=[["127.0.0.2"] * 4])
        with ends_at_the_deadline():
            fetcher(timeout_s=DEADLINE_S, resolve=names, allowed=IMAGES_TEST).fetch(
                f"http://images.test:{full.getsockname()[1]}/"
            )
        for sock in waiting:
            sock.close()


def test_a_peer_that_reads_nothing_does_not_stretch_the_deadline(serve: Serve) -> None:
    """Our requests fit the kernel's buffers, so this tries the socket itself, with far more."""
    server = serve(drip(b"", b""), reads_request=False)
    started = time.monotonic()
    with connect(["127.0.0.1"], server.port, Budget(1.0)) as sock:
        time.sleep(0.9)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(50_000_000))
        with pytest.raises(TimeoutError):
            sock.send(b"x")
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(drip(b"", b""), id="silence"),
        # A handshake record of 16 kB, announced, then sent byte by byte.
        pytest.param(drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x03"), id="byte by byte"),
    ],
)  # fmt: skip
def test_a_slow_tls_handshake_does_not_stretch_the_deadline(
    serve: Serve, certificate: Certificate, script: Handler
) -> None:
    door = fetcher(
        timeout_s=DEADLINE_S,
        resolve=ScriptedNames(images_test=[["127.0.0.1"]]),
        allowed=IMAGES_TEST,
        ssl_context=certificate.client_context(),
    )
    with ends_at_the_deadline():
        door.fetch(serve(script).url(host="images.test", scheme="https"))


def test_a_slow_tls_body_does_not_stretch_the_deadline(
    serve: Serve, certificate: Certificate
) -> None:
    door = fetcher(
        timeout_s=DEADLINE_S,
        resolve=ScriptedNames(images_test=[["127.0.0.1"]]),
        allowed=IMAGES_TEST,
        ssl_context=certificate.client_context(),
    )
    server = serve(drip(OK + b"\r\n", b"x"), tls=certificate.server_context())
    with ends_at_the_deadline():
        door.fetch(server.url(host="images.test", scheme="https"))


def test_a_tls_record_byte_by_byte_does_not_stretch_the_deadline(
    serve: Serve, certificate: Certificate
) -> None:
    """The bytes of one record come slowly, so that TLS reads often while HTTP reads once."""

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = certificate.server_context().wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                tls.read(65536)
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        connection.sendall(outgoing.read())
        tls.write(OK + b"Content-Length: 9000\r\n\r\n" + b"x" * 9000)
        record = outgoing.read()
        for byte in record:
            if stopped.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    door = fetcher(
        timeout_s=DEADLINE_S,
        resolve=ScriptedNames(images_test=[["127.0.0.1"]]),
        allowed=IMAGES_TEST,
        ssl_context=certificate.client_context(),
    )
    server = serve(handle, reads_request=False)
    with ends_at_the_deadline():
        door.fetch(server.url(host="images.test", scheme="https"))


# --- bytes ---------------------------------------------------------------------------------------


def test_a_body_of_exactly_the_cap_is_fetched_and_one_byte_more_is_not(serve: Serve) -> None:
    door = fetcher(max_bytes=70_000)
    for frame in (
        answer,
        lambda body: OK + b"\r\n" + body,
        lambda body: CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    ):
        assert len(door.fetch(serve(frame(b"x" * 70_000)).url())) == 70_000
        with pytest.raises(ImageTooManyBytes) as caught:
            door.fetch(serve(frame(b"x" * 70_001)).url())
        assert caught.value.max_bytes == 70_000


def test_an_announced_length_beyond_the_cap_is_refused_at_once(serve: Serve) -> None:
    server = serve(drip(OK + b"Content-Length: 100001\r\n\r\n", b""))
    started = time.monotonic()
    with pytest.raises(ImageTooManyBytes):
        fetcher(timeout_s=5).fetch(server.url())
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "start",
    [OK + b"\r\n", OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n"],
)
def test_an_endless_body_is_stopped_at_the_cap(serve: Serve, start: bytes) -> None:
    with pytest.raises(ImageTooManyBytes):
        fetcher(timeout_s=5).fetch(serve(flood(start, b"x" * 65536)).url())


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999), id="1xx answers"),
        pytest.param(
            flood(b"", b"HTTP/1.1 100 Continue\r\n" + b"A: aaaaaaaa\r\n" * 99 + b"\r\n"),
            id="headers of 1xx answers",
        ),
        pytest.param(flood(OK, b"A: " + b"a" * 60_000 + b"\r\n"), id="headers"),
        pytest.param(flood(CHUNKED + b"1\r\nx\r\n0\r\n", b"A: aaaaaaaa\r\n" * 99), id="trailers"),
        pytest.param(flood(CHUNKED, b"1;" + b"a" * 60_000 + b"\r\nx\r\n"), id="chunk extensions"),
        pytest.param(flood(CHUNKED, b"-1\r\n" + b"x" * 60_000), id="a negative chunk"),
    ],
)
def test_endless_framing_is_stopped_long_before_the_deadline(serve: Serve, script: Handler) -> None:
    started = time.monotonic()
    with pytest.raises(UpstreamFailed):
        fetcher(timeout_s=5).fetch(serve(script).url())
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("framing", ["Content-Length", "close"])
def test_a_compression_bomb_costs_no_more_than_the_cap(
    serve: Serve, coding: str, framing: str
) -> None:
    """200 MB of zeros in 200 kB: memory stays near the cap of 1 MB, not near the bomb's size."""
    compressor = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    bomb = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(200)) + compressor.flush()
    coded = f"Content-Encoding: {coding}"
    wire = answer(bomb, coded) if framing != "close" else OK + coded.encode() + b"\r\n\r\n" + bomb
    server = serve(wire)
    door = fetcher(max_bytes=1_000_000, timeout_s=5)
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooManyBytes):
            door.fetch(server.url())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3_000_000


def test_a_decoded_body_of_exactly_the_cap_is_fetched_and_one_byte_more_is_not(
    serve: Serve,
) -> None:
    door = fetcher(max_bytes=65536)
    for size, fits in ((65535, True), (65536, True), (65537, False)):
        server = serve(answer(gzip.compress(bytes(size)), "Content-Encoding: gzip"))
        if fits:
            assert door.fetch(server.url()) == bytes(size)
        else:
            with pytest.raises(ImageTooManyBytes):
                door.fetch(server.url())


def test_a_decoded_body_is_whole_when_its_last_bytes_wait_inside_zlib(serve: Serve) -> None:
    """zlib may have read all input and still hold output back, just where a piece is full."""
    for size in range(65537, 65560):
        compressor = zlib.compressobj(9, wbits=-15)
        raw = compressor.compress(bytes(size)) + compressor.flush()
        server = serve(answer(raw, "Content-Encoding: deflate"))
        assert fetcher().fetch(server.url()) == bytes(size)


# --- anything at all -----------------------------------------------------------------------------

_FRAGMENTS = st.sampled_from(
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
     b"\r\n", b"Location: ", b"Location: http://127.1/\r\n", b"Content-Length: 3\r\n",
     b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n",
     b"Content-Encoding: deflate\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b" folded\r\n", b": \r\n",
     b"\xff\xfe", gzip.compress(b"abc")]
)  # fmt: skip


def test_whatever_comes_only_the_errors_of_moderation_leave(serve: Serve) -> None:
    wires: list[bytes] = []
    server = serve(lambda connection, _stopped: connection.sendall(wires[-1]))
    door = fetcher(timeout_s=2)

    @given(
        st.sampled_from([b"", OK, b"HTTP/1.1 302 Found\r\n"]),
        st.lists(st.one_of(_FRAGMENTS, st.binary(max_size=20)), max_size=8).map(b"".join),
    )
    @settings(max_examples=300, deadline=None)
    def whatever_comes(start: bytes, rest: bytes) -> None:
        wires.append(start + rest)
        try:
            assert door.fetch(server.url())
        except ModerationError as error:
            messages.add(error.public_message)

    messages: set[str] = set()
    whatever_comes()
    assert not any("127" in message for message in messages)
