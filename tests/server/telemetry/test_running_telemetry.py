"""Figures, ids and traces of real processes."""

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from image_host import noise

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}


def metrics_of(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_processes_add_their_figures_up_also_after_one_was_killed(start_server):
    server = start_server(WEB_WORKERS=2, CLASSIFY_PERMITS=2).wait_until_healthy()
    for _ in range(20):
        server.request("GET", "/health/live")
    asked = 'parsewarden_http_requests_total{face="health",status="200"} '
    before = float(metrics_of(server).split(asked)[1].split()[0])
    assert before >= 20
    web = server.process.children()[0]
    web.kill()
    web.wait()
    server.wait_until_healthy()
    assert float(metrics_of(server).split(asked)[1].split()[0]) >= before


def test_request_s_id_is_in_its_answer_and_its_lines_of_the_log(start_server):
    server = start_server(LOG_FORMAT="json").wait_until_healthy()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/api/image/classify", noise(73), {"X-Request-Id": "mine-1"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.headers["X-Request-Id"] == "mine-1"
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line[:1] == "{"]
    assert any(line["request_id"] == "mine-1" and "classified" in line["message"] for line in lines)


def test_save_s_id_is_on_its_decision_s_line(start_server):
    server = start_server().wait_until_healthy()
    _, file = server.request("POST", "/parse/files/a.jpg", noise(74), KEYS)
    body = json.dumps({"image": {"__type": "File", "name": file["name"]}})
    headers = {**KEYS, "X-Request-Id": "save-1"}
    assert server.request("POST", "/parse/classes/UserImage", body, headers)[0] == 201
    deadline = time.monotonic() + 20
    while "decided item=" not in server.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (line,) = [line for line in server.log.read_text().splitlines() if "decided item=" in line]
    assert line.endswith("request=save-1")


def test_log_of_all_processes_is_json_where_it_is_asked_for(start_server):
    server = start_server(LOG_FORMAT="json").wait_until_healthy()
    server.process.children()[0].kill()
    server.wait_until_healthy()
    time.sleep(1.5)
    server.stop()
    lines = server.log.read_text().splitlines()
    assert not [line for line in lines if line.startswith("[")], "gunicorn's own form"
    assert [line for line in lines if line.startswith("{") and "SIGKILL" in line]


@pytest.fixture
def collector():
    """Takes in traces, as an OpenTelemetry collector does."""
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.received = received
    yield server
    server.shutdown()
    server.server_close()


def test_traces_reach_the_collector_that_is_named(start_server, collector):
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    server = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY=200
    ).wait_until_healthy()
    assert server.classify(noise(75))[0] == 200
    deadline = time.monotonic() + 20
    while not any(b"classify" in body for body in collector.received):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert any(b"parsewarden" in body for body in collector.received)
