"""Still WebP pictures, decoded straight into the memory that they are to have.

Pillow decodes every WebP as an animation: four copies of the picture with four bytes a pixel each.
Here libwebp's own call for one picture is asked, in the very library that Pillow has brought along.
"""

import ctypes

import numpy as np
from numpy.typing import NDArray
from PIL import _webp

# Whose dependencies are looked through as well. https://developers.google.com/speed/webp/docs/api
_LIBRARY = ctypes.CDLL(_webp.__file__)
_INTO = {3: "WebPDecodeRGBInto", 4: "WebPDecodeRGBAInto"}


def decode_into(data: bytes, pixels: NDArray[np.uint8]) -> bool:
    """Decode into uint8 [H, W, 3] RGB or [H, W, 4] RGBA, contiguous, of the picture's size.

    False when this cannot be done: an animation, or damaged, or where Pillow has hidden libwebp.
    """
    height, width, samples = pixels.shape
    function = getattr(_LIBRARY, _INTO[samples], None)
    if function is None or _size(data) != (width, height):
        return False
    function.restype = ctypes.c_void_p
    function.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
    )
    where = pixels.ctypes.data
    return function(data, len(data), where, pixels.nbytes, width * samples) is not None


def _size(data: bytes) -> tuple[int, int]:
    """As libwebp reads it, before it writes into memory of that size; 0 when it cannot."""
    width, height = ctypes.c_int(), ctypes.c_int()
    _LIBRARY.WebPGetInfo.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
        ctypes.POINTER(ctypes.c_int),
    )
    _LIBRARY.WebPGetInfo(data, len(data), ctypes.byref(width), ctypes.byref(height))
    return width.value, height.value
