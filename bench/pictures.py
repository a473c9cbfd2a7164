"""The pictures of the benchmarks: mosaics of real photographs, at full resolution, as JPEG.

Each request carries its own comment segment, so no two have the same bytes and none is answered
from what is recorded; the pixels, and so the work, stay the same.
"""

import io
import itertools
from pathlib import Path

import skimage
import sklearn.datasets
from PIL import Image

PHOTOGRAPHS = [
    Path(sklearn.datasets.__file__).parent / "images" / "china.jpg",
    Path(sklearn.datasets.__file__).parent / "images" / "flower.jpg",
    Path(skimage.__file__).parent / "data" / "rocket.jpg",
    Path(skimage.__file__).parent / "data" / "coffee.png",
    Path(skimage.__file__).parent / "data" / "astronaut.png",
]

_SOI = b"\xff\xd8"
_COMMENT = b"\xff\xfe\x00\x0a"  # marker, and a length of ten: two for itself, eight of text


def mosaic(width_px: int, height_px: int) -> bytes:
    """A JPEG of that size, quality 85, of photographs side by side."""
    canvas = Image.new("RGB", (width_px, height_px))
    photographs = itertools.cycle(Image.open(path).convert("RGB") for path in PHOTOGRAPHS)
    for top in range(0, height_px, 400):
        for left in range(0, width_px, 500):
            canvas.paste(next(photographs).copy(), (left, top))
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def with_comment(jpeg: bytes, number: int) -> list[bytes]:
    """The same picture with a comment of its own, in parts that need no copy."""
    return [_SOI + _COMMENT + f"{number:08x}".encode(), memoryview(jpeg)[2:]]
