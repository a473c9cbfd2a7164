"""What becomes of a server that is asked four times what it can do.

First the peak: four clients, each with its next request as soon as it has an answer. Then requests
come at four times that rate, whoever is answered or not. Prints one Markdown table: answers that
classify a second (goodput) and their share of the peak, how soon the others are told that the
server is busy, and how long `/health` takes meanwhile. All share the same cores.
"""

import http.client
import itertools
import os
import queue
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from load import read_answer, send_parts
from pictures import mosaic
from unique import with_comment

from bench import CORES, running_server

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
TIMES = 4
CLIENTS = 300
numbers = itertools.count(1)


class Caller(threading.Thread):
    """One connection: takes a moment from the line, sends an image then, notes what came of it."""

    def __init__(self, port, jpeg, line, notes):
        super().__init__(daemon=True)
        self.port, self.jpeg, self.line, self.notes = port, jpeg, line, notes

    def run(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (due := self.line.get()) is not None:
                parts = with_comment(self.jpeg, next(numbers))
                head = (
                    "POST /api/image/classify HTTP/1.1\r\nHost: localhost\r\n"
                    f"Content-Length: {sum(map(len, parts))}\r\n\r\n"
                )
                send_parts(connection, [head.encode(), *parts])
                status = read_answer(connection).split(b" ", 2)[1]
                self.notes.append((status, time.monotonic() - due))


def send(port, jpeg, per_second, clients):
    """Requests at this rate (None: one after the other) for SECONDS; what came of them."""
    line, notes = queue.Queue(), []
    callers = [Caller(port, jpeg, line, notes) for _ in range(clients)]
    for caller in callers:
        caller.start()
    began = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < began + SECONDS:
        wanted = (now - began) * per_second if per_second else len(notes) + clients
        while sent < wanted:
            line.put(now)
            sent += 1
        time.sleep(0.001)
    in_time = list(notes)
    for _ in callers:
        line.put(None)
    for caller in callers:
        caller.join(60)
    return in_time


def ask_health(port, seconds, until):
    while not until.wait(0.1):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        began = time.monotonic()
        connection.request("GET", "/health")
        connection.getresponse().read()
        seconds.append(time.monotonic() - began)
        connection.close()


def main():
    jpeg = mosaic(400, 300)
    with tempfile.TemporaryDirectory(prefix="parsewarden-bench-") as folder:
        picture = Path(folder) / "first.jpg"
        picture.write_bytes(jpeg)
        with running_server("MobileNetV2Mid", Path(folder) / "data", picture) as started:
            port = started[1]
            peak = goodput(send(port, jpeg, None, 4))
            health, over = [], threading.Event()
            asker = threading.Thread(target=ask_health, args=[port, health, over])
            asker.start()
            notes = send(port, jpeg, TIMES * peak, CLIENTS)
            over.set()
            asker.join()
    busy = sorted(seconds * 1000 for status, seconds in notes if status == b"503")
    odd = {status for status, _ in notes} - {b"200", b"503"}
    if odd:
        sys.exit(f"unexpected answers: {odd}")
    good = goodput(notes)
    print(
        f"\nRequests at {TIMES} times the peak, {len(jpeg) // 1024} KB each; {CORES} cores, load "
        "included.\n\n| peak/s | offered/s | goodput/s | share of the peak | told busy, p50 ms "
        "| p95 ms | /health, most ms |\n|--:|--:|--:|--:|--:|--:|--:|"
    )
    cuts = statistics.quantiles(busy, n=20)
    print(
        f"| {peak:.0f} | {TIMES * peak:.0f} | {good:.0f} | {good / peak:.2f} | {cuts[9]:.0f} "
        f"| {cuts[18]:.0f} | {max(health) * 1000:.0f} |"
    )


def goodput(notes):
    return sum(status == b"200" for status, _ in notes) / SECONDS


if __name__ == "__main__":
    main()
