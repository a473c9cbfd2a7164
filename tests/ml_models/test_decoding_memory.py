"""What decoding a large picture may take of memory: little more than its pixels, and never all."""

import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from running_server import REPOSITORY

PIXELS = (4000, 3000)
pillow_heif.register_heif_opener()

# Bytes for each pixel, from docs/performance.md, and for what a process takes besides.
MOST = {"JPEG": 4, "PNG": 7, "GIF": 7, "BMP": 8, "TIFF": 11, "AVIF": 10, "HEIF": 9, "WEBP": 9}
BESIDES = 45_000_000

PEAK = """
import resource, sys
from ml_models.images import PixelBuffer, decode, resize
from ml_models.fingerprint import fingerprint
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
pixels = decode(open(sys.argv[1], "rb").read(), 50_000_000, PixelBuffer())
fingerprint(pixels)
resize(pixels, 224)
print(peak() - before)
"""

TOO_MUCH = """
from ml_models.child import limit_memory
from ml_models.errors import DecodeError
from ml_models.images import decode
import sys
data = open(sys.argv[1], "rb").read()
limit_memory(80_000_000)
try:
    decode(data, 50_000_000)
except DecodeError as error:
    print("refused", error)
"""


def run(code, path):
    result = subprocess.run(
        [sys.executable, "-c", code, path],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write one large picture in a format, with transparency where there is such a thing."""
    width, height = PIXELS
    x, y = np.arange(width), np.arange(height)[:, np.newaxis]
    layers = [(x + y) % 256, x // 7 + 0 * y, y // 5 + 0 * x, 255 - x // 16 + 0 * y]
    image = Image.fromarray(np.stack(layers, axis=-1).astype(np.uint8))

    def write(format):
        path = tmp_path_factory.mktemp("large") / f"picture.{format.lower()}"
        flat = image if format in ("PNG", "WEBP") else image.convert("RGB")
        flat.save(path, format, **({"quality": 30} if format in ("WEBP", "AVIF", "HEIF") else {}))
        return path

    return write


@pytest.mark.parametrize("format", MOST)
def test_a_large_picture_takes_little_more_than_its_pixels(large, format):
    taken = int(run(PEAK, large(format)))
    assert taken <= MOST[format] * PIXELS[0] * PIXELS[1] + BESIDES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process maps")
@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_what_would_take_more_than_allowed_is_an_error_of_ours(large, format):
    assert run(TOO_MUCH, large(format)).startswith("refused")
