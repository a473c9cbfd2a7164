"""Uploads judged by workers while Redis and the workers come and go: real processes, killed."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from PIL import Image
from running_broker import Redis
from running_server import bare_environment

pytestmark = pytest.mark.slow

MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
LEASE_S = 30


def picture(seed):
    """A JPEG with bytes of its own."""
    buffer = io.BytesIO()
    colour = tuple(random.Random(seed).randbytes(3))
    Image.new("RGB", (64, 48), colour).save(buffer, "JPEG")
    return buffer.getvalue() + seed.to_bytes(4, "big")


class Album:
    """UserImages saved on one server, and what became of them."""

    def __init__(self, server):
        self._server = server
        self.saved = []

    def save(self, count=1):
        for _ in range(count):
            uploaded = self._call("POST", "/parse/files/a.jpg", picture(len(self.saved)))
            image = {"__type": "File", "name": uploaded["name"]}
            body = json.dumps({"image": image})
            self.saved.append(self._call("POST", "/parse/classes/UserImage", body)["objectId"])

    def states(self):
        return {item["subjectId"]: item["state"] for item in self._find("ModerationItem")}

    def wait_until_decided(self, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while not self.is_decided():
            assert time.monotonic() < deadline, Counter(self.states().values())
            time.sleep(0.1)

    def is_decided(self):
        states = self.states()
        return all(states.get(object_id, "pending") != "pending" for object_id in self.saved)

    def assert_each_was_decided_once(self):
        """No policy is set, so that review is the one right answer."""
        assert self.states() == dict.fromkeys(self.saved, "review")
        decided = Counter(decision["subjectId"] for decision in self._find("ModerationDecision"))
        assert decided == Counter(self.saved)
        shown = {found["objectId"]: found for found in self._find("UserImage")}
        assert all(shown[object_id]["moderationRequired"] is True for object_id in self.saved)

    def _find(self, class_name):
        return self._call("GET", f"/parse/classes/{class_name}?limit=1000")["results"]

    def _call(self, method, path, body=None):
        status, answer = self._server.request(method, path, body, MASTER)
        assert status in (200, 201), answer
        return answer


@pytest.fixture
def server(start_server, redis):
    return start_server(CELERY_BROKER_URL=redis.url).wait_until_healthy()


@pytest.fixture
def album(server):
    return Album(server)


@pytest.fixture
def start_one(start_worker, redis, tmp_path):
    """Start a worker that hears from the broker."""

    def start():
        heartbeat = tmp_path / "heartbeat"
        heartbeat.unlink(missing_ok=True)
        worker = start_worker("--heartbeat", heartbeat, CELERY_BROKER_URL=redis.url)
        deadline = time.monotonic() + 20
        while not heartbeat.exists():
            assert time.monotonic() < deadline, worker.log.read_text()
            time.sleep(0.05)
        return worker

    return start


def decided_by(worker):
    return worker.log.read_text().count("decided item=")


def hold_an_image(album, worker):
    """Have the worker take an image that it does not come to the end of; returns who is stopped."""
    classifiers = worker.process.children(recursive=True)
    for process in classifiers:
        process.suspend()
    taken = album.states()
    album.save()
    deadline = time.monotonic() + 10
    while not any(attempts(album)[i] == 1 for i in album.states().keys() - taken.keys()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return classifiers


def attempts(album):
    return {item["subjectId"]: item["attempts"] for item in album._find("ModerationItem")}


def test_save_is_judged_by_the_worker_and_not_by_the_server(server, album, start_one):
    album.save()
    time.sleep(3)  # longer than the sweeper needs
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


def test_image_of_a_killed_worker_is_judged_by_another_after_the_lease(album, start_one):
    worker = start_one()
    for process in hold_an_image(album, worker):
        process.kill()
    worker.process.kill()
    start_one()
    time.sleep(5)
    assert not album.is_decided()
    album.wait_until_decided(LEASE_S + 15)
    album.assert_each_was_decided_once()


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
    redis.start()
    assert redis.ask("DBSIZE") == 0
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
    time.sleep(3)
    redis.start()
    album.wait_until_decided()
    album.assert_each_was_decided_once()
    assert worker.process.is_running()


def test_broker_that_comes_and_goes_loses_nothing(album, redis, start_one):
    start_one()
    for _ in range(4):
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
    time.sleep(2)
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
    assert alive == []


def run_command(folder, *arguments, **settings):
    environment = {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        env=bare_environment() | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


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
    time.sleep(7)  # a beat would have come
    late = health()
    assert late.returncode == 1
    assert "the last heartbeat at" in late.stderr


def test_worker_waits_for_a_broker_that_is_not_there_yet(start_server, start_worker):
    redis = Redis()
    redis.stop()
    server = start_server(CELERY_BROKER_URL=redis.url).wait_until_healthy()
    album = Album(server)
    start_worker(CELERY_BROKER_URL=redis.url)
    album.save()
    time.sleep(3)
    redis.start()
    album.wait_until_decided()
    album.assert_each_was_decided_once()
    redis.stop()
