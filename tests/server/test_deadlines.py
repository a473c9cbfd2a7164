"""Requests that drip in are cut off; those that arrive in time are not."""

import socket
import time

import pytest

from server.deadlines import ReadDeadlines


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def drip(theirs, seconds):
    """Send bytes one by one; return whether the other side stopped listening meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            theirs.sendall(b"x")
        except BrokenPipeError:
            return True
        time.sleep(0.05)
    return False


def test_connection_that_drips_is_ended(pair):
    ours, theirs = pair
    ReadDeadlines().begin(ours, 0.1)
    assert drip(theirs, 3)
    received = b"".join(iter(lambda: ours.recv(4096), b""))  # to its end, which would not come
    assert received


def test_connection_that_is_done_stays_open(pair):
    ours, theirs = pair
    deadlines = ReadDeadlines()
    deadlines.begin(ours, 0.1)
    deadlines.end(ours)
    time.sleep(0.8)
    theirs.sendall(b"next")
    assert ours.recv(10) == b"next"


def test_large_body_has_longer(pair):
    ours, theirs = pair
    deadlines = ReadDeadlines()
    deadlines.begin(ours, 0.1)
    deadlines.expect_body(ours, 1_000_000)
    time.sleep(0.8)
    theirs.sendall(b"more")
    assert ours.recv(10) == b"more"


def test_connection_that_was_closed_meanwhile_is_no_error(pair):
    ours, _ = pair
    deadlines = ReadDeadlines()
    deadlines.begin(ours, 0.1)
    ours.close()
    time.sleep(0.8)
    other, far = socket.socketpair()
    with other, far:
        deadlines.begin(other, 0.1)
        time.sleep(0.8)
        assert other.recv(10) == b"", "the watcher lives on"
