"""Upgrades end in a WebSocket, in a refusal or in time; none disturbs what others do."""

import asyncio
import threading
import time

import pytest
from front_server import post, read_answer, read_to_end

UPGRADE = (
    b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)
NO_HANDSHAKES = {
    "a body that comes": b"POST / HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 3\r\n\r\nabc",
    "a body that does not": b"POST / HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 3\r\n\r\n",
    "a body of a GET": b"GET / HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 3\r\n\r\nabc",
    "chunks": b"GET / HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another method": b"POST / HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "too many headers": b"GET / HTTP/1.1\r\n" + UPGRADE + b"X: y\r\n" * 200 + b"\r\n",
    "too long a header": b"GET / HTTP/1.1\r\n" + UPGRADE + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    "no key": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES)
def test_upgrade_that_is_no_handshake_is_refused(front, echo, request_bytes):
    with front.connect() as connection:
        connection.sendall(request_bytes)
        assert read_to_end(connection).startswith(b"HTTP/1.1 400")
    assert echo.environs == []


# As JDK 11's HttpClient asks every server, with and without a body.
HTTP2 = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
)
INNER = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
BODIES = {
    "a length": post(INNER, close=False, headers=HTTP2),
    "chunks": b"POST /x HTTP/1.1\r\nHost: x\r\n" + HTTP2 + b"Transfer-Encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER),
}


@pytest.mark.parametrize("request_bytes", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("piece_bytes", [1000, 141, 7, 1])
def test_upgrade_that_we_do_not_speak_is_answered_as_if_it_were_none(
    front, echo, request_bytes, piece_bytes
):
    with front.connect() as connection:
        for _ in range(2):
            for at in range(0, len(request_bytes), piece_bytes):
                connection.sendall(request_bytes[at : at + piece_bytes])
            assert read_answer(connection) == (200, b"%d" % len(INNER))
    assert [environ["PATH_INFO"] for environ in echo.environs] == ["/x", "/x"]
    assert "HTTP_UPGRADE" not in echo.environs[0]


def test_upgrade_that_we_do_not_speak_needs_no_body_and_may_be_sent_ahead(front, echo):
    asked = b"GET /%d HTTP/1.1\r\nHost: x\r\n" + HTTP2 + b"\r\n"
    with front.connect() as connection:
        connection.sendall(asked % 1 + BODIES["a length"] + asked % 2 + post(b"12"))
        answers = read_to_end(connection).split(b"HTTP/1.1 200")[1:]
    assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [b"0", b"32", b"0", b"2"]
    assert [environ["PATH_INFO"] for environ in echo.environs] == ["/1", "/x", "/2", "/x"]


@pytest.mark.parametrize(
    "headers", [b"Expect: 100-continue\r\n", b"Upgrade: x\r\n", b"Upgrade: websocket, h2c\r\n"]
)
def test_other_headers_hold_beside_an_upgrade_that_we_do_not_speak(front, headers):
    body = b"x" * 100_000
    with front.connect() as connection:
        request = post(body, close=False, headers=HTTP2 + headers)
        connection.sendall(request[: -len(body)])
        if b"Expect" in headers:
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_answer(connection) == (200, b"100000")


@pytest.mark.parametrize("target", [b"/x", b"x:443", b"127.0.0.1:22"])
def test_nobody_is_connected_elsewhere(front, echo, target):
    request = b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    assert front.talk(request + INNER).startswith(b"HTTP/1.1 400")
    assert echo.environs == []


def test_upgrade_sent_ahead_does_not_get_into_the_answer_before_it(front, echo):
    echo.gate.clear()
    with front.connect() as connection:
        connection.sendall(post(b"1", close=False) + b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        threading.Timer(0.3, echo.gate.set).start()
        answer = read_to_end(connection)
    assert answer.endswith(b"\r\n\r\n1")
    assert answer.count(b"HTTP/1.1") == 1


async def accepts(_scope, receive, send):
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


def test_upgrade_behind_an_answer_that_is_not_read_is_refused(start_front):
    def large(environ, start_response):
        start_response("200 OK", [])
        return [b"x" * 30_000_000]

    with start_front(large, websockets=accepts).connect() as connection:
        connection.sendall(post(b"", close=False))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        assert b"x" * 10 + b"HTTP/1.1 400" in read_to_end(connection)


def test_handshake_that_does_not_end_is_cut_off(start_front, echo):
    async def never_accepts(_scope, _receive, _send):
        await asyncio.sleep(3)

    front = start_front(echo, websockets=never_accepts)
    began = time.monotonic()
    with front.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        assert read_to_end(connection) == b""
    assert time.monotonic() - began < 2


def test_websocket_that_is_accepted_stays_open(start_front, echo):
    front = start_front(echo, websockets=accepts)
    with front.connect(timeout_s=1) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 101")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        front.tell_to_stop()
        assert read_to_end(connection)[:4] == b"\x88\x02" + (1012).to_bytes(2)


@pytest.mark.parametrize("request_bytes", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES)
def test_upgrades_do_not_disturb_a_stop(front, echo, request_bytes):
    echo.gate.clear()
    with front.connect() as whole, front.connect() as other:
        whole.sendall(post(b"whole"))
        other.sendall(request_bytes)
        while not echo.environs:
            time.sleep(0.01)
        front.tell_to_stop()
        time.sleep(0.3)
        echo.gate.set()
        assert read_answer(whole) == (200, b"5")
