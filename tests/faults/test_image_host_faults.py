"""The host that a URL names is slow, fails, or is gone: a clear error, and nothing is recorded."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from parse_calls import VERDICTS, ask, find, picture, set_policy
from running_server import Server

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


@contextmanager
def serving():
    """The port of a host that serves until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def host():
    with serving() as port:
        yield port


@pytest.fixture(scope="module")
def gone_host():
    with serving() as port:
        pass
    return port


@pytest.fixture(scope="module")
def server(tmp_path_factory, models_dir, host, gone_host):
    data_dir = tmp_path_factory.mktemp("image_host") / "data"
    allowed = f"127.0.0.1:{host},127.0.0.1:{gone_host}"
    limits = {"IMAGE_FETCH_TIMEOUT": TIMEOUT_S, "CLASSIFY_PERMITS": 1}
    server = Server(data_dir, models_dir, IMAGE_FETCH_ALLOW=allowed, **limits)
    set_policy(server.wait_until_healthy())
    yield server
    assert "Traceback" not in server.log.read_text()
    server.stop()


@pytest.fixture
def unchanged(server):
    """What is recorded at the end of the test is what was recorded before."""
    before = records(server)
    yield
    assert records(server) == before


def records(server):
    return [find(server, name) for name in ("ImageClassification", "ModerationItem")]


def classify(server, port, way, colour="blue"):
    """Have a picture classified by its URL; the status, the answer, and how long it took."""
    url = f"http://127.0.0.1:{port}/{way}/{colour}.jpg"
    before = time.monotonic()
    status, answer = ask(server, "POST", "/functions/nsfwImageClassify", {"url": url})
    return status, answer, time.monotonic() - before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("way", ["never", "dripping"])
def test_slow_host_is_given_up_in_time(server, host, way):
    status, answer, took_s = classify(server, host, way)
    assert (status, answer["code"]) == (400, 124)
    assert answer["error"] == "The image was not there in time."
    assert took_s < 2.5 * TIMEOUT_S


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("with_an_error", "500"),
        ("with_a_page", "not an image"),
        ("in_part", "a whole, readable body"),
    ],
)
def test_failing_host_is_an_error(server, host, way, sentence):
    status, answer, _ = classify(server, host, way)
    assert (status, answer["code"]) == (400, 141)
    assert sentence in answer["error"]


@pytest.mark.usefixtures("unchanged")
def test_host_that_is_gone_is_an_error_also_for_many_at_once(server, gone_host):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(classify(server, gone_host, "well")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(status, answer["code"]) for status, answer, _ in answers} == {(400, 141)}
    assert {answer["error"] for _, answer, _ in answers} == {"The image's host cannot be reached."}


def test_host_that_works_is_judged_as_ever(server, host):
    for colour in ("blue", "tan"):
        assert classify(server, host, "well", colour)[0] == 200
    outcomes = {
        row["sourceUrl"].rpartition("/")[2]: row["outcome"]
        for row in find(server, "ImageClassification")
    }
    assert outcomes == {f"{colour}.jpg": VERDICTS[colour] for colour in ("blue", "tan")}
