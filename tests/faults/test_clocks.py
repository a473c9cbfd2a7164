"""Leases and wall clocks: images of workers that ended or lost theirs, and clocks that are set.

The processes go by a clock that the test sets (`clocked.py`), while they run. So nothing here waits
for a lease to run out, and a clock that jumps back does so under a server at work. With the clock
of one process the pipeline is tested in tests/cloud/test_pipeline.py.
"""

import time
from collections import Counter

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, find, save, set_policy, wait_until

from server.dispatch.celery import broker_app

pytestmark = pytest.mark.slow

LEASE_S = 30
HOURS_S = 2 * 3600


@pytest.fixture
def server(start_server, clock):
    server = start_server(clock=clock.path, CLASSIFY_PERMITS=2).wait_until_healthy()
    set_policy(server)
    return server


@pytest.fixture
def told_server(start_server, redis, clock):
    """A server that leaves judging to workers."""
    server = start_server(clock=clock.path, CELERY_BROKER_URL=redis.url, CLASSIFY_PERMITS=1)
    set_policy(server.wait_until_healthy())
    return server


def save_and_have_it_taken(server, colour="blue"):
    """Save a picture; returns its item as soon as somebody has it."""
    object_id = save(server, colour)

    def taken():
        return find(server, "ModerationItem", subjectId=object_id, attempts=1)

    (item,) = wait_until(taken, every_s=0.05)
    return item


def children(program):
    return program.process.children(recursive=True)


def kill(program):
    for process in program.family():
        process.kill()
    program.process.wait()


def state(server, item):
    (found,) = find(server, "ModerationItem", objectId=item["objectId"])
    return found["state"]


def test_image_of_a_killed_worker_is_judged_by_another_after_its_lease(
    told_server, start_one, clock, hold
):
    worker = start_one(clock=clock.path)
    hold(children(worker))
    item = save_and_have_it_taken(told_server)
    kill(worker)
    start_one(clock=clock.path)
    time.sleep(3)  # longer than the sweeper needs
    assert state(told_server, item) == "pending"
    clock.set(LEASE_S)
    books = wait_until_at_rest(told_server).check()
    assert books.states() == {"approved": 1}


def test_two_workers_with_the_same_item_decide_it_once(
    told_server, start_one, redis, clock, make_clock, hold
):
    slow = start_one(clock=clock.path)
    hold(children(slow))
    item = save_and_have_it_taken(told_server, "tan")
    hold([slow.process])
    ahead = make_clock("ahead")
    ahead.set(LEASE_S + 1)  # so that the first one's lease is over for the second
    quick = start_one(clock=ahead.path)
    tell(redis, item)
    wait_until(lambda: state(told_server, item) == "rejected")
    for process in [*children(slow), slow.process]:
        process.resume()
    wait_until(lambda: "was decided, replaced or deleted meanwhile" in slow.log.read_text())
    assert f"decided item={item['objectId']}" in quick.log.read_text()
    assert f"decided item={item['objectId']}" not in slow.log.read_text()
    books = wait_until_at_rest(told_server).check()
    assert [len(log) for log in books.logs.values()] == [1]


def tell(redis, item):
    """Send the item to whoever listens, a few times: the stopped worker swallows one."""
    app = broker_app(redis.url)
    for _ in range(4):
        app.send_task("parsewarden.process_item", (item["objectId"],))
    app.close()


def test_clock_that_is_set_back_under_a_server_loses_and_doubles_nothing(server, clock, hold):
    judging = hold(server.classifiers())
    taken = [save_and_have_it_taken(server, colour) for colour in COLOURS[:2]]
    clock.set(-HOURS_S)
    for colour in COLOURS[2:]:
        save(server, colour)  # with a time that is long before the others'
    for process in judging:
        process.resume()
    books = wait_until_at_rest(server, timeout_s=15).check()
    assert books.states() == {"approved": 2, "review": 2, "rejected": 2}
    for item in taken:
        (decision,) = books.logs[item["objectId"]]
        assert decision["createdAt"] < item["createdAt"]


def test_lease_from_before_the_clock_was_set_back_is_not_waited_for(
    server, start_server, clock, hold
):
    hold(server.classifiers())
    items = [save_and_have_it_taken(server, colour) for colour in ("blue", "green")]
    kill(server)
    clock.set(-HOURS_S)
    server = start_server(PORT=server.port, clock=clock.path).wait_until_healthy()
    save(server, "tan")
    books = wait_until_at_rest(server, timeout_s=15).check()
    assert Counter(map(len, books.logs.values())) == {1: len(items) + 1}
    assert books.states() == {"approved": 1, "review": 1, "rejected": 1}
    clock.set(0)
    save(server, "gray")
    books = wait_until_at_rest(server, timeout_s=15).check()
    assert books.states() == {"approved": 1, "review": 2, "rejected": 1}
