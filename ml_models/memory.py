"""How much memory one picture may take while it is decoded, and how much it will.

Owns the bound, the memory that is used again for the next picture, and the table by which a header
tells what a decoder takes at its peak. Allocates no pixel before the bound was asked.

What the table misses (a header that lies, a decoder that changes) meets the kernel's limit, which
`ml_models.child` sets to the same bound.
"""

import ctypes
import gc
import os
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml_models import jpeg
from ml_models.errors import DecodeError, TooMuchMemory

MAX_BYTES = 250_000_000

# A file is also in memory that both processes see, and in the web process, at worst as base64.
COPIES_ELSEWHERE = 2.5
_COPIES = 1 + COPIES_ELSEWHERE

# What decoding takes besides, whatever the picture: some of its rows at a time, blocks that malloc
# has in hand, a decoder's thread, and what libraries set up at their first use.
_BESIDES = 22_000_000

OUR_PIXEL = 3
"""Bytes of an RGB pixel of the result."""

_PAGE_BYTES: int = resource.getpagesize()

# Bytes that Pillow has for a pixel; four for all that is not here, RGB included.
_PILLOW_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
# And for a row: its address, and what fills it up to four bytes.
_PILLOW_ROW = 8 + 3

# libwebp's animation decoder: its canvas, that of the frame before, and the picture as bytes.
_ANIMATION_PIXEL = 12
ANIMATED_PIXEL = 4 + _ANIMATION_PIXEL
"""Bytes of a pixel of a WebP that moves, from the moment that Pillow opens it."""

# TIFF 6.0.
_BITS, _SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _TILE_ROWS = 258, 277, 278, 322, 323
# How far into a file its properties are looked for.
_PROPERTIES_WITHIN = 64 * 1024


class PixelBuffer:
    """Memory for one image's pixels, used again for the next: asking the kernel for it anew takes
    as long as a third of decoding. Holds the pixels of the last `decode` it was given to.

    `is_seen_through` says whether the background shows anywhere in them."""

    _KEPT_BYTES = 64 * 1024 * 1024

    def __init__(
        self, max_bytes: int = MAX_BYTES, limit: Callable[[int], None] = lambda _bytes: None
    ) -> None:
        """`max_bytes` is the most that a picture may take, its file in all processes included.

        `limit` is told before each picture what the process may take in all.
        """
        self._max_bytes, self._limit = max_bytes, limit
        self._idle_bytes = bytes_in_use()
        self._bytes = np.empty(0, np.uint8)
        self.is_seen_through = False

    def make_room(self, pixel_bytes: int, file_bytes: int) -> None:
        """See to it that so much can be allocated. Raises TooMuchMemory where it may not be."""
        needed = pixel_bytes + int(_COPIES * file_bytes) + _BESIDES
        if needed > self._max_bytes:
            raise TooMuchMemory(self._max_bytes, needed)
        kept = self._kept_bytes()
        if kept + needed > self._max_bytes:
            self._bytes = np.empty(0, np.uint8)
            gc.collect()  # an error's traceback may still hold an earlier picture
            _trim()
            kept = self._kept_bytes()
        # What malloc could not give back is not this picture's; its file is, which is here already.
        kept = min(max(0, kept - file_bytes), self._KEPT_BYTES)
        elsewhere = int(COPIES_ELSEWHERE * file_bytes)
        self._limit(self._idle_bytes + kept + self._max_bytes - elsewhere)

    def _kept_bytes(self) -> int:
        """What earlier pictures have left, in use or not."""
        return max(0, bytes_in_use() - self._idle_bytes)

    def refusal(self) -> TooMuchMemory:
        """The error for what was found out too late by `make_room`'s measure."""
        return TooMuchMemory(self._max_bytes)

    def shaped(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return [height, width, 3] of it, grown if need be; what is very large is not kept."""
        size = height * width * OUR_PIXEL
        if size > self._KEPT_BYTES:
            return np.empty((height, width, OUR_PIXEL), np.uint8)
        if size > self._bytes.size:
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size].reshape(height, width, OUR_PIXEL)


def bytes_with_pillow(image: Image.Image, data: bytes) -> int:
    """What it takes to have Pillow decode a picture that it has opened, and to make it RGB.

    As measured at 12 and 24 megapixels: what the decoder holds goes before our pixels come, but
    for AVIF's, which Pillow keeps.
    """
    pixels = image.width * image.height
    measure = _DECODERS.get(image.format or "")
    decoder = measure(image, data) if measure else 0.0
    held = pixels * _PILLOW_PIXEL.get(image.mode, 4) + image.height * _PILLOW_ROW
    return int(held + max(pixels * OUR_PIXEL, decoder))


def _avif(image: Image.Image, data: bytes) -> float:
    """libavif's planes and their borders, and ours beside them."""
    planes = max(map(_plane_bytes, data[:_PROPERTIES_WITHIN].split(b"av1C")[1:]), default=6.0)
    alpha = 1 + planes / 3 if image.mode == "RGBA" else 0
    return image.width * image.height * (OUR_PIXEL + 1 + planes + alpha)


def _plane_bytes(box: bytes) -> float:
    """Of a pixel, by an AV1CodecConfigurationBox (AV1 in ISOBMFF, 2.3.3)."""
    flags = int.from_bytes(box[2:3], "big")
    deep, grey, half_across, half_down = (bool(flags & 1 << bit) for bit in (6, 4, 3, 2))
    samples = 1 if grey else 1 + 2 / ((1 + half_across) * (1 + half_down))
    return samples * (2 if deep else 1)


def _heif(image: Image.Image, _data: bytes) -> float:
    """The planes twice while libde265 hands them to libheif, and RGB."""
    samples = 1.5 if image.info.get("chroma") in (400, 420) else 3
    planes = samples * (1 if image.info.get("bit_depth") == 8 else 2)
    per_pixel = max(4.0, 1 + 2 * planes) + (planes if image.mode == "RGBA" else 0)
    return image.width * image.height * per_pixel


def _webp(image: Image.Image, _data: bytes) -> float:
    return image.width * image.height * _ANIMATION_PIXEL


def _jpeg(_image: Image.Image, data: bytes) -> float:
    return jpeg.coefficient_bytes(data)


def _tiff(image: Image.Image, _data: bytes) -> float:
    """libtiff unpacks a strip or a tile at a time, which may be the whole picture."""
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    rows = _count(tags.get(_STRIP_ROWS, image.height))
    columns, rows = image.width, min(rows, image.height)
    if _TILE_WIDTH in tags:
        columns, rows = _count(tags[_TILE_WIDTH]), _count(tags.get(_TILE_ROWS, image.height))
    bits = max(8, *map(_count, tags.get(_BITS, (8,))))
    return columns * rows * _count(tags.get(_SAMPLES, 1)) * bits / 8


def _count(tag: Any) -> int:
    """A TIFF's tag that counts something; whoever wrote the file may have written anything."""
    if type(tag) is not int or not 0 < tag < 2**32:
        raise DecodeError(f"TIFF: {tag!r} is no number of anything")
    return tag


_DECODERS: dict[str, Callable[[Image.Image, bytes], float]] = {
    "AVIF": _avif,
    "HEIF": _heif,
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "TIFF": _tiff,
    "WEBP": _webp,
}
"""What decoders hold beside Pillow's picture, in bytes."""


def bytes_in_use() -> int:
    """What the kernel counts of this process against RLIMIT_DATA; 0 where it does not say."""
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)  # a third of what `open` takes
    except OSError:
        return 0
    try:
        return int(os.read(descriptor, 200).split()[5]) * _PAGE_BYTES
    finally:
        os.close(descriptor)


def _trim() -> None:
    """Give back what malloc has free."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
