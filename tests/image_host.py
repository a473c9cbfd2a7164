"""What tests of the app share: its development keys, pictures, and a real image host."""

import io
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
ASTRONAUT = (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


def noise(seed, size=(64, 48)):
    """A small JPEG that no other test has classified."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


class ImageHost(BaseHTTPRequestHandler):
    """Answers by path: an image, an error, something slow, something else."""

    requests: list[str] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self):
        self.requests.append(self.path)
        route = getattr(self, f"serve_{self.path.split('?')[0].strip('/').replace('.', '_')}", None)
        if route is None:
            self.send_error(404)
        else:
            route()

    def answer(self, body, content_type="image/png", status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": content_type, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve_astronaut_png(self):
        self.answer(ASTRONAUT)

    def serve_text_txt(self):
        self.answer(b"no image at all", "text/plain")

    def serve_truncated_png(self):
        self.answer(ASTRONAUT[: len(ASTRONAUT) // 2])

    def serve_empty_jpg(self):
        self.answer(b"")

    def serve_large_bin(self):
        self.answer(bytes(300_000))

    def serve_broken(self):
        self.send_error(500)

    def serve_inside(self):
        self.answer(b"", status=302, Location="http://169.254.169.254/latest/meta-data/")

    def serve_slow(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(100):
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *args):
        pass
