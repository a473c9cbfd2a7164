"""Who has sent all and closes that side, as `nc -N` does, gets every answer that is due."""

import socket
import threading
import time
from dataclasses import replace

import pytest
from front_server import BOUNDS, post, read_answer, read_to_end
from test_protocol import LATE

PATIENT = replace(BOUNDS, head_s=30)


@pytest.fixture(params=["uvloop", "asyncio"])
def loop(request):
    return request.param


def send_all(connection, data):
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def until_called(echo, times=1):
    while len(echo.environs) < times:
        time.sleep(0.01)


@pytest.mark.parametrize("keeps_open", [True, False])
def test_request_is_answered_and_then_the_connection_closed(start_front, echo, loop, keeps_open):
    front = start_front(echo, loop=loop)
    echo.gate.clear()
    with front.connect() as connection:
        send_all(connection, post(b"x" * 7, close=not keeps_open))
        threading.Timer(0.6, echo.gate.set).start()  # longer than a head may take
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n7")
    assert b"connection: close" in answer


HALVES = {
    "nothing": b"",
    "part of a head": b"POST / HTTP/1.1\r\nX: y",
    "half a body": post(b"x" * 10)[:-5],
    "half a large body": post(b"x" * 200_000)[:100_000],
}


@pytest.mark.parametrize("rest", HALVES.values(), ids=HALVES)
def test_what_was_sent_ahead_is_answered_as_far_as_it_is_whole(start_front, echo, loop, rest):
    front = start_front(echo, loop=loop)
    echo.gate.clear()
    with front.connect() as connection:
        ahead = [post(b"x" * size, close=False) for size in range(1, 6)]
        send_all(connection, b"".join(ahead) + rest)
        threading.Timer(0.6, echo.gate.set).start()
        answers = read_to_end(connection).split(b"HTTP/1.1 200")[1:]
    assert [answer[-1:] for answer in answers] == [b"1", b"2", b"3", b"4", b"5"]
    assert [b"connection: close" in answer for answer in answers] == [False] * 4 + [True]
    assert len(echo.environs) == 5


def test_answer_that_is_made_while_it_is_sent_comes_whole(start_front, loop):
    def parts(_environ, start_response):
        start_response("200 OK", [])
        for _ in range(5):
            time.sleep(0.05)
            yield b"x" * 70_000

    with start_front(parts, loop=loop).connect() as connection:
        send_all(connection, post(b"", close=False))
        answer = read_to_end(connection)
    assert answer.count(b"x" * 1000) == 350
    assert answer.endswith(b"0\r\n\r\n")


def test_nothing_is_due_and_the_connection_closes_at_once(start_front, echo, loop):
    front = start_front(echo, bounds=PATIENT, loop=loop)
    began = time.monotonic()
    with front.connect() as connection:
        connection.sendall(post(b"1", close=False))
        assert read_answer(connection) == (200, b"1")
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b""
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("sent", [*LATE.values(), HALVES["half a large body"]])
def test_request_whose_rest_cannot_come_is_not_waited_for(start_front, echo, loop, sent):
    front = start_front(echo, bounds=PATIENT, loop=loop)
    began = time.monotonic()
    with front.connect() as connection:
        send_all(connection, sent)
        assert read_to_end(connection) == b""
    assert time.monotonic() - began < 2
    assert echo.environs == []


@pytest.mark.parametrize("size", [40_000, 3_000_000])
@pytest.mark.parametrize("half_closes", [True, False])
def test_who_does_not_read_the_last_answer_is_cut_off_in_time(start_front, loop, size, half_closes):
    def app(_environ, start_response):
        start_response("200 OK", [("Content-Length", str(size))])
        return [b"x" * size]

    bounds = replace(BOUNDS, min_bytes_per_s=10_000_000)
    front = start_front(app, bounds=bounds, loop=loop, sends_little=True)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", front.port))
        connection.settimeout(10)
        connection.sendall(post(b"", close=not half_closes))
        if half_closes:
            connection.shutdown(socket.SHUT_WR)
        time.sleep(1.5)
        assert len(read_to_end(connection)) < size


def test_who_leaves_while_being_answered_leaves_no_error_and_no_place_taken(
    start_front, echo, loop, caplog
):
    front = start_front(echo, bounds=replace(PATIENT, large_bodies=1), loop=loop)
    for _ in range(3):
        echo.gate.clear()
        called = len(echo.environs)
        with front.connect() as connection:
            connection.sendall(post(b"x" * 200_000, close=False) + post(b"1", close=False) * 3)
            until_called(echo, called + 1)
        time.sleep(0.1)
        echo.gate.set()
        time.sleep(0.1)
    assert front.talk(post(b"x" * 200_000)).endswith(b"200000")
    front.stop()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_who_leaves_while_an_answer_is_made_ends_it_without_an_error(start_front, loop, caplog):
    made, closed = [], threading.Event()

    class Parts:
        def __iter__(self):
            for number in range(200):
                made.append(number)
                time.sleep(0.02)
                yield b"x" * 70_000

        def close(self):
            closed.set()

    def app(_environ, start_response):
        start_response("200 OK", [])
        return Parts()

    front = start_front(app, bounds=PATIENT, loop=loop)
    with front.connect() as connection:
        connection.sendall(post(b"", close=False))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert closed.wait(5)
    assert len(made) < 100
    front.stop()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
