"""A server that is told to stop, or killed, with requests in hand; its database stays whole."""

import http.client
import signal
import threading
import time
from contextlib import closing, suppress

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, MASTER, ask, find, picture, save, set_policy, wait_until
from running_mongo import Mongo

from server.storage.sqlite.database import SqliteDatabase

pytestmark = pytest.mark.slow

LEASE_S = 30
# So long an image waits whose object was not there yet when everything was killed.
LATER_S = 11 * 60


@pytest.fixture
def server(start_server, clock):
    server = start_server(clock=clock.path).wait_until_healthy()
    set_policy(server)
    return server


class SlowUpload:
    """An upload whose last byte is sent when told."""

    def __init__(self, server, data):
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._connection.putrequest("POST", "/parse/files/a.jpg")
        for name, value in {**MASTER, "Content-Length": str(len(data))}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(data[:-1])
        self._last = data[-1:]

    def finish(self):
        self._connection.send(self._last)

    def finish_and_answer(self):
        self.finish()
        return self.answer()

    def answer(self):
        with closing(self._connection):
            return self._connection.getresponse().status


def test_sigterm_ends_within_30_s_and_answers_every_upload_that_has_arrived(
    server, start_server, clock
):
    saved, statuses, over = set(), [], threading.Event()

    def go_on():
        with suppress(OSError, http.client.HTTPException):
            while not over.is_set():
                status, answer = ask(server, "POST", "/files/blue.jpg", picture("blue"), MASTER)
                statuses.append(status)
                image = {"__type": "File", "name": answer["name"]}
                status, answer = ask(server, "POST", "/classes/UserImage", {"image": image}, MASTER)
                statuses.append(status)
                saved.add(answer["objectId"])

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    arriving = SlowUpload(server, picture("tan"))
    wait_until(lambda: len(saved) > 20)
    arrived = SlowUpload(server, picture("tan"))
    assert arrived.finish_and_answer() == 201
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0
    assert time.monotonic() - began < 30
    over.set()
    for thread in threads:
        thread.join()
    with pytest.raises((OSError, http.client.HTTPException)):  # it had no claim
        arriving.finish_and_answer()
    assert set(statuses) == {201}
    assert "Traceback" not in server.log.read_text()
    server = start_server(PORT=server.port, clock=clock.path).wait_until_healthy()
    clock.set(LEASE_S)
    books = wait_until_at_rest(server).check()
    assert saved <= books.objects.keys()


def test_database_file_survives_kill_9_and_is_checked_at_the_next_start(
    server, start_server, clock
):
    saved, over = set(), threading.Event()

    def go_on():
        with suppress(OSError, http.client.HTTPException):
            while not over.is_set():
                saved.add(save(server))

    for _ in range(3):
        over.clear()
        threads = [threading.Thread(target=go_on) for _ in range(4)]
        before = len(saved)
        for thread in threads:
            thread.start()
        wait_until(lambda before=before: len(saved) >= before + 8)
        server.stop()  # with kill -9, all its processes
        over.set()
        for thread in threads:
            thread.join()
        with closing(SqliteDatabase(server.data_dir)) as database:
            assert database.damages() == []
        server = start_server(PORT=server.port, clock=clock.path).wait_until_healthy()
    clock.set(LATER_S)
    books = wait_until_at_rest(server).check()
    assert saved <= books.objects.keys()


def test_database_that_returns_is_used_again_within_20_s(start_server, tmp_path, clock):
    mongo = Mongo(tmp_path / "mongo")
    try:
        server = start_server(DATABASE_URI=mongo.uri, clock=clock.path).wait_until_healthy()
        set_policy(server)
        saved = [save(server, colour) for colour in COLOURS]
        mongo.stop()
        began = time.monotonic()
        assert ask(server, "GET", "/classes/UserImage", None, MASTER)[1]["code"] == 155
        assert server.request("GET", "/health")[0] == 503
        assert time.monotonic() - began < 10  # 5 s for each
        mongo.start()
        began = time.monotonic()
        server.wait_until_healthy()
        assert len(find(server, "UserImage")) == len(saved)
        assert time.monotonic() - began < 20
    finally:
        mongo.stop()
