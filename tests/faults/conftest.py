"""Installations out of real processes, and a clock that all of them follow."""

import pytest
from parse_calls import wait_until
from running_mongo import Mongo


class Clock:
    """By how many seconds the processes' wall clock is wrong."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def set(self, seconds):
        written = self.path.with_suffix(".new")
        written.write_text(str(seconds))
        written.replace(self.path)


@pytest.fixture
def clock(tmp_path):
    """The clock of the processes that are started with `clock=clock.path`."""
    return Clock(tmp_path / "clock")


@pytest.fixture
def mongo(tmp_path):
    """A MongoDB server of the test's own."""
    server = Mongo(tmp_path / "mongo")
    yield server
    server.stop()


@pytest.fixture
def start_one(start_worker, redis, tmp_path):
    """Start a worker that hears from the broker."""

    def start(clock=None, **settings):
        heartbeat = tmp_path / f"heartbeat{0 if clock is None else clock.name}"
        heartbeat.unlink(missing_ok=True)
        worker = start_worker(
            *("--heartbeat", heartbeat), clock=clock, CELERY_BROKER_URL=redis.url, **settings
        )
        wait_until(heartbeat.exists, explain=worker.log.read_text)
        return worker

    return start
