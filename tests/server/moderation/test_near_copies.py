"""Fingerprints in memory follow the database: at the start, while clocks change, after faults."""

import threading
from datetime import timedelta

import pytest
from moderation_parts import NOON

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.memory import NotReadYet
from ml_models.types import Fingerprint
from server.moderation.memory import ENTRY, StoredMemory
from server.moderation.near_copies import NearCopies
from server.objects.schemas import Schemas

DAY = timedelta(days=1)


def fingerprint(number):
    return Fingerprint(f"{number * 2**100:064x}", 100)


class Entries:
    """Remembered fingerprints, and one process that reads them by a clock that a test sets."""

    def __init__(self, database):
        self.objects, self.wall, self.measured_s = database.objects, NOON, 0.0
        Schemas(database.schemas, clients_make_classes=False).declare(ENTRY)
        self.near = self.new_process(self.objects)

    def new_process(self, objects, **options):
        return NearCopies(
            objects,
            ENTRY,
            max_distance=0,
            min_quality=50,
            now=lambda: self.wall,
            measure_s=lambda: self.measured_s,
            **options,
        )

    def add(self, number, at=None):
        at = at or self.wall
        document = {"objectId": f"entry{number}", "createdAt": at, "updatedAt": at, "ACL": {}}
        columns = {"active": True, "outcome": "rejected", "pdqHash": fingerprint(number).pdq}
        self.objects.insert(ENTRY, document | columns)

    def pass_time(self, seconds, *, set_back=timedelta()):
        self.wall += timedelta(seconds=seconds) - set_back
        self.measured_s += seconds

    def knows(self, *numbers, near=None):
        near = near or self.near
        return [number for number in numbers if near.nearest(fingerprint(number))] == [*numbers]


@pytest.fixture
def entries(database):
    return Entries(database)


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("idle_s", [3, 3600])
def test_what_is_learned_after_the_clock_was_set_back_is_known(entries, idle_s):
    entries.add(1)
    assert entries.knows(1)
    entries.pass_time(1, set_back=DAY)
    entries.add(2)
    entries.pass_time(idle_s)
    assert entries.knows(1, 2)
    entries.pass_time(3)
    entries.add(3)
    entries.pass_time(3)
    assert entries.knows(1, 2, 3)


def test_what_was_learned_before_the_clock_was_set_back_is_known(entries):
    assert not entries.knows(1)
    entries.pass_time(60)
    entries.add(1)
    entries.pass_time(3, set_back=DAY)
    assert entries.knows(1)


def test_what_is_learned_after_the_clock_was_set_on_and_back_is_known(entries):
    assert not entries.knows(1)
    entries.pass_time(3, set_back=-DAY)
    entries.add(1)
    assert entries.knows(1)
    entries.pass_time(1, set_back=DAY)
    entries.add(2)
    entries.pass_time(3)
    assert entries.knows(1, 2)


def test_what_a_machine_with_a_slow_clock_learns_is_known(entries):
    assert not entries.knows(1)
    entries.pass_time(3)
    entries.add(1, at=entries.wall - timedelta(seconds=59))
    assert entries.knows(1)


# --- the first read -------------------------------------------------------------------------------


class Slow:
    """A database in which a find takes as long as a test likes, and may fail."""

    def __init__(self, objects):
        self.objects, self.go_on, self.error = objects, threading.Event(), None
        self.finds = 0

    def find(self, schema, query):
        self.finds += 1
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error
        return self.objects.find(schema, query)

    def __getattr__(self, name):
        return getattr(self.objects, name)


def test_nobody_waits_long_for_the_first_read(entries):
    entries.add(1)
    slow = Slow(entries.objects)
    near = entries.new_process(slow, patience_s=0.05)
    for _ in range(3):
        with pytest.raises(NotReadYet):
            near.nearest(fingerprint(1))
    assert slow.finds == 1
    slow.go_on.set()
    assert entries.knows(1, near=entries.new_process(slow))


def test_first_read_goes_on_while_nobody_waits(entries):
    entries.add(1)
    slow = Slow(entries.objects)
    near = entries.new_process(slow, patience_s=0.05)
    near.start()
    near.start()
    with pytest.raises(NotReadYet):
        near.nearest(fingerprint(1))
    slow.go_on.set()
    (reader,) = [thread for thread in threading.enumerate() if thread.name == "fingerprints"]
    reader.join(10)
    assert entries.knows(1, near=near)
    assert slow.finds == 1


def test_first_read_that_failed_is_begun_again(entries):
    entries.add(1)
    slow = Slow(entries.objects)
    slow.error = StoreUnavailable("scripted")
    slow.go_on.set()
    near = entries.new_process(slow)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            near.nearest(fingerprint(1))
    slow.error = None
    assert entries.knows(1, near=near)


def test_process_begins_to_read_when_it_starts(parse, monkeypatch):
    begun = []
    monkeypatch.setattr(StoredMemory, "start", lambda memory: begun.append(memory))
    parse.services.warm_up()
    assert begun == [parse.services.memory]
