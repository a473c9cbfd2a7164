"""An answer's bytes are one answer, whatever the application says."""

import threading

import pytest
from front_server import post

from server.front.wire import whole
from server.front.wsgi import WsgiAnswer


def bytes_of(status=200, headers=(), body=b"abc", method="GET", keep_alive=True):
    answer = WsgiAnswer(status, list(headers), body)
    return whole(answer, method, keep_alive=keep_alive, always=[(b"date", b"today")])


def test_headers_and_body_follow_the_status():
    made = bytes_of(201, [("X-Y", "z"), ("Content-Length", "3")])
    assert made == (
        b"HTTP/1.1 201 Created\r\ndate: today\r\nx-y: z\r\ncontent-length: 3\r\n\r\nabc"
    )


def test_length_is_said_where_the_application_did_not():
    assert b"content-length: 3\r\n" in bytes_of()


def test_last_answer_of_a_connection_says_so():
    assert b"connection: close\r\n" in bytes_of(keep_alive=False)
    assert b"connection" not in bytes_of()


@pytest.mark.parametrize("kind", [{"method": "HEAD"}, {"status": 304}, {"status": 204}])
def test_answer_without_a_body_keeps_what_is_said_of_it(kind):
    made = bytes_of(headers=[("Content-Length", "3")], **kind)
    assert made.endswith(b"content-length: 3\r\n\r\n")


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nset-cookie: b"), ("x", "a\nb"), ("x", "a\rb"), ("x", "a\0"), ("x: y\r\nz", "a")],
)
def test_header_cannot_become_two(header):
    with pytest.raises(ValueError, match=r"line break|no name"):
        bytes_of(headers=[header])


@pytest.mark.parametrize("length", ["2", "4"])
def test_body_is_as_long_as_it_says(length):
    with pytest.raises(ValueError, match="Content-Length"):
        bytes_of(headers=[("Content-Length", length)])


def test_answer_that_cannot_be_sent_is_a_plain_500(start_front, caplog):
    def app(environ, start_response):
        start_response("200 OK", [("X-Name", "a\r\nX-Forged: b")])
        return [b"secret"]

    answer = start_front(app).talk(post(b""))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"forged" not in answer.lower()
    assert b"secret" not in answer
    assert "cannot be sent" in caplog.text


def test_answers_of_requests_sent_ahead_wait_for_a_client_that_reads(start_front):
    asked = []

    def app(environ, start_response):
        asked.append(1)
        start_response("200 OK", [])
        return [b"x" * 8_000_000]

    front = start_front(app)
    with front.connect() as connection:
        connection.sendall(b"".join([post(b"", close=False)] * 20))
        threading.Event().wait(0.3)
        assert len(asked) < 5, "it does not fill memory with what nobody reads"


def test_server_waits_for_a_request_whose_client_has_left(start_front):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def app(environ, start_response):
        begun.set()
        go_on.wait(10)
        ended.set()
        start_response("200 OK", [])
        return [b""]

    front = start_front(app)
    with front.connect() as connection:
        connection.sendall(post(b"abc"))
        begun.wait(10)
    front.tell_to_stop()
    threading.Timer(0.5, go_on.set).start()
    front.stop()
    assert ended.is_set()
