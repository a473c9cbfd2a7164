"""A request and its answer between the event loop and the WSGI app."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from flask import Flask, has_request_context, request, stream_with_context
from front_server import post

from server.front.wsgi import call, environ_of

SCOPE = {
    "type": "http",
    "method": "POST",
    "http_version": "1.1",
    "scheme": "http",
    "path": "/a b",
    "raw_path": b"/a%20b",
    "query_string": b"q=%C3%A4&x",
    "headers": [(b"host", b"x"), (b"content-type", b"image/jpeg"), (b"content-length", b"3")],
    "server": ("127.0.0.1", 80),
    "client": ("10.0.0.9", 4711),
}


def environ(body=b"abc", **changes):
    return environ_of(SCOPE | changes, body)


def test_environment_is_that_of_the_wsgi_standard():
    made = environ()
    assert made["PATH_INFO"] == "/a b"
    assert made["QUERY_STRING"] == "q=%C3%A4&x"
    assert made["CONTENT_TYPE"] == "image/jpeg"
    assert made["CONTENT_LENGTH"] == "3"
    assert made["HTTP_HOST"] == "x"
    assert made["REMOTE_ADDR"] == "10.0.0.9"
    assert made["wsgi.input"].read() == b"abc"


def test_path_beyond_ascii_keeps_its_bytes():
    made = environ(path="/\u00e4", raw_path=b"/%C3%A4")
    assert made["PATH_INFO"].encode("latin-1") == "/\u00e4".encode()


def test_header_with_an_underscore_never_passes_for_another():
    headers = [(b"x-parse-master-key", b"mine"), (b"x_parse_master_key", b"forged")]
    made = environ(headers=headers)
    assert made["HTTP_X_PARSE_MASTER_KEY"] == "mine"
    assert "forged" not in made.values()


def test_repeated_headers_are_joined():
    made = environ(headers=[(b"accept", b"a"), (b"accept", b"b")])
    assert made["HTTP_ACCEPT"] == "a,b"


def test_cookies_of_several_headers_stay_cookies():
    made = environ(headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])
    assert made["HTTP_COOKIE"] == "a=1; b=2"


class Parts:
    """A body in parts that notes whether it was closed."""

    def __init__(self, parts):
        self.parts, self.closed = iter(parts), False

    def __iter__(self):
        return self.parts

    def close(self):
        self.closed = True


def answer_of(parts):
    def app(environ, start_response):
        start_response("201 Created", [("X-Y", "z")])
        return parts

    return call(app, environ())


@pytest.mark.parametrize("parts", [[b"ab", b"c"], Parts([b"abc"])])
def test_body_in_one_piece_is_there_at_once(parts):
    answer = answer_of(parts)
    assert (answer.status, answer.headers, answer.body) == (201, [("X-Y", "z")], b"abc")


def test_body_of_nothing_is_empty():
    parts = Parts([])
    assert answer_of(parts).body == b""
    assert parts.closed


def test_body_in_several_parts_is_read_later_and_closed_by_who_reads():
    parts = Parts([b"a", b"b", b"c"])
    answer = answer_of(parts)
    assert not parts.closed
    assert b"".join(answer.body) == b"abc"
    answer.close()
    assert parts.closed


def on_another_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_parts_that_are_made_on_other_threads_know_their_request():
    app, ended = Flask("streams"), []

    @app.post("/<path>")
    def rows(path):
        def parts():
            try:
                for _ in range(4):
                    yield f"{request.path} "
            finally:
                ended.append(request.path)

        return app.response_class(stream_with_context(parts()))

    answer = call(app, environ())
    assert not has_request_context(), "it is not left to what this thread does next"
    assert on_another_thread(lambda: next(answer.body)) == b"/a b "
    rest = b"".join(on_another_thread(lambda: list(answer.body)))
    assert rest == b"/a b " * 3
    on_another_thread(answer.close)
    assert ended == ["/a b"]


def test_parts_that_are_not_read_to_their_end_end_on_any_thread():
    ended = []

    def app(environ, start_response):
        start_response("200 OK", [])
        word.set("of this request")

        def parts():
            try:
                while True:
                    yield word.get().encode()
            finally:
                ended.append(word.get())

        return parts()

    word = ContextVar("word")
    answer = call(app, environ())
    assert on_another_thread(lambda: next(answer.body)) == b"of this request"
    on_another_thread(answer.close)
    assert ended == ["of this request"]
    assert word.get(None) is None


def test_body_that_breaks_at_once_is_closed():
    def broken():
        raise RuntimeError("broken")
        yield b""

    class BrokenParts(Parts):
        def __iter__(self):
            return broken()

    parts = BrokenParts([])
    with pytest.raises(RuntimeError):
        answer_of(parts)
    assert parts.closed


def test_answer_is_streamed_no_faster_than_it_is_read(start_front):
    made = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/csv")])

        def rows():
            for number in range(1000):
                made.append(number)
                yield b"x" * 100_000

        return rows()

    front = start_front(app)
    with front.connect() as connection:
        connection.sendall(post(b""))
        connection.recv(1000)
    assert len(made) < 1000, "it stopped when its reader left"


def test_answer_made_while_it_is_sent_arrives_to_its_end(start_front):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/csv")])
        return (b"%06d" % number * 20_000 for number in range(30))

    answer = start_front(app).talk(post(b""))
    assert answer.count(b"000029") == 20_000
    assert answer.endswith(b"\r\n0\r\n\r\n"), "as the end of its last piece says"


def test_error_that_escapes_the_app_is_a_plain_500(start_front, caplog):
    def app(environ, start_response):
        raise RuntimeError("secret")

    answer = start_front(app).talk(post(b""))
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"secret" not in answer
    assert "secret" in caplog.text
