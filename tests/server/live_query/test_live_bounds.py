"""What hostile, broken and slow clients come to."""

import json
import random
import socket
import time

import pytest
from live_server import KEYS_OF_CLIENTS
from running_server import free_port
from websockets.exceptions import InvalidStatus

from server.live_query.limits import MAX_MESSAGE_BYTES, MAX_SUBSCRIPTIONS_OF_CLIENT, Limits


def test_ten_thousand_subscriptions_of_one_client_are_refused(live, parse):
    client = live.connect()
    answers = [client.subscribe("Note") for _ in range(MAX_SUBSCRIPTIONS_OF_CLIENT + 1)]
    assert {answer["op"] for answer in answers[:-1]} == {"subscribed"}
    assert (answers[-1]["op"], answers[-1]["code"]) == ("error", 155)
    for number in range(1000, 11_000):
        query = {"className": "Note", "where": {}}
        client.say({"op": "subscribe", "requestId": number, "query": query})
    assert all(client.hear()["code"] == 155 for _ in range(10_000))
    client.ask({"op": "unsubscribe", "requestId": 1})
    assert client.subscribe("Note")["op"] == "subscribed"


def test_garbage_is_answered_and_ends_nothing(live):
    client = live.connect()
    deep = "[" * 5_000 + "]" * 5_000
    for frame in ("", "{", "null", "[]", "1", '"connect"', deep, '{"op":"connect"', "\ud800"):
        client.say(frame.encode("utf-8", "replace").decode())
        answer = client.hear()
        assert (answer["op"], answer["code"], answer["requestId"]) == ("error", 1, None)
    for message in (
        {},
        {"op": None},
        {"op": {}},
        {"op": "subscribe"},
        {"op": "subscribe", "requestId": 1},
        {"op": "subscribe", "requestId": "1", "query": {"className": "Note"}},
        {"op": "subscribe", "requestId": True, "query": {"className": "Note"}},
        {"op": "subscribe", "requestId": 1.5, "query": {"className": "Note"}},
        {"op": "subscribe", "requestId": 1, "query": {"className": 7}},
        {"op": "subscribe", "requestId": 1, "query": {"className": "Note", "where": []}},
        {"op": "subscribe", "requestId": 1, "query": {"className": "Note", "keys": {}}},
        {"op": "subscribe", "requestId": 1, "query": {"className": "Note", "watch": [1]}},
        {"op": "unsubscribe"},
        {"op": "connect", "applicationId": {}},
    ):
        answer = client.ask(message)
        assert (answer["op"], answer["code"]) == ("error", 1), message
    answer = client.ask({"op": "nope"})
    assert (answer["code"], answer["error"]) == (1, 'No enum match for: "nope"')
    assert client.subscribe("Note")["op"] == "subscribed"


def test_who_is_not_connected_cannot_subscribe(live):
    client = live.open()
    sentence = "Can not find this client, make sure you connect to server before "
    answer = client.subscribe("Note")
    assert (answer["code"], answer["error"]) == (2, sentence + "subscribing")
    answer = client.ask({"op": "unsubscribe", "requestId": 1})
    assert (answer["code"], answer["error"]) == (2, sentence + "unsubscribing")
    connected = live.connect().ask({"op": "unsubscribe", "requestId": 5})
    assert connected["code"] == 2
    assert "subscriptionId 5" in connected["error"]


def test_frames_that_are_too_large_or_no_text_end_the_connection(live):
    client = live.connect()
    client.say(json.dumps({"op": "subscribe", "text": "x" * MAX_MESSAGE_BYTES}))
    assert client.closing_code() == 1009
    client = live.connect()
    client.say(b"\x00\x01")
    assert client.closing_code() == 1003


def test_who_does_not_say_who_it_is_is_disconnected(make_live, parse):
    live = make_live(parse, Limits(connect_s=0.2))
    quiet, connected = live.open(), live.connect()
    assert quiet.closing_code() == 1008
    assert connected.subscribe("Note")["op"] == "subscribed"


def test_no_more_clients_than_the_process_can_have(make_live, parse):
    live = make_live(parse, Limits(clients=2))
    first, _second = live.connect(), live.connect()
    with pytest.raises(InvalidStatus, match="403"):
        live.open()
    first.close()
    deadline = time.monotonic() + 3
    while live.face.clients == 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert live.connect().subscribe("Note")["op"] == "subscribed"


def test_a_client_that_does_not_read_is_disconnected_and_holds_up_nobody(make_live, parse):
    live = make_live(parse, Limits(waiting_characters=300_000))
    good = live.connect()
    good.subscribe("Note", keys=["n"])
    with _deaf_client(live.port) as deaf:
        for n in range(60):
            parse.create("Note", {"n": n, "text": "x" * 200_000})
            assert good.hear()["object"]["n"] == n
        deadline = time.monotonic() + 5
        while live.face.clients > 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        deaf.close()


def _deaf_client(port):
    """A socket that subscribes by hand, with little room, and never reads again."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", port))
    plain.sendall(
        b"GET /parse HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    plain.recv(1000)
    query = {"className": "Note", "where": {}}
    for message in (
        {"op": "connect", **KEYS_OF_CLIENTS},
        {"op": "subscribe", "requestId": 1, "query": query},
    ):
        text = json.dumps(message).encode()
        plain.sendall(bytes([0x81, 0xFE]) + len(text).to_bytes(2) + bytes(4) + text)
        plain.recv(1000)
    return plain


def test_a_pattern_that_takes_too_long_ends_its_own_subscription_alone(live, parse):
    attacker, good = live.connect(), live.connect()
    pattern = "(" + "|".join(f"a{{{n}}}b" for n in range(40, 80)) + ")$"
    attacker.subscribe("Note", {"text": {"$regex": f"({pattern}){{3}}"}})
    good.subscribe("Note", keys=["n"])
    for n in range(5):
        parse.create("Note", {"n": n, "text": "a" * 500_000})
        assert good.hear()["object"]["n"] == n
    answer = attacker.hear()
    assert (answer["op"], answer["code"], answer["requestId"]) == ("error", 102, 1)
    assert attacker.hears_nothing()


SLOW = "[ab]*a[ab]{200}y<%d>"


def test_slow_patterns_of_one_client_share_what_one_may_take(live, parse):
    """Each a search of its own, just within the steps of one."""
    attacker, good = live.connect(), live.connect()
    for n in range(20):
        attacker.subscribe("Note", {"big": {"$regex": SLOW % n}})
    good.subscribe("Note", {"n": {"$gte": 0}}, keys=["n"])
    parse.create("Note", {"n": 0, "big": random_text(400_000)})
    started = time.monotonic()
    parse.create("Note", {"n": 1, "big": random_text(40_000)})
    assert [good.hear()["object"]["n"] for _ in range(2)] == [0, 1]
    assert time.monotonic() - started < 1
    assert {attacker.hear()["code"] for _ in range(20)} == {102}


def test_many_slow_clients_hold_up_a_write_for_half_a_second(live, parse):
    attackers = [live.connect() for _ in range(14)]
    quick = live.connect()
    quick.subscribe("Note", {"big": {"$regex": "^[ab]"}}, keys=["n"])
    parse.create("Note", {"n": 0, "big": "a"})
    assert quick.hear()["object"]["n"] == 0
    for n, attacker in enumerate(attackers):
        for number in range(10):
            attacker.subscribe("Note", {"big": {"$regex": SLOW % (100 * n + number)}})
    good = live.connect()
    good.subscribe("Note", keys=["n"])
    started = time.monotonic()
    for n in (1, 2):
        parse.create("Note", {"n": n, "big": random_text(40_000)})
    assert [good.hear()["object"]["n"] for _ in range(2)] == [1, 2]
    assert [quick.hear()["object"]["n"] for _ in range(2)] == [1, 2]
    assert time.monotonic() - started < 3


def test_who_has_no_time_left_takes_no_answer_from_another(live, parse):
    attacker, good = live.connect(), live.connect()
    for n in range(10):
        attacker.subscribe("Note", {"big": {"$regex": SLOW % n}})
    for client in (attacker, good):
        client.subscribe("Note", {"big": {"$regex": "^[ab]"}}, keys=["n"])
    parse.create("Note", {"n": 1, "big": random_text(40_000)})
    assert good.hear()["object"]["n"] == 1


def random_text(length):
    return "".join(random.Random(1).choices("ab", k=length))


def test_connecting_again_begins_anew(live, parse):
    client = live.connect()
    client.subscribe("Note")
    assert client.ask({"op": "connect", **KEYS_OF_CLIENTS})["op"] == "connected"
    parse.create("Note")
    assert client.hears_nothing()


def test_nothing_is_left_of_a_client_that_has_gone(live, parse):
    client = live.connect()
    client.subscribe("Note")
    client.close()
    deadline = time.monotonic() + 3
    while live.face.hub.subscriptions:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    parse.create("Note")


def test_a_save_neither_waits_for_redis_nor_fails_without_it(make_parse, make_live, monkeypatch):
    """The own process's clients hear all the same."""
    monkeypatch.setattr("server.live_query.bus._LISTENING_S", 1.0)  # there is nothing to hear
    away = f"redis://127.0.0.1:{free_port()}/0"
    parse = make_parse(live_query_classes=(".*",), live_query_redis_url=away)
    client = make_live(parse).connect()
    client.subscribe("Note")
    started = time.monotonic()
    for n in range(20):
        parse.create("Note", {"n": n})
    assert time.monotonic() - started < 2
    assert [shown["n"] for _, shown in client.events(20)] == list(range(20))
