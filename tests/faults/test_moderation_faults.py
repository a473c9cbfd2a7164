"""A server that is told to stop finishes what runs; the next one does the rest."""

import signal

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, save, set_policy

pytestmark = pytest.mark.slow


def test_a_stopped_server_finishes_what_runs_and_the_next_does_the_rest(start_server):
    server = start_server().wait_until_healthy()
    set_policy(server)
    saved = {save(server, colour) for colour in COLOURS * 6}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0
    assert "Traceback" not in server.log.read_text()
    server = start_server(PORT=server.port).wait_until_healthy()
    books = wait_until_at_rest(server, timeout_s=20).check()  # no lease was left behind
    assert books.objects.keys() == saved
    assert set(books.states().values()) == {12}
