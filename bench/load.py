"""A bounded load over plain sockets: as little work for the client as can be, for it takes its
share of the same cores. Run as a process of its own; prints one JSON line."""

import json
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

from unique import with_comment


class Client(threading.Thread):
    """One connection kept open, one request after the other until the time is up."""

    def __init__(self, port, jpeg, first_number, deadline, by_url):
        super().__init__()
        self.port, self.jpeg, self.deadline, self.by_url = port, jpeg, deadline, by_url
        self.number = first_number
        self.latencies_ms, self.errors = [], 0

    def run(self):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.monotonic() < self.deadline:
                started = time.monotonic()
                ok = self.request(connection)
                self.latencies_ms.append((time.monotonic() - started) * 1000)
                self.errors += not ok
                self.number += 1

    def request(self, connection):
        parts = self.by_url_parts() if self.by_url else self.upload_parts()
        send_parts(connection, parts)
        return read_answer(connection).startswith(b"HTTP/1.1 200")

    def upload_parts(self):
        parts = with_comment(self.jpeg, self.number)
        head = (
            "POST /api/image/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            f"Content-Length: {sum(map(len, parts))}\r\n\r\n"
        )
        return [head.encode(), *parts]

    def by_url_parts(self):
        body = json.dumps({"url": f"{self.by_url}/{self.number}.jpg"}).encode()
        head = (
            "POST /parse/functions/nsfwImageClassify HTTP/1.1\r\nHost: localhost\r\n"
            "X-Parse-Application-Id: myAppId\r\nX-Parse-REST-API-Key: myRestKey\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return [head.encode() + body]


def send_parts(connection, parts):
    """Send all parts, with one call as far as the socket takes them."""
    sent = connection.sendmsg(parts)
    for part in parts:
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
        sent = max(0, sent - len(part))


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or _closed()
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536) or _closed()
    return head


def _closed():
    raise ConnectionError("the server closed the connection")


def run(clients):
    """Let all clients run to their deadline; return what they measured together."""
    started = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    elapsed = time.monotonic() - started
    latencies = sorted(ms for client in clients for ms in client.latencies_ms)
    errors = sum(client.errors for client in clients)
    cuts = statistics.quantiles(latencies, n=100, method="inclusive") if len(latencies) > 1 else []
    return {
        "requests": len(latencies),
        "errors": errors,
        "per_second": (len(latencies) - errors) / elapsed,
        "p50_ms": cuts[49] if cuts else latencies[0],
        "p95_ms": cuts[94] if cuts else latencies[0],
        "p99_ms": cuts[98] if cuts else latencies[0],
    }


def main(port, jpeg_path, concurrency, seconds, first_number, by_url=""):
    jpeg = Path(jpeg_path).read_bytes()
    deadline = time.monotonic() + float(seconds)
    clients = [
        Client(int(port), jpeg, int(first_number) + n * 1_000_000, deadline, by_url)
        for n in range(int(concurrency))
    ]
    print(json.dumps(run(clients)))


if __name__ == "__main__":
    main(*sys.argv[1:])
