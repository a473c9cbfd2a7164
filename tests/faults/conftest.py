"""Installations out of real processes, and a clock that all of them follow."""

import os
import time

import pytest
from cut_line import Line
from parse_calls import wait_until
from running_mongo import Mongo


class Clock:
    """By how many seconds the wall clock of processes is wrong; they follow it while they run."""

    def __init__(self, path):
        self.path = path
        self._write(0)

    def set(self, seconds):
        """Return once every process has looked."""
        self._write(seconds)
        time.sleep(0.3)

    def _write(self, seconds):
        written = self.path.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self.path)  # at once: nobody reads half a number


@pytest.fixture
def make_clock(tmp_path):
    """Make clocks; a process that is started with `clock=clock.path` goes by it."""
    return lambda name="clock": Clock(tmp_path / name)


@pytest.fixture
def clock(make_clock):
    """A clock for all of a test's processes."""
    return make_clock()


@pytest.fixture
def mongo(tmp_path):
    """A MongoDB server of the test's own."""
    server = Mongo(tmp_path / "mongo")
    yield server
    server.stop()


@pytest.fixture
def best_mongo(request):
    """The MongoDB server that TEST_DATABASE_URI names, by a line that can be cut, or our own."""
    server_uri = os.environ.get("TEST_DATABASE_URI")
    if server_uri is None:
        yield request.getfixturevalue("mongo")
    else:
        line = Line(server_uri, f"storm_{os.getpid()}")
        yield line
        line.drop()


@pytest.fixture
def start_one(start_worker, redis, tmp_path):
    """Start a worker, and wait until it hears from the broker."""

    def start(**settings):
        heartbeat = tmp_path / "heartbeat"
        heartbeat.unlink(missing_ok=True)
        given = {"CELERY_BROKER_URL": redis.url, **settings}
        worker = start_worker("--heartbeat", heartbeat, **given)
        wait_until(heartbeat.exists, explain=worker.log.read_text)
        return worker

    return start


@pytest.fixture
def hold():
    """Stop processes; what is still stopped at the end is let go."""
    stopped = []

    def stop(processes):
        for process in processes:
            process.suspend()
        stopped.extend(processes)
        return processes

    yield stop
    for process in stopped:
        if process.is_running():
            process.resume()
