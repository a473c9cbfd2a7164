"""A loopback npm registry that carries the one package we use, counts its downloads, and can stall.

The real npm client talks to it, so these tests need no network and can say what was downloaded.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Registry:
    tarball: bytes
    bytes_per_s: float | None = None
    stop_after: int | None = None
    url: str = ""
    downloads: int = 0
    sent: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def packument(self) -> bytes:
        dist = {"tarball": f"{self.url}nsfwjs/-/nsfwjs-4.4.0.tgz"}
        version = {"name": "nsfwjs", "version": "4.4.0", "dist": dist}
        document = {
            "name": "nsfwjs",
            "dist-tags": {"latest": "4.4.0"},
            "versions": {"4.4.0": version},
        }
        return json.dumps(document).encode()


@contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_tarball = self.path.endswith(".tgz")
            body = registry.tarball if is_tarball else registry.packument()
            registry.downloads += is_tarball
            self.send_response(200)
            self.send_header(
                "Content-Type", "application/octet-stream" if is_tarball else "application/json"
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                _send(self, body, registry) if is_tarball else self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client was killed

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        registry.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield registry
        finally:
            registry.stopped.set()
            server.shutdown()
            thread.join()


def _send(handler: BaseHTTPRequestHandler, body: bytes, registry: Registry) -> None:
    for at in range(0, len(body), 1 << 16):
        if registry.stop_after is not None and at >= registry.stop_after:
            registry.stopped.wait(60)  # a dead line: connected, but nothing arrives any more
            return
        handler.wfile.write(body[at : at + (1 << 16)])
        registry.sent = at + (1 << 16)
        if registry.bytes_per_s:
            time.sleep((1 << 16) / registry.bytes_per_s)
