"""A deadline is missed once, at its last setting, and not at all when it was lifted."""

import asyncio

from server.front.deadline import Deadline


def missed_after(*steps):
    """How often a deadline is missed within a moment, after these steps with it."""

    async def run():
        missed = []
        deadline = Deadline(asyncio.get_running_loop(), lambda: missed.append(deadline.is_set))
        for step in steps:
            step(deadline)
        await asyncio.sleep(0.01)
        return missed

    return asyncio.run(run())


def soon(deadline):
    deadline.set(0)


def late(deadline):
    deadline.set(60)


def test_it_is_missed_once_and_still_counts_as_set():
    assert missed_after(soon) == [True]


def test_only_its_last_setting_counts():
    assert missed_after(soon, late) == []
    assert missed_after(late, soon, soon) == [True]


def test_one_that_is_lifted_or_was_never_set_is_not_missed():
    assert missed_after() == missed_after(soon, Deadline.lift) == missed_after(Deadline.lift) == []
