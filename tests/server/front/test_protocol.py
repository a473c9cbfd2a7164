"""Requests reach the app whole, or not at all; nobody holds a thread by being slow."""

import select
import socket
import struct
import threading
import time
from dataclasses import replace

import pytest
from front_server import BOUNDS, post, read_answer, read_to_end

from server.busy import busy_answers


def test_body_arrives_in_one_piece_however_it_was_sent(front, echo):
    body = b"x" * 200_000
    request = post(body)
    pieces = [request[at : at + 1009] for at in range(0, len(request), 1009)]
    assert front.talk(*pieces).endswith(b"\r\n\r\n200000")
    assert len(echo.environs) == 1


def test_chunked_body_arrives_joined_with_its_length(front, echo):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = front.talk(head, b"3;a=b\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\nTrailer: x\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n5")
    assert echo.environs[0]["CONTENT_LENGTH"] == "5"


def test_requests_sent_ahead_are_answered_in_order(front, echo):
    answer = front.talk(post(b"1", close=False) + post(b"22", close=False) + post(b"333"))
    assert [part[-1:] for part in answer.split(b"HTTP/1.1 200")[1:]] == [b"1", b"2", b"3"]
    assert len(echo.environs) == 3


def test_head_sent_ahead_behind_long_bodies_is_waited_for(start_front, echo):
    front = start_front(echo, bounds=replace(BOUNDS, head_s=10))
    with front.connect() as connection:
        ahead = post(b"22", close=False)
        connection.sendall(post(b"x" * 60_000, close=False) * 2 + ahead[:30])
        for _ in range(2):
            assert read_answer(connection) == (200, b"60000")
        connection.sendall(ahead[30:])
        assert read_answer(connection) == (200, b"2")


def test_connection_serves_one_request_after_the_other(front):
    with front.connect() as connection:
        for size in (1, 100_000, 3):
            connection.sendall(post(b"x" * size, close=False))
            assert read_answer(connection) == (200, b"%d" % size)


def test_client_that_asks_first_is_told_to_go_on(front):
    with front.connect() as connection:
        request = post(b"x" * 9, headers=b"Expect: 100-continue\r\n")
        connection.sendall(request[:-9])
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(request[-9:])
        assert read_answer(connection) == (200, b"9")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"

LATE = {
    "nothing": b"",
    "part of a line": b"POST / HT",
    "headers without end": b"POST / HTTP/1.1\r\nHost: x\r\nX: y\r\n",
    "half a body": post(b"x" * 10)[:-5],
    "half a chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "only line ends": b"\r\n\r\n\r\n",
}


@pytest.mark.parametrize("sent", LATE.values(), ids=LATE)
def test_what_does_not_arrive_in_time_is_cut_off_and_never_reaches_the_app(front, echo, sent):
    began = time.monotonic()
    assert front.talk(sent) == b""
    assert time.monotonic() - began < 5
    assert echo.environs == []


def is_cut_off(connection, drop, seconds=5):
    """Send drops; return whether the other side stopped listening meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection.sendall(drop)
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_dripping_does_not_stretch_the_time(front, echo):
    with front.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        assert is_cut_off(connection, b"X-Header: drip\r\n")
    assert echo.environs == []


def test_large_body_has_longer_than_a_head(start_front, echo):
    front = start_front(echo)
    body = b"x" * 250_000  # a quarter of a second on top
    with front.connect() as connection:
        connection.sendall(post(body)[:-1])
        time.sleep(BOUNDS.head_s + 0.1)
        connection.sendall(b"x")
        assert read_answer(connection) == (200, b"250000")


def test_many_stalled_clients_hold_no_thread(front):
    stalled = [front.connect() for _ in range(200)]
    for connection in stalled:
        connection.sendall(post(b"x" * 10)[:-5])
    assert front.talk(post(b"now")).endswith(b"3")
    for connection in stalled:
        connection.close()


def test_endless_head_is_refused(front, echo):
    with front.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert is_cut_off(connection, b"X-Filler: " + b"y" * 20_000 + b"\r\n", seconds=0.3)
    assert echo.environs == []


def test_length_beyond_the_bound_reaches_the_app_at_once_without_the_body(front, echo):
    with front.connect() as connection:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
        connection.sendall(head)
        assert read_answer(connection) == (200, b"0")
    assert echo.environs[0]["CONTENT_LENGTH"] == "9000000"


def test_chunks_beyond_the_bound_are_cut_off_and_their_size_is_told(front, echo):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with front.connect() as connection:
        connection.sendall(head + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 6)
        status, size = read_answer(connection)
    assert status == 200
    assert BOUNDS.max_body_bytes < int(size) < BOUNDS.max_body_bytes + 200_000
    assert int(echo.environs[0]["CONTENT_LENGTH"]) == int(size)


def test_client_that_goes_on_sending_what_nobody_wants_is_cut_off(front):
    with front.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\n")
        assert read_answer(connection)[0] == 200
        assert is_cut_off(connection, b"x" * 100)


def test_large_bodies_wait_for_a_place_and_get_it(front, echo):
    echo.gate.clear()
    body = b"x" * 200_000
    connections = [front.connect() for _ in range(4)]
    for connection in connections:
        connection.settimeout(10)
        connection.sendall(post(body)[:100_000])
    small = front.connect()
    small.sendall(post(b"small"))
    for connection in connections:
        connection.sendall(post(body)[100_000:])
    deadline = time.monotonic() + 5
    while len(echo.environs) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    sizes = sorted(environ["CONTENT_LENGTH"] for environ in echo.environs)
    assert sizes == ["200000", "200000", "5"], "two places, and small ones need none"
    echo.gate.set()
    assert [read_answer(connection)[0] for connection in (small, *connections[:2])] == [200] * 3
    for connection in (small, *connections):
        connection.close()


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_place_of_a_client_that_stalls_is_free_long_before_its_time(start_front, echo, kind):
    bounds = replace(BOUNDS, head_s=30, min_bytes_per_s=10_000, progress_s=0.4)
    front = start_front(echo, bounds=bounds)
    request = post(b"x" * 200_000)[:100_000]
    if kind == "chunked":
        request = CHUNKED + b"\r\n30d40\r\n" + b"x" * 100_000
    stalled = [front.connect() for _ in range(2)]
    for connection in stalled:
        connection.sendall(request)
    began = time.monotonic()
    assert front.talk(post(b"x" * 200_000)).endswith(b"200000")
    assert time.monotonic() - began < 5
    for connection in stalled:
        assert read_to_end(connection) == b""
        connection.close()


def test_slow_body_that_comes_on_keeps_its_place(start_front, echo):
    bounds = replace(BOUNDS, head_s=30, min_bytes_per_s=10_000, progress_s=0.4)
    front = start_front(echo, bounds=bounds)
    request = post(b"x" * 170_000)
    with front.connect() as connection:
        connection.sendall(request[:100_000])
        for at in range(100_000, len(request), 5_000):
            time.sleep(0.1)
            connection.sendall(request[at : at + 5_000])
        assert read_answer(connection) == (200, b"170000")


def test_stalled_chunks_have_the_time_of_a_small_body(start_front):
    front = start_front(None, bounds=replace(BOUNDS, max_body_bytes=60_000_000))
    began = time.monotonic()
    assert front.talk(CHUNKED + b"\r\n5\r\nab") == b""
    assert time.monotonic() - began < 5


def test_place_of_a_client_that_went_away_is_free_again(front):
    for _ in range(3):
        gone = [front.connect() for _ in range(2)]
        for connection in gone:
            connection.sendall(post(b"x" * 200_000)[:150_000])
        time.sleep(0.1)
        for connection in gone:
            connection.close()
    assert front.talk(post(b"x" * 200_000)).endswith(b"200000")


def test_client_that_waited_in_vain_for_a_place_keeps_it_from_nobody(start_front, echo):
    front = start_front(echo, bounds=replace(BOUNDS, large_bodies=1, head_s=1))
    echo.gate.clear()
    with front.connect() as holder, front.connect() as waiting:
        holder.sendall(post(b"x" * 200_000))
        while not echo.environs:
            time.sleep(0.01)
        waiting.sendall(post(b"x" * 200_000)[:100_000])
        assert read_to_end(waiting) == b""
        echo.gate.set()
        assert read_answer(holder)[0] == 200
    assert front.talk(post(b"x" * 200_000)).endswith(b"200000")


def test_body_sent_ahead_in_part_is_cut_off_when_its_rest_does_not_come(front, echo):
    echo.gate.clear()
    with front.connect() as connection:
        connection.sendall(post(b"1", close=False) + post(b"x" * 10)[:-5])
        time.sleep(0.6)  # longer than the rest has, which only runs from the answer on
        echo.gate.set()
        assert read_answer(connection) == (200, b"1")
        assert read_to_end(connection) == b""
    assert len(echo.environs) == 1


def test_body_sent_ahead_is_not_read_while_another_answer_is_sent(start_front):
    ended = threading.Event()

    def endless(environ, start_response):
        start_response("200 OK", [])
        yield b"x" * 70_000
        yield b"x" * 70_000
        ended.wait(10)

    front = start_front(endless, bounds=replace(BOUNDS, max_body_bytes=60_000_000, head_s=30))
    with front.connect() as connection:
        ahead = post(b"x" * 50_000_000)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + ahead[:1000])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.sendall(ahead[1000:])
    ended.set()


@pytest.mark.parametrize("trailer", [b"X-Forwarded-For: 127.0.0.1", b"X-Parse-Master-Key: k"])
def test_trailer_does_not_become_a_header(front, echo, trailer):
    request = CHUNKED + b"Connection: close\r\n\r\n3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n"
    assert front.talk(request).endswith(b"\r\n\r\n3")
    assert not [name for name in echo.environs[0] if "FORWARDED" in name or "PARSE" in name]


FRAMING = {
    "trailers": (b"0\r\n", b"X-Filler: " + b"y" * 1000 + b"\r\n"),
    "one trailer": (b"0\r\nX-Filler: ", b"y" * 1000),
    "bytes one by one": (b"", b"1\r\nx\r\n" * 200),
    "extensions": (b"", b"1;a=" + b"b" * 1000 + b"\r\nx\r\n"),
    "one extension": (b"1;a=", b"b" * 1000),
}


@pytest.mark.parametrize(("begin", "more"), FRAMING.values(), ids=FRAMING)
def test_what_is_no_body_has_a_bound(start_front, echo, begin, more):
    front = start_front(echo, bounds=replace(BOUNDS, head_s=30))
    with front.connect() as connection:
        connection.sendall(CHUNKED + b"\r\n" + begin)
        assert is_cut_off(connection, more * 10)
    assert echo.environs == []


def test_too_much_framing_is_said_before_the_connection_is_closed(front):
    with front.connect() as connection:
        connection.sendall(CHUNKED + b"\r\n")
        time.sleep(0.1)
        connection.sendall(b"1\r\nx\r\n" * 13_200)
        assert read_to_end(connection).startswith(b"HTTP/1.1 400")


def test_chunks_of_an_ordinary_size_are_no_framing_to_speak_of(front):
    request = CHUNKED + b"Connection: close\r\n\r\n" + (b"c8\r\n" + b"x" * 200 + b"\r\n") * 1400
    assert front.talk(request + b"0\r\n\r\n").endswith(b"\r\n\r\n280000")


@pytest.mark.parametrize("sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000])
def test_what_is_refused_says_nothing_into_another_answer(front, echo, sent):
    echo.gate.clear()
    with front.connect() as connection:
        connection.sendall(post(b"1", close=False) + sent)
        threading.Timer(0.3, echo.gate.set).start()
        answer = read_to_end(connection)
    assert answer.endswith(b"\r\n\r\n1"), "what was carried out is answered"
    assert answer.count(b"HTTP/1.1") == 1


def test_client_that_leaves_after_sending_ahead_leaves_no_error(front, echo, caplog):
    echo.gate.clear()
    with front.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(post(b"1", close=False) + post(b"22", close=False))
        while not echo.environs:
            time.sleep(0.01)
    time.sleep(0.1)
    echo.gate.set()
    front.stop()
    assert not [record for record in caplog.records if record.exc_info]


MALFORMED = [
    CHUNKED + b"\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET \xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
def test_what_could_be_read_in_two_ways_is_refused(front, echo, request_bytes):
    answer = front.talk(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400") or answer == b""
    assert echo.environs == []


def test_answer_that_is_not_read_is_let_go(start_front):
    def large(environ, start_response):
        start_response("200 OK", [("Content-Length", "30000000")])
        return [b"x" * 30_000_000]

    front = start_front(large, bounds=replace(BOUNDS, min_bytes_per_s=100_000_000))
    with front.connect() as connection:
        connection.sendall(post(b""))
        time.sleep(3)
        assert len(read_to_end(connection)) < 30_000_000


def test_stop_lets_what_has_arrived_end_and_nothing_else(front, echo):
    echo.gate.clear()
    with front.connect() as whole, front.connect() as half:
        whole.sendall(post(b"whole"))
        half.sendall(post(b"half")[:-2])
        while not echo.environs:
            time.sleep(0.01)
        front.tell_to_stop()
        time.sleep(0.5)
        echo.gate.set()
        assert read_answer(whole) == (200, b"5")
        assert read_to_end(half) == b""


def fill(front, echo):
    """Take its only thread and every place in front of it; return the connections."""
    waiting = [front.connect() for _ in range(40)]
    waiting[0].sendall(post(b"x"))
    while not echo.environs:  # as long as its thread is not held, a place comes free once more
        time.sleep(0.01)
    for connection in waiting[1:]:
        connection.sendall(post(b"x"))
    select.select(waiting, [], [], 10)  # one of them is told
    return waiting


def test_who_comes_when_too_many_wait_is_told_at_once(start_front, echo):
    front = start_front(echo, threads=1, busy=busy_answers(["/parse"]))
    echo.gate.clear()
    waiting = fill(front, echo)
    plain = front.talk(b"GET /api/image/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert plain.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in plain
    parse = front.talk(b"GET /Parse/classes/X HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert parse.startswith(b"HTTP/1.1 400"), "SDKs would repeat a 503 at once"
    assert b'"code":155' in parse
    assert b"access-control-allow-origin: *" in parse
    echo.gate.set()
    statuses = [read_answer(connection)[0] for connection in waiting]
    assert statuses.count(200) == 17, "one in hand and sixteen that wait"
    assert set(statuses) == {200, 503}
    for connection in waiting:
        connection.close()


def test_hundreds_sent_ahead_are_each_told_when_too_many_wait(start_front, echo):
    front = start_front(echo, threads=1, lanes=[("/health",)])
    echo.gate.clear()
    echo.passes = {"/health"}
    waiting = fill(front, echo)
    ahead = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    answers = front.talk(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + ahead + post(b"x"))
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 503") == 501
    echo.gate.set()
    for connection in waiting:
        connection.close()


def test_a_lane_is_answered_while_every_other_thread_is_held(start_front, echo):
    lanes = [("/health/live",), ("/health", "/parse/health")]
    front = start_front(echo, threads=2, busy=busy_answers(["/parse"]), lanes=lanes)
    echo.gate.clear()
    held = [front.connect() for _ in range(40)]
    for connection in held:
        connection.sendall(post(b"x"))
    while len(echo.environs) < 2:
        time.sleep(0.01)
    echo.passes = {path for lane in lanes for path in lane}
    for path in (b"/health/live", b"/health", b"/parse/health?x=y"):
        began = time.monotonic()
        answer = front.talk(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began < 1
    echo.gate.set()
    for connection in held:
        connection.close()


def test_a_lane_that_is_held_holds_no_other(start_front, echo):
    front = start_front(echo, threads=2, lanes=[("/live",), ("/health",)])
    echo.gate.clear()
    held = [front.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    while len(echo.environs) < 2:
        time.sleep(0.01)
    echo.passes = {"/live", "/x"}
    for path in (b"/live", b"/x"):
        answer = front.talk(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
    assert len(echo.environs) == 4, "two have the lane's threads, and eight wait"
    echo.gate.set()
    for connection in held:
        connection.close()
