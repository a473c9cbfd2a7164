"""There is always room for one more connection; who only holds one drives out others like him."""

import contextlib
import time
from dataclasses import replace

import pytest
from front_server import BOUNDS, gone, post, read_answer, read_to_end

from server.front.connections import Connections

PATIENT = replace(BOUNDS, head_s=30, connections=20)


class Client:
    """Notes that it was let go."""

    is_gone = False

    def let_go(self):
        self.is_gone = True


def test_longest_without_a_request_goes_first():
    clients, connections = [Client() for _ in range(3)], Connections(3, 0, 0)
    for client in clients:
        connections.has_none(client)
    connections.has_request(clients[0])
    assert connections.make_room(4)
    assert [client.is_gone for client in clients] == [False, True, False]


def test_a_flood_of_connections_does_not_fill_the_log(caplog):
    connections = Connections(0, 0, 0)
    for _ in range(1000):
        connections.has_none(Client())
        connections.make_room(1)
    assert len(caplog.records) == 1


def test_none_that_has_a_request_in_hand_goes():
    client, connections = Client(), Connections(1, 0, 0)
    connections.has_none(client)
    connections.has_request(client)
    assert not connections.make_room(2)
    assert not client.is_gone


def test_oldest_unread_answer_goes_when_all_are_too_much():
    clients, connections = [Client() for _ in range(4)], Connections(9, 250, 0)
    connections.leaves_unread(clients[0], 100)
    connections.leaves_unread(clients[1], 100)
    connections.reads(clients[0])
    connections.leaves_unread(clients[2], 100)
    assert not any(client.is_gone for client in clients)
    connections.leaves_unread(clients[3], 100)
    assert [client.is_gone for client in clients] == [False, True, False, False]


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\n", post(b"x" * 10)[:-5]])
def test_who_only_holds_connections_keeps_nobody_out(start_front, echo, sent):
    front = start_front(echo, bounds=PATIENT)
    held = []
    for number in range(60):
        held.append(front.connect())
        held[-1].sendall(sent)
        if number % 20 == 0:
            time.sleep(0.05)
            assert front.talk(post(b"now")).endswith(b"3")
    time.sleep(0.1)
    assert sum(read_to_end_of(connection) for connection in held) >= 40
    assert front.talk(post(b"now")).endswith(b"3")
    for connection in held:
        connection.close()


def read_to_end_of(connection):
    """Whether the other side has closed."""
    connection.settimeout(0.02)
    try:
        return read_to_end(connection) == b""
    except TimeoutError:
        return False


def test_when_all_are_being_answered_the_next_is_told_at_once(start_front, echo):
    front = start_front(echo, bounds=PATIENT, threads=30)
    echo.gate.clear()
    answered = [front.connect() for _ in range(20)]
    for connection in answered:
        connection.sendall(post(b"x"))
    while len(echo.environs) < 20:
        time.sleep(0.01)
    with front.connect() as connection:
        head = connection.recv(1000)
    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in head
    echo.gate.set()
    for connection in answered:
        assert read_answer(connection) == (200, b"1")
        connection.close()


def test_answers_that_nobody_reads_take_bounded_memory(start_front):
    def large(_environ, start_response):
        start_response("200 OK", [("Content-Length", "10000000")])
        return [b"x" * 10_000_000]

    front = start_front(large, bounds=replace(PATIENT, unread_bytes=35_000_000))
    unread = []
    for _ in range(8):
        unread.append(front.connect())
        unread[-1].sendall(post(b"", close=False))
        unread[-1].recv(1)
    time.sleep(0.2)
    whole = 0
    for connection in unread:
        with contextlib.suppress(ConnectionError):
            whole += read_rest(connection) > 9_000_000
        connection.close()
    assert 2 <= whole <= 6


def read_rest(connection):
    size = 0
    while size < 9_900_000:
        size += len(connection.recv(1_000_000)) or gone()
    return size


def test_bodies_that_do_not_end_drive_out_each_other(start_front, echo):
    front = start_front(echo, bounds=replace(PATIENT, unsent_bytes=150_000))
    part = post(b"x" * 60_000)[:-10_000]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(front.connect()) for _ in range(5)]
        for client in clients:
            client.sendall(part)
            time.sleep(0.05)
        assert [read_to_end(client) for client in clients[:2]] == [b"", b""]
        clients[-1].sendall(b"x" * 10_000)
        assert read_answer(clients[-1]) == (200, b"60000")


def test_answer_that_cannot_be_handed_over_closes_its_connection(start_front, caplog):
    def app(environ, start_response):
        start_response("799 Nothing", [])
        return [b""]

    assert start_front(app).talk(post(b"", close=False)) == b""
    assert "not sent" in caplog.text
