"""Still WebP pictures, decoded straight into the memory that they are to have.

Pillow decodes every WebP as an animation: four copies of the picture with four bytes a pixel each,
two of them when it is only opened. Here libwebp's own calls for one picture are asked, in the very
library that Pillow has brought along.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, _webp

# Whose dependencies are looked through as well. https://developers.google.com/speed/webp/docs/api
_LIBRARY = ctypes.CDLL(_webp.__file__)
# Of libwebp's decode.h; another major number is refused by the library.
_DECODER_ABI = 0x0209
_OK, _LOSSY = 0, 1
_MAX_CHUNKS = 100


class _Features(ctypes.Structure):
    """WebPBitstreamFeatures of decode.h."""

    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("has_alpha", ctypes.c_int),
        ("has_animation", ctypes.c_int),
        ("format", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    )


def _call(name: str, result: Any, *arguments: Any) -> Any:
    """One of libwebp's calls; None where Pillow has hidden it."""
    function = getattr(_LIBRARY, name, None)
    if function is not None:
        function.restype, function.argtypes = result, arguments
    return function


_SIZE = ctypes.c_size_t
_get_features = _call(
    "WebPGetFeaturesInternal",
    ctypes.c_int,
    *(ctypes.c_char_p, _SIZE, ctypes.POINTER(_Features), ctypes.c_int),
)
_INTO_ARGUMENTS = (ctypes.c_char_p, _SIZE, ctypes.c_void_p, _SIZE, ctypes.c_int)
_decode_into = {
    samples: _call(name, ctypes.c_void_p, *_INTO_ARGUMENTS)
    for samples, name in ((3, "WebPDecodeRGBInto"), (4, "WebPDecodeRGBAInto"))
}


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before it is decoded."""

    width: int
    height: int
    is_opaque: bool
    is_lossy: bool
    is_animated: bool

    @property
    def samples(self) -> int:
        """Of each pixel."""
        return 3 if self.is_opaque else 4

    @property
    def decoder_bytes(self) -> int:
        """What libwebp holds beside the pixels: of a lossless picture another one with four bytes
        for each; of a lossy one a few rows, and its alpha three times while that is unpacked."""
        per_pixel = (0 if self.is_opaque else 3) if self.is_lossy else 4
        return self.width * self.height * per_pixel


def header(data: bytes) -> Header | None:
    """Read the header; None for what is no WebP, and where Pillow has hidden libwebp."""
    if _get_features is None or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    found = _Features()
    if _get_features(data, len(data), ctypes.byref(found), _DECODER_ABI) != _OK:
        return None
    return Header(
        found.width,
        found.height,
        is_opaque=not found.has_alpha,
        is_lossy=found.format == _LOSSY,
        is_animated=bool(found.has_animation),
    )


def exif(data: bytes) -> Image.Exif:
    """The metadata, empty where there is none."""
    found, chunk = Image.Exif(), _chunk(data, b"EXIF")
    if chunk is not None:
        found.load(chunk)
    return found


def profile(data: bytes) -> bytes | None:
    """The ICC profile."""
    return _chunk(data, b"ICCP")


def _chunk(data: bytes, kind: bytes) -> bytes | None:
    """The first chunk of a kind."""
    place = 12
    for _ in range(_MAX_CHUNKS):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == kind:
            return data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return None


def decode_into(data: bytes, pixels: NDArray[np.uint8]) -> bool:
    """Decode into uint8 [H, W, 3] RGB or [H, W, 4] RGBA, contiguous, of the picture's size.

    False when this cannot be done: an animation, or damaged, or where Pillow has hidden libwebp.
    """
    height, width, samples = pixels.shape
    found, decode = header(data), _decode_into[samples]
    if decode is None or found is None or (found.width, found.height) != (width, height):
        return False
    where = pixels.ctypes.data
    return decode(data, len(data), where, pixels.nbytes, width * samples) is not None
