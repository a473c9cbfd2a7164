"""The log's lines: one for each event, in two forms, each with its request's id."""

import io
import json
import logging
import sys
import threading

import pytest

from server.telemetry import logs


@pytest.fixture
def log_in():
    """Set the log up in a form, log, and return the lines that came out."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level

    def lines(form, *messages, request_id=None):
        root.handlers[:] = []
        logs.set_up(form)
        root.handlers[0].setStream(stream)
        with logs.working_for(request_id):
            for message in messages:
                logging.getLogger("test").info(message)
        return stream.getvalue().splitlines()

    yield lines
    root.handlers[0].setStream(sys.stderr)
    root.handlers[:], root.level = before


def test_log_that_somebody_else_took_over_is_left_alone():
    before = logging.getLogger().handlers[:]
    assert before, "pytest has it"
    logs.set_up("json")
    assert logging.getLogger().handlers == before


def test_text_ends_with_the_request(log_in):
    (line,) = log_in("text", "classified", request_id="r1")
    assert line.endswith("INFO test: classified request=r1")


def test_text_of_no_request_has_none(log_in):
    (line,) = log_in("text", "swept")
    assert line.endswith("INFO test: swept")


def test_json_has_the_same_fields_on_every_line(log_in):
    first, second = map(json.loads, log_in("json", "a", 'b "quoted"\nnext', request_id="r1"))
    assert first.keys() == second.keys()
    assert second["message"] == 'b "quoted"\nnext'
    assert (first["level"], first["logger"], first["request_id"]) == ("INFO", "test", "r1")
    assert first["timestamp"].startswith("20")


@pytest.mark.parametrize("form", ["text", "json"])
def test_nobody_forges_a_line(log_in, form):
    lines = log_in(form, "name\n2026-01-01 CRITICAL all is lost\x1b[31m")
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


@pytest.mark.parametrize("given", ["abc-1", "A.b_c", "x" * 64])
def test_usable_id_of_a_proxy_is_kept(given):
    assert logs.request_id_of(given) == given


@pytest.mark.parametrize("given", [None, "", "a b", "a\nb", "x" * 65, "ä", "a;b"])
def test_other_ids_are_replaced(given):
    made = logs.request_id_of(given)
    assert made != given
    assert logs.request_id_of(made) == made


def test_threads_do_not_share_ids():
    seen = []
    with logs.working_for("mine"):
        thread = threading.Thread(target=lambda: seen.append(logs.current_request_id()))
        thread.start()
        thread.join()
        assert logs.current_request_id() == "mine"
    assert seen == [None]
    assert logs.current_request_id() is None
