"""Which workers live, as they say in the database that they share with the servers."""

import threading
from datetime import timedelta

import pytest

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from server.dispatch.workers import WORKER, Pulse, WorkerBook, Workers
from server.objects.schemas import Schemas
from server.storage.port import Query


class Clock:
    def __init__(self):
        self.now = utc_now()

    def __call__(self):
        return self.now

    def advance(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def book(database, clock):
    return WorkerBook(database, Schemas(database.schemas, clients_make_classes=False), now=clock)


def stored_time(time):
    """As databases keep it: in milliseconds."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def test_workers_that_tell_are_counted(book, clock):
    assert book.read() == Workers(0, None)
    book.tell("worker1", 2)
    book.tell("worker2", 4)
    clock.advance(seconds=20)
    book.tell("worker2", 4)
    found = book.read()
    assert found.alive == 2
    assert stored_time(found.heard_at) == stored_time(clock.now)


def test_who_was_not_heard_of_is_dead_but_remembered(book, clock):
    book.tell("worker1", 2)
    heard_at = clock.now
    clock.advance(seconds=44)
    assert book.read().alive == 1
    clock.advance(seconds=1)
    assert book.read().alive == 0
    assert stored_time(book.read().heard_at) == stored_time(heard_at)


def test_who_leaves_is_gone_at_once(book):
    book.tell("worker1", 2)
    book.leave("worker1")
    assert book.read() == Workers(0, None)


def test_the_dead_are_forgotten_after_a_day(book, clock, database):
    book.tell("worker1", 2)
    clock.advance(days=1, seconds=1)
    book.tell("worker2", 2)
    assert [row["objectId"] for row in database.objects.find(WORKER, Query())] == ["worker2"]


class Told:
    """A book that can be away."""

    def __init__(self):
        self.is_away, self.told, self.left = False, threading.Semaphore(0), False

    def tell(self, _worker_id, _threads):
        self.told.release()
        if self.is_away:
            raise StoreUnavailable("it is away")

    def leave(self, _worker_id):
        self.left = True


def test_a_pulse_tells_only_while_the_event_loop_turns():
    book = Told()
    pulse = Pulse(book, 2, every_s=0.01)
    pulse.start()
    assert not book.told.acquire(timeout=0.1)
    pulse.turned()
    assert book.told.acquire(timeout=5)
    assert not book.told.acquire(timeout=0.1)
    pulse.close()
    assert book.left


def test_a_pulse_goes_on_when_the_database_was_away():
    book = Told()
    book.is_away = True
    pulse = Pulse(book, 2, every_s=0.01)
    pulse.start()
    for _ in range(3):
        pulse.turned()
        assert book.told.acquire(timeout=5)
    pulse.close()
