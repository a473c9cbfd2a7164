"""What a WebSocket's client does not read, or what is no message, costs little and has its end."""

import asyncio
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from front_server import BOUNDS, read_to_end
from test_websockets import UPGRADE, accepts

PATIENT = replace(BOUNDS, head_s=30)
LOOPS = pytest.mark.parametrize("loop", ["uvloop", "asyncio"])


def frame(kind, data):
    """A client's frame, masked with zeros."""
    return bytes([kind, 0x80 | len(data), 0, 0, 0, 0]) + data


PINGS = frame(0x89, b"x" * 125) * 4000
LAST_PING, LAST_PONG = frame(0x89, b"the last"), b"\x8a\x08the last"


def deaf(front):
    """A WebSocket with little room for what it will not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(10)
    client.connect(("127.0.0.1", front.port))
    client.sendall(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    return client


def wait_until_taken(front, client):
    """Return once the server has read all that the client has sent; else the system holds it."""
    ends = f":{front.port:04X} 0100007F:{client.getsockname()[1]:04X} "
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        [line] = [line for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line]
        queues = line.split()[4]  # tx_queue:rx_queue, in hexadecimal
        if int(queues.partition(":")[2], 16) == 0:
            return
        time.sleep(0.05)
    pytest.fail("the server does not read what it is sent")


def is_cut_off(client, data, seconds=5):
    """Send it again and again; return whether the other side stops listening."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            client.sendall(data)
            time.sleep(0.01)
    except OSError:
        return True
    return False


@LOOPS
def test_pings_that_nobody_reads_are_answered_with_one_pong(start_front, echo, loop):
    front = start_front(echo, bounds=PATIENT, websockets=accepts, loop=loop)
    with deaf(front) as client:
        for _ in range(40):  # 21 MB
            client.sendall(PINGS)
        client.sendall(LAST_PING)
        wait_until_taken(front, client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        answer = b""
        while not answer.endswith(LAST_PONG):
            answer += client.recv(1_000_000)
            assert len(answer) < 8_000_000, "more than the system holds, and one read of ours"
        client.sendall(LAST_PING)
        assert client.recv(1000) == LAST_PONG


@LOOPS
def test_pings_that_nobody_reads_end_the_connection_in_time(start_front, echo, loop):
    front = start_front(echo, websockets=accepts, loop=loop)
    with deaf(front) as client:
        assert is_cut_off(client, PINGS)


async def sends_for_ever(_scope, _receive, send):
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "x" * 100_000})


def test_oldest_unread_websocket_goes_when_all_are_too_much(start_front, echo):
    bounds = replace(PATIENT, unread_bytes=500_000)
    front = start_front(echo, bounds=bounds, websockets=sends_for_ever)
    with ExitStack() as stack:
        clients = [stack.enter_context(deaf(front)) for _ in range(20)]
        time.sleep(0.5)
        assert is_cut_off(clients[0], LAST_PING, seconds=0.5)
        assert sum(not is_cut_off(client, LAST_PING, seconds=0.1) for client in clients) >= 2


@LOOPS
def test_messages_that_nobody_reads_end_the_connection_in_time(start_front, echo, caplog, loop):
    front = start_front(echo, websockets=sends_for_ever, loop=loop)
    with deaf(front) as client:
        time.sleep(1.5)
        assert is_cut_off(client, LAST_PING, seconds=1)
    assert not [record for record in caplog.records if record.exc_info]


async def sends_much_and_ends(_scope, _receive, send):
    await send({"type": "websocket.accept"})
    await asyncio.sleep(2 * BOUNDS.head_s)  # what ends sooner counts as a handshake
    await send({"type": "websocket.send", "text": "x" * 10_000_000})


# Reading may take longer than a test: what ends these is that they are over.
OVER = {
    "no pong": (sends_for_ever, BOUNDS.head_s),
    "the application's end": (sends_much_and_ends, 20),
}


@pytest.mark.parametrize(("app", "ping_s"), OVER.values(), ids=OVER)
def test_websocket_that_is_over_does_not_wait_for_who_does_not_read(start_front, echo, app, ping_s):
    bounds = replace(BOUNDS, min_bytes_per_s=100)
    front = start_front(echo, bounds=bounds, websockets=app, ping_s=ping_s)
    with deaf(front) as client:
        time.sleep(2)
        assert is_cut_off(client, LAST_PING, seconds=1)


def test_slow_reader_gets_all_of_a_long_message(start_front, echo):
    front = start_front(echo, websockets=sends_much_and_ends, bounds=PATIENT)
    with deaf(front) as client:
        time.sleep(0.2)
        assert len(read_to_end(client)) > 10_000_000


NO_TEXT = {
    "alone": frame(0x81, b"\xff"),
    "in pieces": frame(0x01, b"\xc3") + frame(0x80, b"\x28"),
    "before more": frame(0x81, b"\xff") * 3 + frame(0x89, b"x"),
    "before a farewell": frame(0x81, b"\xff") + frame(0x88, b"\x03\xe8"),
}


@pytest.mark.parametrize("sent", NO_TEXT.values(), ids=NO_TEXT)
@LOOPS
def test_text_that_is_none_ends_the_connection_and_is_no_error(
    start_front, echo, caplog, sent, loop
):
    front = start_front(echo, websockets=accepts, loop=loop)
    with deaf(front) as client:
        client.sendall(sent)
        answer = read_to_end(client)
    code = 1000 if sent is NO_TEXT["before a farewell"] else 1007
    assert answer.endswith(b"\x88\x02" + code.to_bytes(2))
    front.stop()
    assert not [record for record in caplog.records if record.levelname != "WARNING"]


def test_text_in_pieces_arrives_joined(start_front, echo):
    async def repeats(_scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": (await receive())["text"]})

    with deaf(start_front(echo, websockets=repeats)) as client:
        client.sendall(frame(0x01, b"\xc3") + frame(0x89, b"x") + frame(0x80, b"\xa4"))
        assert read_to_end(client).startswith(b"\x8a\x01x" + b"\x81\x02\xc3\xa4")


async def never_reads(_scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(1)


@pytest.mark.parametrize("first", [b"", frame(0x01, b"x")], ids=["messages", "pieces"])
def test_messages_without_content_do_not_pile_up(start_front, echo, first):
    again = frame(0x00, b"") if first else frame(0x81, b"")
    front = start_front(echo, websockets=never_reads, bounds=PATIENT)
    with deaf(front) as client:
        client.sendall(first + again * 40_000)
        assert read_to_end(client).startswith(b"\x88\x02" + (1008).to_bytes(2))
