"""Pixels in, a fingerprint out by which near copies of a picture are known: PDQ.

PDQ is Meta's (https://github.com/facebook/ThreatExchange/tree/main/pdq): luminance in 64 x 64
cells, a cosine transform, and for each of its 16 x 16 lowest frequencies whether it is above their
median. From the cells on, this gives the bits of PyPI's `pdqhash`, which has to be compiled
wherever it is installed on Linux, and would take 12 ms a megapixel instead of half of one: the
cells are the means of 16 samples each here, not of every pixel. On photos that changes some 10 of
256 bits.

Whoever knows the places of the samples can paint one picture there and another one everywhere
else. So samples from places that nobody can foretell must say nearly the same.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml_models.scaling import Pixels
from ml_models.types import Fingerprint

_CELLS = 64
_SAMPLES = 4
"""In each direction in each cell."""
_FREQUENCIES = 16
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# Photos sampled twice differ in up to 25 bits, scanned pages in 56, other pictures in more than 90.
_MAX_DOUBT = 64

# In pixels: of what is wider, whole rows are too much to copy.
_WIDE = 40_000

_Places = Callable[[int, int], NDArray[np.intp]]
"""Of a size in pixels and a number of equal parts: a place in each."""
_Cells = NDArray[np.float32]
"""float32 [64, 64], luminance in 0..255."""


def _cosines() -> NDArray[np.float32]:
    """The rows of the cosine transform from 1 on: without the mean, which is row 0."""
    frequency = np.arange(1, _FREQUENCIES + 1)[:, np.newaxis]
    position = np.arange(1, 2 * _CELLS, 2)
    cosines = np.sqrt(2 / _CELLS) * np.cos(np.pi / (2 * _CELLS) * frequency * position)
    rows: NDArray[np.float32] = cosines.astype(np.float32)
    return rows


_COSINES = _cosines()


def fingerprint(pixels: Pixels) -> Fingerprint:
    """Compute the fingerprint of uint8 [H, W, 3] RGB; a millisecond whatever its size.

    Its quality is 0 where other samples of the picture lead to quite another one.
    """
    cells = _cells(pixels, _middles)
    pdq = _pdq(cells)
    doubt = (int(pdq, 16) ^ int(_pdq(_cells(pixels, _anywhere)), 16)).bit_count()
    return Fingerprint(pdq, _quality(cells) if doubt <= _MAX_DOUBT else 0)


def _cells(pixels: Pixels, places: _Places) -> _Cells:
    if abs(pixels.strides[0]) < abs(pixels.strides[1]):  # a turned photo, whose columns are rows
        return _cells(pixels.transpose(1, 0, 2), places).T
    height, width, _ = pixels.shape
    side = _CELLS * _SAMPLES
    rows = places(height, side).reshape(_CELLS, _SAMPLES)
    # Picked by byte, which is faster than by triple, and summed as they come: whole numbers.
    columns = places(width, side)
    octets = (columns[:, np.newaxis] * 3 + np.arange(3)).ravel()
    down = np.zeros((_CELLS, side * 3), np.uint16)
    for nth in range(_SAMPLES):
        if width > _WIDE:
            down += pixels[np.ix_(rows[:, nth], columns)].reshape(_CELLS, side * 3)
        else:
            down += pixels[rows[:, nth]].reshape(_CELLS, width * 3).take(octets, axis=1)
    samples = down.reshape(_CELLS, _CELLS, _SAMPLES, 3)
    across = sum(samples[:, :, nth] for nth in range(1, _SAMPLES)) + samples[:, :, 0]
    cells: _Cells = across.astype(np.float32) @ _LUMINANCE
    return cells / np.float32(_SAMPLES**2)


def _middles(size: int, parts: int) -> NDArray[np.intp]:
    """The pixels in the middle of equal parts."""
    return (2 * np.arange(parts) + 1) * size // (2 * parts)


def _anywhere(size: int, parts: int) -> NDArray[np.intp]:
    """A pixel of each of equal parts, another one each time."""
    offsets = np.random.default_rng().integers(0, size, parts)
    return (np.arange(parts) * size + offsets) // parts


def _pdq(cells: _Cells) -> str:
    frequencies = (_COSINES @ cells @ _COSINES.T).ravel()
    median = np.partition(frequencies, frequencies.size // 2 - 1)[frequencies.size // 2 - 1]
    return np.packbits(frequencies[::-1] > median).tobytes().hex()


def _quality(cells: _Cells) -> int:
    """PDQ's measure of how much there is to see: the sum of differences between neighbours."""
    total = sum(
        np.abs((np.diff(cells, axis=axis) * np.float32(100 / 255)).astype(np.int32)).sum()
        for axis in (0, 1)
    )
    return min(100, int(total) // 90)
