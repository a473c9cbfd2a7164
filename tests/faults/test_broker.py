"""Uploads judged by workers while Redis and the workers come and go: real processes, killed."""

import os
import signal
import time
from collections import Counter

import psutil
import pytest
from parse_calls import find, save, wait_until
from running_broker import Redis
from running_server import Server, run_command

pytestmark = pytest.mark.slow


class Album:
    """UserImages saved on one server, and what became of them."""

    def __init__(self, server):
        self._server = server
        self.saved = []

    def save(self, count=1):
        self.saved += [save(self._server) for _ in range(count)]

    def items(self):
        return find(self._server, "ModerationItem", subjectId={"$in": self.saved})

    def states(self):
        return {item["subjectId"]: item["state"] for item in self.items()}

    def wait_until_decided(self, timeout_s=30):
        wait_until(self.is_decided, timeout_s, explain=lambda: Counter(self.states().values()))

    def is_decided(self):
        """Whether each has its decision, and what follows from it is written."""
        return not any(i["state"] == "pending" or "unsettled" in i for i in self.items())

    def assert_each_was_decided_once(self):
        """No policy is set, so that review is the one right answer."""
        assert self.states() == dict.fromkeys(self.saved, "review")
        decisions = find(self._server, "ModerationDecision", subjectId={"$in": self.saved})
        assert Counter(row["subjectId"] for row in decisions) == Counter(self.saved)
        shown = find(self._server, "UserImage", objectId={"$in": self.saved})
        assert [row["moderationRequired"] for row in shown] == [True] * len(self.saved)


# One for all tests, each of which looks at its own images only.
@pytest.fixture(scope="module")
def redis():
    server = Redis()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(redis, tmp_path_factory, models_dir):
    data_dir = tmp_path_factory.mktemp("broker") / "data"
    server = Server(data_dir, models_dir, CELERY_BROKER_URL=redis.url, CLASSIFY_PERMITS=1)
    yield server.wait_until_healthy()
    server.stop()


@pytest.fixture
def album(server):
    return Album(server)


@pytest.fixture
def start_one(start_one, server):
    """Start a worker of the server's."""
    return lambda: start_one(DATA_DIR=server.data_dir)


def decided_by(worker):
    return worker.log.read_text().count("decided item=")


def hold_an_image(album, worker):
    """Have the worker take an image that it does not come to the end of; returns who is stopped."""
    classifiers = worker.process.children(recursive=True)
    for process in classifiers:
        process.suspend()
    taken = album.states()
    album.save()
    wait_until(lambda: any(i["attempts"] for i in album.items() if i["subjectId"] not in taken))
    return classifiers


def test_save_is_judged_by_the_worker_and_not_by_the_server(server, album, start_one):
    album.save()
    time.sleep(2.5)  # longer than the sweeper needs
    assert not album.is_decided()
    worker = start_one()
    album.wait_until_decided()
    album.save(4)
    album.wait_until_decided()
    album.assert_each_was_decided_once()
    assert decided_by(worker) == 5
    assert "decided item=" not in server.log.read_text()


def test_two_workers_share_the_images_and_decide_each_once(album, start_one):
    workers = [start_one(), start_one()]
    album.save(60)
    album.wait_until_decided()
    album.assert_each_was_decided_once()
    assert all(decided_by(worker) >= 5 for worker in workers)
    assert sum(map(decided_by, workers)) == 60


def test_crashed_classifier_is_replaced_and_the_image_judged(album, start_one):
    worker = start_one()
    for process in worker.process.children(recursive=True):
        process.kill()
    album.save(4)
    album.wait_until_decided(10)
    album.assert_each_was_decided_once()
    assert "starting another" in worker.log.read_text()


def test_emptied_broker_loses_nothing(album, redis, start_one):
    album.save(20)
    redis.stop()
    redis.start()  # keeps nothing on disk, so it has forgotten all messages
    start_one()
    album.wait_until_decided()
    redis.ask("FLUSHALL")
    album.save(5)
    album.wait_until_decided()
    album.assert_each_was_decided_once()


def test_saves_are_answered_at_once_while_the_broker_is_away(album, redis, start_one):
    worker = start_one()
    album.save()
    album.wait_until_decided()
    redis.stop()
    for _ in range(5):
        before = time.monotonic()
        album.save()
        assert time.monotonic() - before < 1
    time.sleep(1)
    redis.start()
    album.wait_until_decided()
    album.assert_each_was_decided_once()
    assert worker.process.is_running()


def test_worker_with_its_hands_full_finds_the_broker_again(album, redis, start_one):
    worker = start_one()
    stopped = hold_an_image(album, worker)
    hold_an_image(album, worker)  # it has two threads, so it asks for no more
    redis.stop()
    for process in stopped:
        process.resume()
    album.wait_until_decided()  # and none can be acknowledged
    redis.start()
    album.save(3)
    album.wait_until_decided()
    album.assert_each_was_decided_once()


def test_broker_that_comes_and_goes_loses_nothing(album, redis, start_one):
    start_one()
    for _ in range(3):
        album.save(10)
        redis.stop()
        album.save(5)
        redis.start()
    album.wait_until_decided(60)
    album.assert_each_was_decided_once()


def test_terminated_worker_finishes_what_it_has(album, start_one):
    worker = start_one()
    stopped = hold_an_image(album, worker)
    worker.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    album.save()
    for process in stopped:
        process.resume()
    assert worker.process.wait(timeout=15) == 0
    assert list(album.states().values()).count("review") == 1
    assert not any(process.is_running() for process in stopped)
    start_one()
    album.wait_until_decided()
    album.assert_each_was_decided_once()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_idle_worker_stops_at_once(server, start_one, redis, sign):
    worker = start_one()
    family = worker.family()
    redis.stop()
    worker.process.send_signal(sign)
    _, alive = psutil.wait_procs(family, timeout=8)
    redis.start()
    assert alive == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "CELERY_BROKER_URL is not set: a worker hears of images through"),
        ({"CELERY_BROKER_URL": "sqs://"}, "CELERY_BROKER_URL: must be a URL such as redis://"),
        ({"CELERY_BROKER_URL": "redis://127.0.0.1:1"}, "no server is running on"),
        (
            {"CELERY_BROKER_URL": "redis://127.0.0.1:1", "DATABASE_URI": "postgres://x"},
            "DATABASE_URI cannot be used",
        ),
    ],
)
def test_worker_that_cannot_work_says_why(tmp_path, settings, sentence):
    result = run_command(tmp_path, "worker", DATA_DIR=tmp_path, **settings)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_health_of_a_worker_is_that_it_hears_from_the_broker(server, start_one, redis, tmp_path):
    heartbeat = tmp_path / "heartbeat"

    def health():
        return run_command(tmp_path, "health", "--heartbeat", heartbeat)

    assert "no heartbeat at" in health().stderr
    start_one()
    assert health().returncode == 0
    redis.stop()
    minute_ago = time.time() - 60
    os.utime(heartbeat, (minute_ago, minute_ago))
    time.sleep(5.5)  # a beat would have come
    late = health()
    redis.start()
    assert late.returncode == 1
    assert "the last heartbeat at" in late.stderr


def test_workers_say_in_the_database_that_they_live_until_they_end(server, start_one):
    def ids():
        return {row["objectId"] for row in find(server, "ModerationWorker")}

    def workers():
        return len(ids() - of_other_tests)

    of_other_tests = ids()
    worker, other = start_one(), start_one()
    wait_until(lambda: workers() == 2)
    worker.process.terminate()
    wait_until(lambda: workers() == 1)
    other.process.kill()  # says nothing any more: it counts for 45 s
    assert workers() == 1


def test_worker_waits_for_a_broker_that_is_not_there_yet(server, album, redis, start_worker):
    redis.stop()
    start_worker(CELERY_BROKER_URL=redis.url, DATA_DIR=server.data_dir)
    album.save()
    time.sleep(2)
    redis.start()
    album.wait_until_decided()
    album.assert_each_was_decided_once()
