"""Uploads are judged while callers who classify by URL or bytes take all there is."""

import threading
import time

import pytest
from image_host import KEYS, MASTER, noise
from parse_app import outcome

CLASSIFY = "/api/image/classify"


@pytest.fixture
def parse(make_parse):
    """A server with room for two calls that classify."""
    return make_parse(classify_permits=1, classify_max_waiting=1, image_fetch_timeout=5.0)


@pytest.fixture
def occupied(parse, image_host):
    """All that room is taken by fetches that take five seconds."""
    client = parse.client.application.test_client
    url = f"{CLASSIFY}?url={image_host}/slow"
    threads = [threading.Thread(target=client().get, args=[url]) for _ in range(2)]
    for thread in threads:
        thread.start()
    while client().post(CLASSIFY, data=noise(1)).status_code != 503:
        time.sleep(0.01)
    yield threads
    for thread in threads:
        thread.join()


def test_an_upload_is_judged_while_others_fetch(parse, occupied):
    (file,) = [parse.client.post("/parse/files/a.jpg", data=noise(2), headers=MASTER).json]
    body = {"image": {"__type": "File", "name": file["name"]}}
    saved = parse.post("/classes/UserImage", body, KEYS)
    assert outcome(saved) == (201, None)
    path = f"/classes/UserImage/{saved.json['objectId']}"
    while not parse.get(path).json["moderationRequired"]:
        assert all(thread.is_alive() for thread in occupied)
        time.sleep(0.05)
