"""Few threads for quick calls, more for slow ones, and no call is lost."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.front.threads import Threads


def run(most, scenario):
    """Run the scenario in an event loop of its own, whatever else this thread has."""

    async def with_threads():
        return await scenario(Threads(most, asyncio.get_running_loop()))

    with ThreadPoolExecutor(1) as loops:
        return loops.submit(lambda: asyncio.run(with_threads())).result()


def test_result_and_error_reach_who_asked():
    async def scenario(threads):
        assert await threads.run(lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        assert await threads.run(lambda: 4) == 4, "the thread lives on"

    run(2, scenario)


def test_quick_calls_share_a_thread():
    async def scenario(threads):
        names = await asyncio.gather(*[threads.run(threading.get_ident) for _ in range(300)])
        assert len(set(names)) < 6

    run(16, scenario)


def test_slow_calls_run_side_by_side():
    barrier = threading.Barrier(8)

    async def scenario(threads):
        await asyncio.gather(*[threads.run(lambda: barrier.wait(10)) for _ in range(8)])

    run(8, scenario)


def test_quick_call_does_not_wait_for_slow_ones():
    gate = threading.Event()

    async def scenario(threads):
        slow = [threads.run(lambda: gate.wait(10)) for _ in range(3)]
        assert await asyncio.wait_for(threads.run(lambda: "quick"), 5) == "quick"
        gate.set()
        assert await asyncio.gather(*slow) == [True] * 3

    run(4, scenario)


async def wanted_after(threads, function):
    for _ in range(200):
        await threads.run(function)
    return threads.wanted


def test_calls_that_wait_for_a_database_are_to_overlap():
    assert run(8, lambda threads: wanted_after(threads, lambda: time.sleep(0.0005))) > 1


def test_calls_that_work_are_not():
    assert run(8, lambda threads: wanted_after(threads, lambda: sum(range(1000)))) == 1


def test_never_more_threads_than_allowed():
    running, most, lock = 0, 0, threading.Lock()

    def call():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    async def scenario(threads):
        await asyncio.gather(*[threads.run(call) for _ in range(30)])

    run(3, scenario)
    assert most == 3


def test_answer_for_who_went_away_is_dropped():
    gate = threading.Event()

    async def scenario(threads):
        abandoned = threads.run(lambda: gate.wait(10))
        abandoned.cancel()
        gate.set()
        assert await threads.run(lambda: "next") == "next"

    run(1, scenario)


def test_calls_that_come_and_go_by_the_thousand_are_all_answered():
    async def one(threads, number):
        await asyncio.sleep(number % 7 / 1000)
        return await threads.run(lambda: time.sleep(number % 3 / 2000) or number)

    async def scenario(threads):
        return await asyncio.gather(*[one(threads, number) for number in range(3000)])

    assert run(8, scenario) == list(range(3000))
