"""What is done again and again goes on after a failure, and ends when it is closed."""

import threading

import pytest

from cloud.moderation.errors import StoreUnavailable
from server.rounds import Rounds

EVERY_S = 0.005


@pytest.fixture
def rounds_of():
    made = []

    def make(work, **options):
        made.append(Rounds("count", work, **{"every_s": EVERY_S, **options}))
        return made[-1]

    yield make
    for rounds in made:
        rounds.close()


@pytest.mark.parametrize(
    ("failure", "told"),
    [(StoreUnavailable("away"), "count: waiting for the database: "),
     (ZeroDivisionError(), "count: this round failed")],
)  # fmt: skip
def test_failure_ends_one_round_only(rounds_of, caplog, failure, told):
    failures, succeeded = [failure], threading.Event()

    def work():
        if failures:
            raise failures.pop()
        succeeded.set()

    rounds_of(work).start()
    assert succeeded.wait(5)
    assert told in caplog.text


def test_first_round_waits_unless_it_is_to_be_at_once(rounds_of):
    later, now = threading.Event(), threading.Event()
    rounds_of(later.set, every_s=60).start()
    rounds_of(now.set, every_s=60, at_once=True).start()
    assert now.wait(5)
    assert not later.is_set()


def test_start_twice_is_one_thread(rounds_of):
    rounds, threads, seen = rounds_of(lambda: note()), set(), threading.Semaphore(0)

    def note():
        threads.add(threading.get_ident())
        seen.release()

    rounds.start()
    rounds.start()
    for _ in range(5):
        assert seen.acquire(timeout=5)
    assert len(threads) == 1


def test_close_waits_for_the_round_that_runs_and_lets_none_begin(rounds_of):
    inside, go_on, done = threading.Event(), threading.Event(), []

    def work():
        inside.set()
        assert go_on.wait(5)
        done.append("a round")

    rounds = rounds_of(work)
    rounds.start()
    assert inside.wait(5)
    threading.Timer(0.05, go_on.set).start()
    rounds.close()
    assert done == ["a round"]
    rounds.start()
    assert done == ["a round"]
