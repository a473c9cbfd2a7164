"""What one request may take of memory, whatever is stored: measured where it is answered."""

import json
import sys
from bisect import bisect
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from image_host import KEYS, MASTER

from server.storage.port import ClassSchema, ColumnType
from server.storage.sqlite.database import SqliteDatabase

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MOST = 250_000_000
SMILE = "😀"
# By name: how many objects, and what stands in the column of each.
STORED = {
    "texts of 8 MB": (20, "x" * 8_000_000),
    "a text of 15 MB": (2, "x" * 15_000_000),
    "texts with a smile": (30, "x" * 2_000_000 + SMILE),
    "a text of 15 MB with a smile": (2, "x" * 15_000_000 + SMILE),
    "texts in Chinese": (60, "文" * 1_000_000),
    "small numbers": (40, [1] * 200_000),
    "fractions": (40, [0.5] * 200_000),
    "large whole numbers": (40, [1e20] * 100_000),
    "empty lists": (40, [[]] * 100_000),
    "empty objects": (40, [{}] * 100_000),
    "lists of one number": (40, [[0]] * 100_000),
    "small objects": (40, [{"a": 0}] * 50_000),
    "short texts": (40, ["ab"] * 100_000),
    "many names": (40, {f"n{number}": None for number in range(100_000)}),
    "dates": (40, [NOW] * 50_000),
    "five million values in one": (2, [0] * 5_000_000),
    "a thousand small": (1000, "word " * 200),
    "a thousand of 10 KB": (1000, {f"name{n}": ["some words", n / 7, True] for n in range(230)}),
}
# The others take minutes: `make security` asks them all.
_USUALLY = ("texts in Chinese", "a thousand of 10 KB")
CALLS = {
    "find": ("/classes/Large", {"limit": 1000}),
    "sorted": ("/classes/Large", {"limit": 1000, "order": "value.x"}),
    "names": ("/classes/Large", {"limit": 1000, "keys": "value"}),
    "included": ("/classes/Pointing", {"limit": 1000, "include": "large"}),
    "inside": ("/classes/Pointing", {"where": json.dumps({"value": {"$select": {
        "query": {"className": "Large", "where": {}}, "key": "value"}}})}),
    "pipeline": ("/aggregate/Large", {"pipeline": "[]"}),
    "distinct": ("/aggregate/Large", {"distinct": "value"}),
    "group": ("/aggregate/Large", {"pipeline": json.dumps(
        [{"$group": {"objectId": None, "all": {"$push": "$value"}}}])}),
}  # fmt: skip


def fill(folder, count, value):
    """Store the objects, the first as what a thousand others point to."""
    folder.mkdir()
    database = SqliteDatabase(folder)
    large = ClassSchema("Large", {"value": ColumnType(_kind(value))})
    pointing = ClassSchema("Pointing", {"large": ColumnType("Pointer", "Large")})
    times = {"createdAt": NOW, "updatedAt": NOW}
    for schema in (large, pointing):
        database.schemas.create(schema)
    for number in range(count):
        database.objects.insert(large, {"objectId": f"id{number}", **times, "value": value})
    to_first = {"__type": "Pointer", "className": "Large", "objectId": "id0"}
    for number in range(1000):
        row = {"objectId": f"id{number}", **times, "large": to_first}
        database.objects.insert(pointing, row)
    database.close()


def _kind(value):
    return {str: "String", list: "Array", dict: "Object"}[type(value)]


class Watched:
    """The web process of a server, and the most memory that calls take in it."""

    def __init__(self, server):
        self.server = server
        workers = server.process.children(recursive=True)
        self.process = next(p for p in workers if self._serves(p))

    def _serves(self, process):
        return any(c.laddr.port == self.server.port for c in process.net_connections("tcp"))

    def ask(self, path, params):
        path = f"/parse{path}?{urlencode(params)}"
        status, body = self.server.request("GET", path, headers={**KEYS, **MASTER})
        return status, body.get("code"), len(body.get("results", ()))

    def peak_of(self, path, params):
        """The peak of a call, and how it was answered."""
        folder = Path("/proc") / str(self.process.pid)
        (folder / "clear_refs").write_text("5")  # begins to look for the peak anew
        answer = self.ask(path, params)
        status = (folder / "status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024, answer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak")
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=[] if one in _USUALLY else [pytest.mark.full]) for one in STORED],
)
def test_no_request_takes_more_than_250_megabytes(start_server, tmp_path, name):
    fill(tmp_path / "data", *STORED[name])
    watched = Watched(start_server(WEB_WORKERS=1, CLASSIFY_PERMITS=1).wait_until_healthy())
    for _ in range(5):
        watched.ask("/classes/Pointing", {"limit": 1})
    idle = psutil.Process(watched.process.pid).memory_info().rss
    calls = dict(CALLS)
    counts = range(1, STORED[name][0] + 1)
    most = bisect(counts, 0, key=lambda n: watched.ask("/classes/Large", {"limit": n})[0] != 200)
    calls["the most"] = ("/classes/Large", {"limit": most})
    for call, (path, params) in calls.items():
        peak, (status, code, count) = watched.peak_of(path, params)
        assert (status, code) in ((200, None), (400, 102)), call
        assert peak - idle < MOST, (call, peak - idle, status, count)
    assert most == 1000 or not name.startswith("a thousand")
