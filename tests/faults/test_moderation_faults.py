"""Moderation in real processes that are killed, stopped, or started without a model."""

import http.client
import io
import json
import random
import signal
import threading
import time
from collections import Counter

import numpy as np
import psutil
import pytest
from PIL import Image

MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
POLICY = {
    "moderationAutomation": True,
    "moderationScores": {"Drawing": {"min": 0.2, "max": 0.6}, "Porn": {"min": 0.05, "max": 0.3}},
}
FLAGS = {"approved": "isSafe", "rejected": "deleted", "review": "moderationRequired"}
DONE = {*FLAGS, "ended"}


def call(server, method, path, body, headers=KEYS):
    """One call that must succeed."""
    status, answer = server.request(method, f"/parse{path}", json.dumps(body), headers)
    assert status in (200, 201), answer
    return answer


def rows(server, class_name):
    found, page = [], None
    while page is None or len(page) == 1000:
        query = f"?limit=1000&order=createdAt&skip={len(found)}"
        _, answer = server.request("GET", f"/parse/classes/{class_name}{query}", None, MASTER)
        page = answer["results"]
        found += page
    return found


def upload(server, data):
    status, answer = server.request("POST", "/parse/files/a.jpg", data, MASTER)
    assert status == 201, answer
    return {"__type": "File", "name": answer["name"]}


def picture(seed):
    """A small PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def images(server, count):
    return [upload(server, picture(seed)) for seed in range(count)]


def is_at_rest(server):
    """Nothing is unsettled, and what is pending has no object that shows it."""
    shown = {(row["objectId"], row["image"]["name"]) for row in rows(server, "UserImage")}
    for item in rows(server, "ModerationItem"):
        is_shown = (item["subjectId"], item["fileName"]) in shown
        if "unsettled" in item or (is_shown and item["state"] not in DONE):
            return False
    return True


def wait_until_at_rest(server, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while not is_at_rest(server):
        assert time.monotonic() < deadline, server.log.read_text()[-3000:]
        time.sleep(0.5)


def check_the_books(server, acknowledged):
    """Each acknowledged image is in one state, that its log explains and its object shows."""
    objects = {row["objectId"]: row for row in rows(server, "UserImage")}
    items, logs = rows(server, "ModerationItem"), {}
    for decision in rows(server, "ModerationDecision"):
        logs.setdefault(decision["item"]["objectId"], []).append(decision)
    for item in items:
        log = sorted(logs.get(item["objectId"], []), key=lambda row: row["number"])
        assert [row["number"] for row in log] == list(range(1, item["transitions"] + 1))
        path = [row["before"] for row in log] + [item["state"]]
        assert path == ["pending", *(row["after"] for row in log)]
    assert acknowledged <= objects.keys()
    for object_id, row in objects.items():
        current = [
            item
            for item in items
            if item["subjectId"] == object_id and item["state"] not in ("ended", "pending")
        ]
        assert len(current) == 1, (row, [i for i in items if i["subjectId"] == object_id])
        (item,) = current
        assert item["fileName"] == row["image"]["name"]
        flags = {name: row[name] for name in FLAGS.values()}
        assert flags == {name: state == item["state"] for state, name in FLAGS.items()}
        if row["isSafe"]:
            judged = logs[item["objectId"]][-1]
            assert judged["predictions"] or judged["decidedBy"] == "master key"
    return Counter(item["state"] for item in items)


def kill(server):
    """`kill -9` of the server and all its processes, at once."""
    family = server.family()
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)


class Clients:
    """Clients that save, replace and decide until told to stop, whatever becomes of the server."""

    def __init__(self, server, files, count):
        self.server, self.files = server, files
        self.saved, self.decided = [], []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        dice = random.Random(seed)
        while not self.stopping.is_set():
            try:
                self.save_one(dice)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)  # the server is away: what was in flight was not acknowledged

    def save_one(self, dice):
        image = {"image": dice.choice(self.files)}
        if not self.saved or dice.random() < 0.6:
            self.saved.append(call(self.server, "POST", "/classes/UserImage", image)["objectId"])
            return
        path = f"/classes/UserImage/{dice.choice(self.saved)}"
        if dice.random() < 0.6:
            call(self.server, "PUT", path, image)
            self.saved.append(path.rpartition("/")[2])
        else:
            ruling = {dice.choice(["isSafe", "deleted"]): True}
            status, _ = self.server.request("PUT", f"/parse{path}", json.dumps(ruling), MASTER)
            self.decided += [path] if status == 200 else []

    def wait_for(self, saves):
        deadline = time.monotonic() + 60
        while len(self.saved) < saves:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.slow
def test_whatever_is_killed_every_acknowledged_image_is_judged_once(start_server):
    server = start_server(WEB_WORKERS=2, CLASSIFY_PERMITS=2).wait_until_healthy()
    call(server, "PUT", "/config", {"params": POLICY}, MASTER)
    clients = Clients(server, images(server, 30), count=4)
    dice = random.Random()
    try:
        for kills in range(5):
            clients.wait_for(40 * (kills + 1))
            time.sleep(dice.random())
            if kills % 2:  # one of the workers and classifiers
                dice.choice(server.family()[1:]).kill()
                continue
            kill(server)
            server = start_server(PORT=server.port, WEB_WORKERS=2, CLASSIFY_PERMITS=2)
            clients.server = server.wait_until_healthy()
        clients.wait_for(200)
    finally:
        clients.stop()
    wait_until_at_rest(server)
    states = check_the_books(server, set(clients.saved))
    assert states["approved"] + states["rejected"] + states["review"] >= 100
    assert clients.decided


@pytest.mark.slow
def test_a_stopped_server_finishes_what_runs_and_the_next_does_the_rest(start_server):
    server = start_server().wait_until_healthy()
    call(server, "PUT", "/config", {"params": POLICY}, MASTER)
    files = images(server, 40)
    saved = {call(server, "POST", "/classes/UserImage", {"image": f})["objectId"] for f in files}
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0
    assert "Traceback" not in server.log.read_text()
    server = start_server(PORT=server.port).wait_until_healthy()
    wait_until_at_rest(server, timeout_s=20)  # no lease was left behind
    check_the_books(server, saved)


@pytest.mark.slow
def test_without_a_model_images_wait_and_are_judged_once_there_is_one(start_server, tmp_path):
    server = start_server(MODELS_DIR=tmp_path / "empty").wait_until_healthy(expected=503)
    call(server, "PUT", "/config", {"params": POLICY}, MASTER)
    file = upload(server, picture(1))
    saved = {call(server, "POST", "/classes/UserImage", {"image": file})["objectId"]}
    time.sleep(3)
    (row,) = rows(server, "UserImage")
    assert not any(row[name] for name in FLAGS.values())
    (item,) = rows(server, "ModerationItem")
    assert (item["state"], item["attempts"]) == ("pending", 0)
    assert item["problem"]
    kill(server)
    server = start_server(PORT=server.port).wait_until_healthy()
    wait_until_at_rest(server)
    check_the_books(server, saved)
