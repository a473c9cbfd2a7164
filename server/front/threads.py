"""Threads for calls that may wait: as few at a time as keep no call waiting.

With many threads of one process the interpreter's lock changes hands at every system call; eight of
them answered half as many small requests as one does. So calls queue for the thread that is awake.
More are awake where calls spend a part of their time waiting, for a database say: 1 + waiting /
working, as is the rule for pools of threads. And another is woken when a call has waited for its
turn: one that sleeps or fetches delays the next by no more than that.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from resource import RUSAGE_THREAD, getrusage
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

Done = Callable[[Any, BaseException | None], None]
"""Told on the loop what a call returned, or what it raised."""

# How long a call waits for a thread that is awake before another thread is woken for it.
GRACE_S = 0.001

# One call of so many is looked at, and the last so many of these count.
_SAMPLED = 8
_OVERLAP_MEMORY = 8
_MOST_OVERLAP = 4.0


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    done: Done
    queued_at: float = field(default_factory=time.monotonic)


class _Sample:
    """What a thread did since this was made."""

    def __init__(self) -> None:
        self._began, self._usage = time.perf_counter(), getrusage(RUSAGE_THREAD)

    def overlap(self) -> float:
        """How many calls like this one keep a processor busy; 1 for one that waited for nothing.

        One that was kept waiting, by others on the same processor, has not gone to sleep itself.
        """
        took_s, began, now = (
            time.perf_counter() - self._began,
            self._usage,
            getrusage(RUSAGE_THREAD),
        )
        worked_s = now.ru_utime - began.ru_utime + now.ru_stime - began.ru_stime
        has_slept = now.ru_nvcsw > began.ru_nvcsw
        return min(_MOST_OVERLAP, took_s / max(worked_s, 1e-6)) if has_slept else 1.0


class Threads:
    """Runs calls of one event loop on up to `most` threads.

    `call`, `run` and `waiting` belong to the loop; everything else is the threads' own.
    """

    def __init__(self, most: int, loop: asyncio.AbstractEventLoop) -> None:
        self.most, self._loop = most, loop
        self._lock = threading.Lock()
        self._queue: deque[_Call] = deque()
        self._asleep: list[threading.Lock] = []  # the last to fall asleep wakes first
        self._started = self._awake = 0
        self._watching = False
        self._finished = 0
        self._overlap = 1.0  # how many calls keep one processor busy
        self._done: deque[tuple[Done, Any, BaseException | None]] = deque()
        self._announced = False

    @property
    def waiting(self) -> int:
        """How many calls no thread has begun yet."""
        return len(self._queue)

    @property
    def wanted(self) -> int:
        """How many threads at a time keep one processor busy with calls as they have been."""
        return max(1, round(self._overlap))

    def run(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """Call the function on a thread; the future has what it returns or raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.call(function, partial(_settle, future))
        return future

    def call(self, function: Callable[[], Any], done: Done) -> None:
        """Call the function on a thread, and then `done` on the loop."""
        with self._lock:
            self._queue.append(_Call(function, done))
            if self._awake < self.wanted:
                self._wake_one()
        if not self._watching and self._queue:
            self._watching = True
            self._loop.call_later(GRACE_S, self._watch)

    def _watch(self) -> None:
        """Wake another thread when the oldest call has waited; look again while there is one."""
        with self._lock:
            waiting = bool(self._queue)
            if waiting and time.monotonic() - self._queue[0].queued_at >= GRACE_S:
                self._wake_one()
        self._watching = waiting
        if waiting:
            self._loop.call_later(GRACE_S, self._watch)

    def _wake_one(self) -> None:
        """Wake or start a thread if there is one to be had; the lock is held."""
        if self._asleep:
            self._asleep.pop().release()
        elif self._started < self.most:
            self._started += 1
            threading.Thread(target=self._work, name="requests", daemon=True).start()
        else:
            return
        self._awake += 1

    def _work(self) -> None:
        alarm = threading.Lock()
        alarm.acquire()
        while True:
            with self._lock:
                call = self._queue.popleft() if self._queue else None
                if call is None:
                    self._awake -= 1
                    self._asleep.append(alarm)
            if call is None:
                alarm.acquire()
                continue
            self._finish(call)

    def _finish(self, call: _Call) -> None:
        result, failure = None, None
        self._finished += 1
        sample = _Sample() if self._awake == 1 and self._finished % _SAMPLED == 0 else None
        try:
            result = call.function()
        except BaseException as error:  # whatever it is, the loop is told
            failure = error
        if sample is not None and self._awake == 1:  # else it also waited for the interpreter
            self._overlap += (sample.overlap() - self._overlap) / _OVERLAP_MEMORY
        self._done.append((call.done, result, failure))
        # Set before the loop empties the queue, so what is added while it is set is not missed.
        if not self._announced:
            self._announced = True
            self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._announced = False
        while self._done:
            done, result, error = self._done.popleft()
            try:
                done(result, error)
            except Exception:  # one that fails must not keep the others waiting
                logger.exception("what a call has returned could not be handed over")


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
