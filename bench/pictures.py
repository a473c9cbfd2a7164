"""The pictures of the benchmarks: mosaics of real photographs, at full resolution, as JPEG."""

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
