"""What the fault tests ask of a running server, and pictures whose verdicts are known before."""

import io
import itertools
import json
import time
from urllib.parse import quote

from PIL import Image

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}

POLICY = {
    "moderationAutomation": True,
    "moderationScores": {"Drawing": {"min": 0.038, "max": 0.07}, "Porn": {"min": 0.3, "max": 0.6}},
}
# What that policy makes of a picture of one colour: of "Drawing" MobileNetV2Mid finds 0.030 and
# 0.025, 0.046 and 0.048, 0.096 and 0.192.
VERDICTS = {
    "blue": "approved",
    "black": "approved",
    "green": "review",
    "gray": "review",
    "tan": "rejected",
    "orange": "rejected",
}
COLOURS = list(VERDICTS)
FLAGS = {"approved": "isSafe", "rejected": "deleted", "review": "moderationRequired"}

_seeds = itertools.count()


def picture(colour, seed=None):
    """A JPEG of one colour, without detail to be known again by; each seed has bytes of its own."""
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue() + (next(_seeds) if seed is None else seed).to_bytes(6, "big")


def verdict_on(file_name):
    """What the rules must say of a file that `upload` stored."""
    return VERDICTS[file_name.rpartition("_")[2].removesuffix(".jpg")]


def ask(server, method, path, body=None, headers=KEYS):
    """Status and answer of one call below /parse."""
    if isinstance(body, dict):
        body = json.dumps(body)
    return server.request(method, f"/parse{path}", body, headers)


def call(server, method, path, body=None, headers=KEYS):
    """The answer of a call that must succeed."""
    status, answer = ask(server, method, path, body, headers)
    assert status in (200, 201), answer
    return answer


def set_policy(server):
    call(server, "PUT", "/config", {"params": POLICY}, MASTER)


def upload(server, colour="blue", data=None):
    """Store a picture; returns the column's value."""
    stored = call(server, "POST", f"/files/{colour}.jpg", data or picture(colour), MASTER)
    return {"__type": "File", "name": stored["name"]}


def save(server, colour="blue"):
    """Save an object with a picture of its own; returns its objectId."""
    image = upload(server, colour)
    return call(server, "POST", "/classes/UserImage", {"image": image})["objectId"]


def find(server, class_name, **where):
    """All objects of a class that are so, however many there are."""
    found, last = [], ""
    while True:
        page = _page(server, class_name, {"$and": [where, {"objectId": {"$gt": last}}]})
        found += page
        if len(page) < 1000:
            return found
        last = page[-1]["objectId"]


def _page(server, class_name, where):
    query = f"?limit=1000&order=objectId&where={quote(json.dumps(where))}"
    return call(server, "GET", f"/classes/{class_name}{query}", None, MASTER)["results"]


def count(server, class_name, **where):
    """How many objects of a class are so."""
    query = f"?count=1&limit=0&where={quote(json.dumps(where))}"
    return call(server, "GET", f"/classes/{class_name}{query}", None, MASTER)["count"]


def wait_until(is_so, timeout_s=30, every_s=0.1, explain=lambda: ""):
    """Return what `is_so` returns once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < deadline, explain()
        time.sleep(every_s)
    return found
