"""Pixels in, fewer pixels out: as nsfwjs scales for the model, and as people like to look at it.

What it takes of memory besides the result is bounded, however wide or high the pixels are.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""

PIECE_PIXELS = 500_000
"""Of what is copied at a time."""

_ROWS_BYTES = 4 * 1024 * 1024
# Before a picture is scaled with care it is averaged to about twice the size, as Pillow advises.
_REDUCING_GAP = 2.0


def resize(pixels: Pixels, size_px: int) -> NDArray[np.float32]:
    """Scale to float32 [size_px, size_px, 3] in 0..1 exactly as nsfwjs does.

    nsfwjs `core.ts`: divide by 255, then `tf.image.resizeBilinear` with aligned corners, which
    reads the four pixels around `i * (in - 1) / (out - 1)` and does not antialias.
    """
    if abs(pixels.strides[0]) < abs(pixels.strides[1]):  # a turned photo: its columns lie together
        return np.ascontiguousarray(resize(pixels.transpose(1, 0, 2), size_px).transpose(1, 0, 2))
    height, width, _ = pixels.shape
    top, bottom, y_weight = _taps(height, size_px)
    left, right, x_weight = _taps(width, size_px)
    parts = []
    at_once = max(1, _ROWS_BYTES // (width * 6))  # all of them, but for the widest pictures
    for start in range(0, size_px, at_once):
        part = slice(start, start + at_once)
        places = np.concatenate((top[part], bottom[part]))
        across = _across(pixels, places, left, right, np.repeat(x_weight, 3))
        half = len(places) // 2
        parts.append(_lerp(across[:half], across[half:], y_weight[part, np.newaxis]))
    scaled = parts[0] if len(parts) == 1 else np.concatenate(parts)
    scaled /= np.float32(255)
    return scaled.reshape(size_px, size_px, 3)


def _across(
    pixels: Pixels,
    places: NDArray[np.intp],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    weight: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Scale the rows at some places to their new width."""
    width = pixels.shape[1]
    if len(places) * width * 3 > 2 * _ROWS_BYTES:  # even few rows are many pixels
        start, end = (pixels[np.ix_(places, columns)] for columns in (left, right))
        shape = (len(places), -1)
        return _lerp(start.reshape(shape).astype("f4"), end.reshape(shape).astype("f4"), weight)
    # `take` is faster, but first copies the whole of what is mirrored.
    picked = pixels.take(places, axis=0) if pixels.flags.c_contiguous else pixels[places]
    rows = picked.reshape(len(places), width * 3)
    return _lerp(_columns(rows, left), _columns(rows, right), weight)


def _columns(rows: Pixels, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Pick RGB columns out of rows of bytes; by byte is faster than by triple."""
    places = (columns[:, np.newaxis] * 3 + np.arange(3)).ravel()
    return rows.take(places, axis=1).astype(np.float32)


def _lerp(
    start: NDArray[np.float32], end: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """start + (end - start) * weight, computed inside `end`."""
    end -= start
    end *= weight
    end += start
    return end


@lru_cache(maxsize=64)  # pictures from one app come in few sizes
def _taps(
    size_in: int, size_out: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each output position the two input positions around it and the second one's weight."""
    position = np.arange(size_out, dtype=np.float32) * np.float32((size_in - 1) / (size_out - 1))
    first = np.minimum(position.astype(np.intp), size_in - 1)
    second = np.minimum(first + 1, size_in - 1)
    return first, second, position - first.astype(np.float32)


def scaled_size(width: int, height: int, longest_side_px: int) -> tuple[int, int]:
    """The size of a picture whose longest side is shortened to so many pixels, if it is longer."""
    scale = min(1.0, longest_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink(pixels: Pixels, longest_side_px: int) -> Pixels:
    """Make a picture small for people to look at. What is small enough stays as it is.

    As `Image.resize` does with a reducing gap, which would begin with a copy of the whole.
    """
    height, width, _ = pixels.shape
    size = scaled_size(width, height, longest_side_px)
    if size == (width, height):
        return np.ascontiguousarray(pixels)
    across, down = (
        int(large / small / _REDUCING_GAP) or 1
        for large, small in zip((width, height), size, strict=True)
    )
    reduced = _reduced(pixels, across, down) if max(across, down) > 1 else pixels
    del pixels  # before there are more
    box = (0, 0, width / across, height / down)
    return np.asarray(Image.fromarray(reduced).resize(size, Image.Resampling.HAMMING, box))


def _reduced(pixels: Pixels, across: int, down: int) -> Pixels:
    """Average boxes of so many columns and rows."""
    height, width, _ = pixels.shape
    reduced = np.empty((-(-height // down), -(-width // across), 3), np.uint8)
    for rows, columns in pieces(height, width, down, across):
        piece = Image.fromarray(np.ascontiguousarray(pixels[rows, columns]))
        piece = piece.reduce((across, down))
        top, left = rows.start // down, columns.start // across
        reduced[top : top + piece.height, left : left + piece.width] = np.asarray(piece)
    return reduced


def pieces(
    height: int, width: int, row_step: int = 1, column_step: int = 1
) -> Iterator[tuple[slice, slice]]:
    """Cut a picture into pieces of about `PIECE_PIXELS`: strips, but for the widest pictures.

    Each but the last is a multiple of the steps high and wide.
    """
    columns = _multiple(min(width, PIECE_PIXELS // row_step), column_step)
    rows = _multiple(PIECE_PIXELS // columns, row_step)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield (
                slice(top, min(top + rows, height)),
                slice(left, min(left + columns, width)),
            )


def _multiple(size: int, step: int) -> int:
    return max(1, size // step) * step
