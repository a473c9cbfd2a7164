"""The server as its operator runs it: several processes, and a worker in yet another one."""

import io
import json
import time
from datetime import UTC, datetime

import pytest
from image_host import KEYS, MASTER
from live_server import KEYS_OF_CLIENTS, LiveClient
from PIL import Image

pytestmark = pytest.mark.slow

ALL_IS_WELL = {
    "moderationAutomation": True,
    "moderationScores": {"Porn": {"min": 0.998, "max": 0.999}},
}


@pytest.fixture
def connect():
    """Connect clients to running servers."""
    clients = []

    def make(server, **said):
        clients.append(LiveClient(f"ws://127.0.0.1:{server.port}/parse"))
        answer = clients[-1].ask({"op": "connect", **KEYS_OF_CLIENTS, **said})
        assert answer["op"] == "connected"
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def call(server, method, path, body, headers=MASTER):
    body = json.dumps(body) if isinstance(body, dict) else body
    status, answer = server.request(method, f"/parse{path}", body, headers)
    assert status in (200, 201), answer
    return answer


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "blue").save(buffer, "JPEG")
    return buffer.getvalue()


def save_picture(server):
    call(server, "PUT", "/config", {"params": ALL_IS_WELL})
    file = call(server, "POST", "/files/a.jpg", picture())
    image = {"__type": "File", "name": file["name"]}
    return call(server, "POST", "/classes/UserImage", {"image": image}, KEYS)["objectId"]


def assert_turns_approved(client, image_id, timeout_s=30):
    """The event comes within a second of the decision that it tells of."""
    event = client.hear(timeout_s)
    heard = datetime.now(UTC)
    assert (event["op"], event["object"]["objectId"]) == ("enter", image_id)
    assert event["object"]["isSafe"] is True
    assert "_imageDecision" not in event["object"]
    decided = datetime.fromisoformat(event["object"]["updatedAt"])
    assert (heard - decided).total_seconds() < 1


def test_an_app_sees_its_image_turn_approved_out_of_the_box(start_server, connect):
    server = start_server().wait_until_healthy()
    client = connect(server)
    assert client.subscribe("UserImage", {"isSafe": True})["op"] == "subscribed"
    image_id = save_picture(server)
    assert_turns_approved(client, image_id)


def test_every_web_process_tells_its_clients_without_redis(start_server, connect):
    server = start_server(WEB_WORKERS=2, CLASSIFY_PERMITS=2, LIVE_QUERY_CLASSES="Note")
    server.wait_until_healthy()
    clients = _clients_of_each_process(server, connect)
    for client in clients:
        client.subscribe("Note")
    for n in range(20):
        call(server, "POST", "/classes/Note", {"n": n})
    for client in clients:
        assert sorted(shown["n"] for _, shown in client.events(20)) == list(range(20))


def _clients_of_each_process(server, connect):
    """The kernel chooses who serves a connection, so there are as many as it takes."""
    clients = [connect(server)]
    while not all(_connections(worker, server.port) for worker in server.process.children()):
        assert len(clients) < 200
        clients.append(connect(server))
    return clients


def _connections(worker, port):
    found = worker.net_connections("tcp")
    return [c for c in found if c.status == "ESTABLISHED" and c.laddr.port == port]


def test_servers_and_workers_on_one_redis_hear_each_other(
    start_server, start_worker, connect, redis, mongo_uri, tmp_path
):
    shared = {"DATABASE_URI": mongo_uri("nx", tmp_path.name), "CELERY_BROKER_URL": redis.url}
    first = start_server(tmp_path / "first", **shared).wait_until_healthy()
    second = start_server(tmp_path / "second", **shared).wait_until_healthy()
    start_worker(**shared)
    client = connect(second)
    client.subscribe("UserImage", {"isSafe": True})
    everything = connect(second, masterKey="myMasterKey")
    everything.subscribe("UserImage")
    image_id = save_picture(first)
    assert everything.hear()["op"] == "create"
    assert_turns_approved(client, image_id, timeout_s=60)


def test_clients_are_told_when_the_server_ends(start_server, connect):
    server = start_server().wait_until_healthy()
    client = connect(server)
    client.subscribe("UserImage")
    server.process.terminate()
    assert client.closing_code(timeout_s=20) == 1012
    assert server.process.wait(timeout=20) == 0
    assert "WebSocket" not in server.log.read_text()


def test_a_killed_web_process_leaves_nothing_that_stops_the_others(start_server, connect):
    server = start_server(WEB_WORKERS=2, CLASSIFY_PERMITS=2, LIVE_QUERY_CLASSES="Note")
    server.wait_until_healthy()
    clients = _clients_of_each_process(server, connect)
    for client in clients:
        client.subscribe("Note")
    server.process.children()[0].kill()
    time.sleep(0.5)
    call(server, "POST", "/classes/Note", {"n": 1})
    alive = [client for client in clients if client.is_open()]
    assert alive
    for client in alive:
        assert client.hear()["object"]["n"] == 1
