"""The database is stopped for a while under a server at work, and comes back with all it had."""

import os
import time

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, MASTER, ask, find, picture, save, set_policy, upload, wait_until

pytestmark = pytest.mark.slow

OUTAGE_S = float(os.environ.get("FAULTS_OUTAGE_S", "2.5"))
LEASE_S = 30
BUSY = {"code": 155, "error": "The database is not reachable at the moment. Try again shortly."}


@pytest.fixture
def server(start_server, mongo, clock):
    server = start_server(DATABASE_URI=mongo.uri, clock=clock.path).wait_until_healthy()
    set_policy(server)
    return server


def test_stopped_database_loses_nothing_and_is_said_clearly(server, mongo, clock, hold):
    saved = [save(server, colour) for colour in COLOURS]
    wait_until_at_rest(server)
    held = hold(server.classifiers())
    saved += [save(server, colour) for colour in COLOURS]
    wait_until(lambda: find(server, "ModerationItem", attempts={"$gte": 1}, state="pending"))
    image, processes = upload(server, "gray"), server.family()
    mongo.stop()
    for process in held:  # what is judged now cannot be recorded
        process.resume()
    assert_refused_for(OUTAGE_S, server, image)
    mongo.start()
    server.wait_until_healthy()
    saved.append(save(server, "green"))
    clock.set(LEASE_S)
    books = wait_until_at_rest(server).check()
    assert books.objects.keys() == set(saved)
    assert books.states() == {"approved": 4, "review": 5, "rejected": 4}
    assert server.family() == processes
    assert "Traceback" not in server.log.read_text()


def assert_refused_for(seconds, server, image):
    """Uploads, saves and reads are answered, soon, with what is the matter."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for method, path, body in (
            ("POST", "/files/a.jpg", picture("blue")),
            ("POST", "/classes/UserImage", {"image": image}),
            ("GET", "/classes/UserImage", None),
        ):
            before = time.monotonic()
            assert ask(server, method, path, body, MASTER) == (400, BUSY)
            assert time.monotonic() - before < 4
        status, health = server.request("GET", "/health")
        assert (status, health["problems"]) == (503, ["database not reachable"])
