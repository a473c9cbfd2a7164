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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_models.scaling import Pixels
from ml_models.types import Fingerprint

_CELLS = 64
_SAMPLES = 4
"""In each direction in each cell."""
_FREQUENCIES = 16
_LUMINANCE = np.array([0.299, 0.587, 0.114, 0], np.float32)
_PIXEL_BYTES = 4
# Photos sampled twice differ in up to 25 bits, scanned pages in 56, other pictures in more than 90.
_MAX_DOUBT = 64

# In pixels: of what is wider, whole rows are too much to copy.
_WIDE = 40_000

_CHANCE = np.random.default_rng()

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
    rows, columns = (_by_turns(places(size, _CELLS * _SAMPLES)) for size in (height, width))
    picked = _picked(pixels, rows, columns)
    # Sums of what lies together, first across: uint16 [64 across, 4 down, 64 down, 4].
    across = _sum(picked.reshape(_SAMPLES, _CELLS, -1))
    sums = _sum(across.reshape(_CELLS, _SAMPLES, -1).swapaxes(0, 1))
    cells: _Cells = sums.reshape(_CELLS, _CELLS, _PIXEL_BYTES).astype(np.float32) @ _LUMINANCE
    return cells.T / np.float32(_SAMPLES**2)


def _by_turns(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first place of each cell, then the second of each, and so on."""
    return places.reshape(_CELLS, _SAMPLES).T.ravel()


def _picked(pixels: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Pick pixels: uint8 [columns, rows, 4], of which the last is anything."""
    width = pixels.shape[1]
    if width > _WIDE:
        picked = np.zeros((len(columns), len(rows), _PIXEL_BYTES), np.uint8)
        picked[:, :, :3] = pixels[np.ix_(rows, columns)].swapaxes(0, 1)
        return picked
    # Four bytes, read at once wherever they begin, are picked four times as fast as three.
    octets = np.empty(len(rows) * width * 3 + 1, np.uint8)
    octets[:-1].reshape(len(rows), width, 3)[:] = pixels[rows]
    windows = np.ndarray((len(rows), width), np.uint32, octets.data, strides=(width * 3, 3))
    return np.ascontiguousarray(windows.T[columns]).view(np.uint8)


def _sum(parts: NDArray[Any]) -> NDArray[np.uint16]:
    """Add the four parts of an array up."""
    one, two, three, four = parts
    total: NDArray[np.uint16] = np.add(one, two, dtype=np.uint16)
    total += three
    total += four
    return total


def _middles(size: int, parts: int) -> NDArray[np.intp]:
    """The pixels in the middle of equal parts."""
    return (2 * np.arange(parts) + 1) * size // (2 * parts)


def _anywhere(size: int, parts: int) -> NDArray[np.intp]:
    """A pixel of each of equal parts, another one each time."""
    offsets = _CHANCE.integers(0, size, parts)
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
