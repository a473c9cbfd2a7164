"""connections and calls beyond capacity: nobody who only holds or floods keeps others out."""

import base64
import http.client
import io
import json
import resource
import select
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from PIL import Image
from running_server import CLASSIFY

pytestmark = pytest.mark.slow

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
HEAD = b" HTTP/1.1\r\nHost: x\r\n"
HOLDING = {
    "nothing": b"",
    "half a head": b"POST /api/image/classify HTTP/1.1\r\nHost: x\r\nX-A",
    "half a body": b"POST /api/image/classify" + HEAD + b"Content-Length: 9000\r\n\r\n" + b"x" * 99,
    "unread answers": (b"GET /openapi.json" + HEAD + b"\r\n") * 3,
}
FEW_FILES = 400


def one_colour(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "JPEG")
    return buffer.getvalue()


@contextmanager
def soft_limit(files):
    """What is started meanwhile may open so many files, unless it helps itself."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 3000:
        pytest.skip("this system lets nobody open three thousand files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))


def connected(server):
    """A connection of a client that takes in next to nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    return connection


@contextmanager
def held(server, number):
    """So many connections, of every kind, that end with the block."""
    with ExitStack() as connections:
        for count in range(number):
            connection = connections.enter_context(connected(server))
            connection.sendall(list(HOLDING.values())[count % len(HOLDING)])
        yield


def assert_serves_others(server, colour):
    assert server.request("GET", "/health") == (200, {"status": "ok"})
    assert server.classify(one_colour(colour))[0] == 200
    assert server.request("GET", "/parse/health")[0] == 200
    assert server.request("POST", "/parse/functions/hello", "{}", KEYS)[0] in (200, 400)


def test_a_thousand_idle_and_slow_connections_stop_nobody(start_server, tally):
    with soft_limit(256):
        server = start_server().wait_until_healthy()
    with held(server, 1000):
        assert_serves_others(server, "teal")
        tally.survived(1000)
    assert "Traceback" not in server.log.read_text()


def test_more_connections_than_files_stop_nobody(start_server, tally):
    """Where even the system allows no more, those who hold longest make room."""
    with soft_limit(256):
        server = start_server()
        server.process.rlimit(resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        server.wait_until_healthy()
    with held(server, 2 * FEW_FILES):
        assert_serves_others(server, "navy")
        tally.survived(2 * FEW_FILES)
    assert "Traceback" not in server.log.read_text()


def test_calls_beyond_capacity_are_told_at_once_and_health_answers(start_server, tally):
    server = start_server(CLASSIFY_PERMITS=1, CLASSIFY_MAX_WAITING=1, CLASSIFY_MAX_WAIT=6)
    server.wait_until_healthy()
    (classifier,) = server.classifiers()
    classifier.suspend()  # so that one call has it, one waits, and all others are too many
    answers = flood(server, calls=60)
    assert_health_answers(server, "/health/live", "/health")
    classifier.resume()
    for thread in answers.threads:
        thread.join()
    assert answers.statuses.keys() <= {(200, None), (503, "1"), (400, 155)}
    assert answers.statuses[503, "1"] >= 28
    assert answers.statuses[400, 155] >= 28
    refused = [seconds for status, seconds in answers.took if status != 200]
    assert sorted(refused)[len(refused) // 2] < 1
    tally.refused(len(refused))
    assert server.classify(one_colour("maroon"))[0] == 200


HOLDING_FUNCTIONS = """
import time

from cloud.code import cloud


@cloud.define("stall")
def stall(request):
    time.sleep(30)


@cloud.define("burn")
def burn(request):
    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at:
        sum(range(10_000))
"""


@pytest.mark.parametrize("function", ["stall", "burn"])
def test_health_answers_while_every_thread_is_held(start_server, tmp_path, tally, function):
    """By calls that wait, or by calls that take all of the processor's time."""
    code = tmp_path / "main.py"
    code.write_text(HOLDING_FUNCTIONS)
    server = start_server(CLOUD_CODE_MAIN=code, CLASSIFY_MAX_WAITING=4, WEB_WORKERS=1)
    server.wait_until_healthy()
    call = b"POST /parse/functions/" + function.encode() + HEAD + b"Content-Length: 2\r\n"
    call += b"".join(f"{name}: {value}\r\n".encode() for name, value in KEYS.items())
    with ExitStack() as connections:
        held = [connections.enter_context(connected(server)) for _ in range(300)]
        for connection in held:
            connection.sendall(call + b"\r\n{}")
        assert select.select(held, [], [], 30)[0], "nobody is told that there is no thread"
        assert_health_answers(server, "/health/live", "/health", "/health/ready", "/parse/health")
        answered = select.select(held, [], [], 0)[0]
        assert all(b'code":155' in one.recv(4096) for one in answered), "others are held still"
        tally.survived(len(held) - len(answered))
        tally.refused(len(answered))


def assert_health_answers(server, *paths):
    """Each of the paths within two seconds, every time."""
    for path in paths * 10:
        began = time.monotonic()
        assert server.request("GET", path)[0] == 200
        assert time.monotonic() - began < 2
        time.sleep(0.02)


class Answers:
    """What a flood was told."""

    def __init__(self):
        self.statuses, self.took, self.threads = Counter(), [], []

    def note(self, status, detail, began):
        self.statuses[status, detail] += 1
        self.took.append((status, time.monotonic() - began))


def flood(server, calls):
    """Half plain calls, half Parse's, all at once."""
    answers = Answers()

    def plain(number):
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", CLASSIFY, one_colour((number, 1, 1)))
        answer = connection.getresponse()
        answer.read()
        answers.note(answer.status, answer.getheader("Retry-After"), began)
        connection.close()

    def parse(number):
        began = time.monotonic()
        body = json.dumps({"base64": base64.b64encode(one_colour((number, 2, 2))).decode()})
        status, answer = server.request("POST", "/parse/functions/nsfwImageClassify", body, KEYS)
        answers.note(status, answer.get("code"), began)

    for number in range(calls):
        work = (plain, parse)[number % 2]
        answers.threads.append(threading.Thread(target=work, args=[number]))
        answers.threads[-1].start()
    return answers
