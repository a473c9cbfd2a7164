"""Fixtures of the webhooks' tests: receivers, a clock, and offices that deliver to them."""

import pytest
from webhook_receiver import Clock, HookReceiver, Office


@pytest.fixture
def receive():
    """Start receivers; they stop with the test."""
    receivers = []

    def start(*statuses, **options):
        receivers.append(HookReceiver(*statuses, **options))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.stop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def office(database, clock):
    """Make the office of one process on the test's database."""
    made = []

    def make(*urls, **options):
        made.append(Office(database, urls, clock, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
