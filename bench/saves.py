"""Uploads as apps make them: how many saves a second, and how soon each image is decided.

Threads of the server beside a worker that Celery and Redis tell of the images, both on the embedded
database and on all cores. A client uploads a JPEG of one megapixel, with bytes of its own, and
saves an object with it. Prints one Markdown table with two measurements a line:

- at full load each client goes on as soon as it is answered: saves (each with its upload) and
  decisions a second, the latter until the last image is decided;
- one by one, each client saves a single image at the same moment as the others, and again once all
  are decided: the time from the save to the decision, without a queue but for the others.

The times are the database's: the object's createdAt, and that of its ModerationDecision.
"""

import http.client
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from parse import MASTER, started
from pictures import mosaic
from unique import with_comment

from bench import CONCURRENCIES, CORES, MODELS_DIR, REPOSITORY, free_port

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
# So many images one by one, by however many clients: the 95th percentile is then no single image.
SINGLES = int(os.environ.get("BENCH_SINGLES", "100"))
POLICY = {"moderationAutomation": True, "moderationScores": {"Porn": {"min": 0.4, "max": 0.8}}}
JPEG = mosaic(1224, 816)
numbers = itertools.count(1)


def main():
    kinds = ["threads", "Celery"]
    if shutil.which("redis-server") is None:
        print("\nredis-server is not installed, so Celery is left out.")
        kinds.remove("Celery")
    print(f"\nSaves of 1 MP, {len(JPEG) // 1024} KB; {CORES} cores, clients and Redis included.\n")
    print(
        "| clients | judged by | saves/s | decisions/s | save to decision, p50 ms | p95 ms "
        "| at full load, p50 s | p95 s |\n|--:|---|--:|--:|--:|--:|--:|--:|"
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parsewarden-bench-")))
        ports = {kind: stack.enter_context(installation(folder / kind, kind)) for kind in kinds}
        for clients, kind in itertools.product(CONCURRENCIES, kinds):
            print(row(ports[kind], clients, kind), flush=True)


def row(port, clients, kind):
    """Measure both ways, and return the line."""
    single_s = one_by_one(port, clients)
    saves_per_second, decisions_per_second, loaded_s = full_load(port, clients)
    quick, slow = percentiles(single_s)
    cells = [clients, kind, f"{saves_per_second:.1f}", f"{decisions_per_second:.1f}"]
    cells += [f"{1000 * quick:.0f}", f"{1000 * slow:.0f}"]
    cells += [f"{seconds:.2f}" for seconds in percentiles(loaded_s)]
    return "| " + " | ".join(map(str, cells)) + " |"


def one_by_one(port, count):
    """Seconds from save to decision, of rounds in which each client saves once."""
    waited_s = []
    for _ in range(-(-SINGLES // count)):
        saved = in_threads(port, count, Client.save_once)
        waited_s += waits(saved, decisions(port, saved))
    return waited_s


def full_load(port, count):
    """Saves a second, decisions a second, and each decision's seconds."""
    started_at = time.monotonic()
    saved = in_threads(port, count, lambda client: client.save_until(started_at + SECONDS))
    took_s = time.monotonic() - started_at
    decided = decisions(port, saved)
    last, first = max(decided.values()), min(saved.values())
    return len(saved) / took_s, len(saved) / (last - first), waits(saved, decided)


class Client:
    """One connection, kept open."""

    def __init__(self, port):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.saved = {}

    def save_once(self):
        """Upload a picture and save an object with it."""
        data = b"".join(with_comment(JPEG, next(numbers)))
        file = self.ask("POST", "/files/a.jpg", data)
        image = {"image": {"__type": "File", "name": file["name"]}}
        answer = self.ask("POST", "/classes/UserImage", json.dumps(image))
        self.saved[answer["objectId"]] = seconds(answer["createdAt"])

    def save_until(self, deadline):
        while time.monotonic() < deadline:
            self.save_once()

    def find(self, class_name, where, options):
        return self.ask("GET", f"/classes/{class_name}?{options}&where={quote(json.dumps(where))}")

    def ask(self, method, path, body=None):
        self._connection.request(method, f"/parse{path}", body, MASTER)
        answer = self._connection.getresponse()
        found = json.loads(answer.read())
        if answer.status not in (200, 201):
            sys.exit(f"{method} {path}: {found}")
        return found


def in_threads(port, count, do):
    """Have so many clients save at the same time; what they saved, and when."""
    clients = [Client(port) for _ in range(count)]
    threads = [threading.Thread(target=do, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {object_id: at for client in clients for object_id, at in client.saved.items()}


def decisions(port, saved):
    """When each saved image was decided, once all are. Asks seldom: that takes time from them."""
    client = Client(port)
    for waits_for in ({"state": "pending"}, {"unsettled": {"$exists": True}}):
        while client.find("ModerationItem", waits_for, "limit=0&count=1")["count"]:
            time.sleep(0.05)
    first = datetime.fromtimestamp(min(saved.values()), UTC).isoformat()
    since = {"createdAt": {"$gte": {"__type": "Date", "iso": first}}}
    decided, page = {}, None
    while page is None or len(page) == 1000:
        paging = f"order=createdAt,objectId&limit=1000&skip={len(decided)}&keys=subjectId"
        page = client.find("ModerationDecision", since, paging)["results"]
        decided |= {found["subjectId"]: seconds(found["createdAt"]) for found in page}
    return {object_id: decided[object_id] for object_id in saved}


def waits(saved, decided):
    return [decided[object_id] - at for object_id, at in saved.items()]


def percentiles(values):
    """The median, and what one in twenty is above."""
    return statistics.median(values), sorted(values)[int(len(values) * 0.95)]


def seconds(iso):
    return datetime.fromisoformat(iso).timestamp()


@contextmanager
def installation(folder, kind):
    """A server's port; with Celery also a Redis, and a worker that does the judging."""
    folder.mkdir()
    port = free_port()
    environment = os.environ | {
        "PORT": str(port),
        "DATA_DIR": str(folder),
        "MODELS_DIR": str(MODELS_DIR),
        "DATABASE_URI": "",
    }
    with ExitStack() as stack:
        if kind == "Celery":
            environment["CELERY_BROKER_URL"] = stack.enter_context(redis(folder))
        command = [sys.executable, "-m", "server", "run"]
        options = {"cwd": REPOSITORY, "env": environment}
        stack.enter_context(started(command, port, folder / "server.log", **options))
        if kind == "Celery":
            stack.enter_context(worker(folder, options))
        client = Client(port)
        client.ask("PUT", "/config", json.dumps({"params": POLICY}))
        client.save_once()
        decisions(port, client.saved)
        yield port


@contextmanager
def redis(folder):
    port = free_port()
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with started(command, port, folder / "redis.log", cwd=folder):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def worker(folder, options):
    """A worker that hears from the broker, until the end of the block."""
    heartbeat, log = folder / "heartbeat", folder / "worker.log"
    command = [sys.executable, "-m", "server", "worker", "--heartbeat", heartbeat]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
    try:
        while not heartbeat.exists():
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
