"""Writes reach every process that listens: by Redis, and over the sockets of one machine."""

import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from cloud.values import File, GeoPoint, Pointer
from server.live_query.bus import Bus
from server.live_query.redis_carrier import RedisCarrier
from server.live_query.socket_carrier import SocketCarrier
from server.live_query.writes import NotAWrite, Write, from_line, to_line, write_of

NOW = datetime(2026, 11, 30, 1, 2, 3, 456000, tzinfo=UTC)
ROW = {
    "objectId": "abc",
    "createdAt": NOW,
    "owner": Pointer("_User", "u"),
    "image": File("a.png"),
    "place": GeoPoint(1.5, 2),
    "list": [1, None, "line\nbreak\0", {"a": [True]}],
    "data": b"\0\xff",
    "ACL": {"*": {"read": True}},
}


class Heard:
    """A Listener that keeps what it hears."""

    def __init__(self):
        self.writes, self.losses = [], 0

    def hears_of(self, class_name):
        return class_name == "Note"

    def changed(self, write):
        self.writes.append(write)

    def lost(self):
        self.losses += 1

    def wait(self, count, timeout_s=5.0):
        deadline = time.monotonic() + timeout_s
        while len(self.writes) < count:
            assert time.monotonic() < deadline, f"{len(self.writes)} of {count} came"
            time.sleep(0.01)
        return self.writes

    def wait_for_loss(self):
        deadline = time.monotonic() + 10
        while not self.losses:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(params=["redis", "sockets"])
def make_bus(request, tmp_path):
    """Make buses that reach each other."""
    made = []
    if request.param == "redis":
        redis = request.getfixturevalue("redis")

    def make():
        if request.param == "redis":
            carrier = RedisCarrier(redis.url, "myAppId")
        else:
            carrier = SocketCarrier(tmp_path / "live")
        made.append(Bus(carrier))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


def note(number):
    return Write("Note", None, {"objectId": str(number)})


def listening(bus):
    heard = Heard()
    bus.listen(heard)
    return heard


def test_each_process_hears_each_write_once_and_in_order(make_bus):
    first, second, silent = make_bus(), make_bus(), make_bus()
    heard = [listening(first), listening(second)]
    for number in range(200):
        (first if number < 100 else silent).publish(note(number))
    for listener in heard:
        assert sorted(int(w.after["objectId"]) for w in listener.wait(200)) == list(range(200))
        ours = [w for w in listener.writes if int(w.after["objectId"]) < 100]
        assert ours == [note(number) for number in range(100)]
    time.sleep(0.1)
    assert [len(listener.writes) for listener in heard] == [200, 200]
    assert [listener.losses for listener in heard] == [0, 0]


def test_what_was_published_before_the_end_still_goes_out(make_bus):
    reader, writer = make_bus(), make_bus()
    heard = listening(reader)
    for number in range(500):
        writer.publish(note(number))
    writer.close()
    assert len(heard.wait(500)) == 500


def test_writes_that_nobody_asked_for_are_not_heard(make_bus):
    reader, writer = make_bus(), make_bus()
    heard = listening(reader)
    for bus in (reader, writer):
        bus.publish(Write("Other", None, {"objectId": "1"}))
        bus.publish(note(1))
    assert heard.wait(2) == [note(1)] * 2


def test_what_is_too_much_to_tell_is_a_loss_to_all(make_bus):
    reader, writer = make_bus(), make_bus()
    heard = [listening(reader), listening(writer)]
    writer.lose()
    for listener in heard:
        listener.wait_for_loss()


def test_what_was_told_does_not_change_with_the_writer_s_document(make_bus):
    bus = make_bus()
    heard = listening(bus)
    document = {"objectId": "1", "list": [1]}
    bus.publish(Write("Note", None, document))
    document["list"].append(2)
    assert heard.wait(1)[0].after["list"] == [1]


def test_nobody_need_listen(make_bus):
    writer = make_bus()
    writer.publish(note(1))
    writer.close()
    writer.publish(note(2))


def test_values_keep_their_types_on_the_way(make_bus):
    reader, writer = make_bus(), make_bus()
    heard = listening(reader)
    writer.publish(Write("Note", ROW, {**ROW, "n": 1}))
    assert heard.wait(1) == [Write("Note", ROW, {**ROW, "n": 1})]


def test_a_write_that_cannot_be_told_fails_nobody(make_bus, caplog):
    reader, writer = make_bus(), make_bus()
    heard = listening(reader)
    writer.publish(Write("Note", None, {"objectId": "1", "n": float("nan")}))
    writer.publish(Write("Note", None, {"objectId": "2", "n": object()}))
    writer.publish(note(3))
    assert heard.wait(1) == [note(3)]
    assert caplog.text.count("could not be published") == 2


# --- what goes over the wire ----------------------------------------------------------------------


def test_the_server_s_own_columns_and_tokens_are_not_told():
    row = {"objectId": "1", "_hashed_password": "h", "_imageDecision": 1, "sessionToken": "r:1"}
    assert write_of("_User", row, row).after == {"objectId": "1", "sessionToken": "r:1"}
    assert write_of("_Session", row, None).before == {"objectId": "1"}


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"class": "Note"}'])
def test_what_is_no_write_is_refused(line):
    with pytest.raises(NotAWrite):
        from_line(line)


def test_a_write_is_one_line():
    line = to_line(Write("Note", ROW, None), "me")
    assert b"\n" not in line
    assert from_line(line) == (Write("Note", ROW, None), "me")


# --- faults ---------------------------------------------------------------------------------------


@pytest.fixture
def redis_buses(redis):
    buses = [Bus(RedisCarrier(redis.url, "myAppId")) for _ in range(2)]
    yield buses
    for bus in buses:
        bus.close()


def test_after_redis_was_away_listeners_know_that_they_missed_something(redis, redis_buses):
    reader, writer = redis_buses
    heard = listening(reader)
    writer.publish(note(1))
    heard.wait(1)
    redis.stop()
    writer.publish(note(2))
    time.sleep(0.3)
    redis.start()
    heard.wait_for_loss()
    writer.publish(note(3))
    deadline = time.monotonic() + 10
    while note(3) not in heard.writes:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_redis_that_comes_late_is_heard_of_in_the_end(redis, redis_buses):
    reader, writer = redis_buses
    redis.stop()
    heard = listening(reader)
    redis.start()
    heard.wait_for_loss()
    writer.publish(note(1))
    assert heard.wait(1) == [note(1)]
    assert heard.losses == 1


def test_apps_that_share_a_redis_do_not_hear_each_other(redis):
    buses = [Bus(RedisCarrier(redis.url, app)) for app in ("one", "two")]
    heard = listening(buses[1])
    buses[0].publish(note(1))
    buses[1].publish(note(2))
    time.sleep(0.3)
    assert heard.writes == [note(2)]
    for bus in buses:
        bus.close()


def test_sockets_work_in_a_folder_with_a_long_path(tmp_path):
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    reader, writer = Bus(SocketCarrier(folder)), Bus(SocketCarrier(folder))
    heard = listening(reader)
    writer.publish(note(1))
    assert heard.wait(1) == [note(1)]
    assert folder.stat().st_mode & 0o077 == 0
    reader.close()
    writer.close()
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path, monkeypatch):
    left = tmp_path / "1-dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        monkeypatch.chdir(tmp_path)
        dead.bind("1-dead.sock")
    reader, writer = Bus(SocketCarrier(tmp_path)), Bus(SocketCarrier(tmp_path))
    heard = listening(reader)
    writer.publish(note(1))
    heard.wait(1)
    writer.close()
    reader.close()
    assert not left.exists()


def test_a_process_that_is_stuck_holds_up_no_other_and_knows_of_its_loss(tmp_path, monkeypatch):
    """It takes nothing at first; what comes of its connections is read by the test."""
    with socket.socket(socket.AF_UNIX) as stuck:
        monkeypatch.chdir(tmp_path)
        stuck.bind("1-stuck.sock")
        stuck.listen()
        reader, writer = Bus(SocketCarrier(tmp_path)), Bus(SocketCarrier(tmp_path))
        heard = listening(reader)
        large = Write("Note", None, {"objectId": "1", "text": "x" * 1_000_000})
        for _ in range(2):
            writer.publish(large)
        writer.publish(note(3))
        heard.wait(3, timeout_s=10)
        lines = []
        for _ in range(3):
            connection, _ = stuck.accept()
            connection.settimeout(0.5)
            with connection, connection.makefile("rb") as stream, suppress(TimeoutError):
                lines += [line[:20] for line in stream]
        assert b"lost\n" in lines
        writer.close()
        reader.close()
