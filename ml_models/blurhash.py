"""Pixels in, a text of some 28 characters out that shows about what they do: a BlurHash.

The algorithm is https://github.com/woltapp/blurhash/blob/master/Algorithm.md, whose libraries
decode it on every platform: the strongest cosines of the picture, in linear light, as base 83.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ml_models.scaling import Pixels

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_LARGEST_SCALE = 82
_LEVELS = 19
"""Of each colour of each cosine but the first."""


def _linear_light() -> NDArray[np.float64]:
    """The light behind each sample of sRGB, IEC 61966-2-1; 0..1 both."""
    samples = np.arange(256) / 255
    light: NDArray[np.float64] = np.where(
        samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4
    )
    return light


_LIGHT = _linear_light()


def blurhash(pixels: Pixels, x_components: int, y_components: int) -> str:
    """Encode uint8 [H, W, 3] RGB with 1 to 9 components in each direction.

    Every pixel counts: make a large picture small first. 32 x 24 pixels take 0.1 ms.
    """
    height, width, _ = pixels.shape
    across, down = _cosines(x_components, width), _cosines(y_components, height)
    factors = np.einsum("jy,yxc,ix->jic", down, _LIGHT[pixels], across, optimize=True)
    factors = factors.reshape(-1, 3) / (width * height)
    size = x_components - 1 + (y_components - 1) * 9
    return _base_83(size, 1) + _levels(factors[0], 2 * factors[1:])


@lru_cache(maxsize=64)  # pictures from one app come in few sizes
def _cosines(components: int, size: int) -> NDArray[np.float64]:
    angles = np.pi / size * np.outer(np.arange(components), np.arange(size))
    cosines: NDArray[np.float64] = np.cos(angles)
    return cosines


def _levels(mean: NDArray[np.float64], others: NDArray[np.float64]) -> str:
    """The scale of the other cosines, the mean colour, and the others in 19 levels of the scale."""
    largest = np.abs(others).max(initial=0)
    scale = int(np.clip(largest * 166 - 0.5, 0, _LARGEST_SCALE)) if others.size else 0
    relative = others * 166 / (scale + 1)
    rooted = np.sign(relative) * np.sqrt(np.abs(relative))
    levels = np.clip(np.floor(rooted * 9 + 9.5), 0, _LEVELS - 1).astype(int)
    numbers = levels @ (_LEVELS**2, _LEVELS, 1)
    return (
        _base_83(scale, 1)
        + _base_83(_colour(mean), 4)
        + "".join(_base_83(number, 2) for number in numbers.tolist())
    )


def _colour(light: NDArray[np.float64]) -> int:
    """The colour as one number, 24 bits of sRGB."""
    clipped = np.clip(light, 0, 1)
    samples = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    red, green, blue = (samples * 255 + 0.5).astype(int).tolist()
    colour: int = red << 16 | green << 8 | blue
    return colour


def _base_83(number: int, length: int) -> str:
    digits = [_DIGITS[number // 83**place % 83] for place in range(length)]
    return "".join(reversed(digits))
