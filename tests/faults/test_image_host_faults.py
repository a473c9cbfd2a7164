"""The host that a URL names is slow, fails, or is gone: a clear error, and nothing is recorded."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from parse_calls import VERDICTS, ask, call, find, picture, set_policy

pytestmark = pytest.mark.slow

TIMEOUT_S = 1.0


class Host(BaseHTTPRequestHandler):
    """Serves pictures of one colour, each in its own way."""

    def do_GET(self):
        _, way, name = self.path.split("/")
        getattr(self, way)(picture(name.removesuffix(".jpg"), seed=0))

    def well(self, data):
        self.head(len(data))
        self.wfile.write(data)

    def never(self, _data):
        time.sleep(3 * TIMEOUT_S)

    def dripping(self, data):
        """A byte now and then, each soon enough after the last."""
        self.head(len(data))
        for byte in data[:20]:
            self.wfile.write(bytes([byte]))
            time.sleep(TIMEOUT_S / 5)

    def with_an_error(self, _data):
        self.send_error(500)

    def with_a_page(self, _data):
        self.well(b"<html>Not today</html>")

    def in_part(self, data):
        """And the connection is gone, as when the host is killed."""
        self.head(len(data))
        self.wfile.write(data[:100])

    def head(self, length):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:  # the server did not wait for us
            self.close_connection = True


@pytest.fixture
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(start_server, host):
    allowed = f"127.0.0.1:{host.server_port}"
    server = start_server(IMAGE_FETCH_ALLOW=allowed, IMAGE_FETCH_TIMEOUT=TIMEOUT_S)
    set_policy(server.wait_until_healthy())
    return server


def classify(server, host, way, colour="blue"):
    """Have a picture classified by its URL; the status, the answer, and how long it took."""
    url = f"http://127.0.0.1:{host.server_port}/{way}/{colour}.jpg"
    before = time.monotonic()
    status, answer = ask(server, "POST", "/functions/nsfwImageClassify", {"url": url})
    return status, answer, time.monotonic() - before


def assert_nothing_is_recorded(server):
    assert find(server, "ImageClassification") == []
    assert find(server, "ModerationItem") == []


@pytest.mark.parametrize("way", ["never", "dripping"])
def test_slow_host_is_given_up_in_time(server, host, way):
    status, answer, took_s = classify(server, host, way)
    assert (status, answer["code"]) == (400, 124)
    assert took_s < 2.5 * TIMEOUT_S
    assert_nothing_is_recorded(server)


def test_failing_host_is_an_error_and_the_next_picture_is_judged(server, host):
    for way in ("with_an_error", "with_a_page", "in_part"):
        status, answer, _ = classify(server, host, way)
        assert (status, answer["code"]) == (400, 141), way
        assert answer["error"]
    assert_nothing_is_recorded(server)
    for colour in ("blue", "tan"):
        assert classify(server, host, "well", colour)[0] == 200
    recorded = {row["sourceUrl"]: row["outcome"] for row in find(server, "ImageClassification")}
    prefix = f"http://127.0.0.1:{host.server_port}/well"
    assert recorded == {f"{prefix}/{c}.jpg": VERDICTS[c] for c in ("blue", "tan")}
    assert "Traceback" not in server.log.read_text()


def test_host_that_is_gone_is_an_error_also_for_many_at_once(server, host):
    host.shutdown()
    host.server_close()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(classify(server, host, "well")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(status, answer["code"]) for status, answer, _ in answers} == {(400, 141)}
    assert_nothing_is_recorded(server)
    assert call(server, "GET", "/health") == {"status": "ok"}
