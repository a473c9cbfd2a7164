"""What waits for all clients together is bounded; who has been behind longest goes."""

import asyncio

import pytest

from server.live_query.limits import Limits
from server.live_query.message_queue import Backlog, MessageQueue

TEXT = "x" * 100


async def deaf(_message):
    await asyncio.Event().wait()


async def hears(_message):
    pass


class Clients:
    """Queues of one process, in which 250 characters may wait, and who writes them."""

    def __init__(self):
        self._backlog = Backlog(250)
        self.queues, self._writing = [], []

    async def add(self, send):
        queue = MessageQueue(Limits(waiting_characters=220), self._backlog)
        self.queues.append(queue)
        self._writing.append(asyncio.create_task(queue.write(send)))
        queue.put(TEXT)
        await settled()

    async def leave(self, number):
        self._writing[number].cancel()
        await settled()

    def gone(self):
        return [task.done() for task in self._writing]

    async def end(self):
        for number in range(len(self._writing)):
            await self.leave(number)


async def settled():
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def run():
    def run(scenario):
        async def with_clients():
            clients = Clients()
            await scenario(clients)
            await clients.end()

        asyncio.run(with_clients())

    return run


def test_who_has_been_behind_longest_goes_when_all_is_too_much(run):
    async def scenario(clients):
        for send in (deaf, hears, deaf):
            await clients.add(send)
        clients.queues[0].put("y")  # one more makes nobody younger
        await settled()
        assert not any(clients.gone())
        await clients.add(deaf)
        assert clients.gone() == [True, False, False, False]

    run(scenario)


def test_what_was_sent_or_waited_for_who_left_counts_no_more(run):
    async def scenario(clients):
        for _ in range(5):
            await clients.add(hears)
        for _ in range(2):
            await clients.add(deaf)
        await clients.leave(5)
        await clients.add(deaf)
        assert clients.gone() == [False] * 5 + [True, False, False]

    run(scenario)


def test_who_had_too_much_for_one_counts_no_more(run):
    async def scenario(clients):
        await clients.add(deaf)
        for _ in range(2):
            clients.queues[0].put("y" * 70)
        await settled()
        assert clients.gone() == [True]
        for _ in range(2):
            await clients.add(deaf)
        assert clients.gone() == [True, False, False]

    run(scenario)


def test_one_message_may_cost_another_his_connection(run):
    async def scenario(clients):
        for _ in range(2):
            await clients.add(deaf)
        clients.queues[1].put("y" * 110)
        await settled()
        assert clients.gone() == [True, False]
        await clients.add(deaf)
        assert clients.gone() == [True, True, False]
        clients.queues[1].put(TEXT)
        await clients.add(deaf)
        assert clients.gone() == [True, True, False, False], "who has gone counts no more"

    run(scenario)
