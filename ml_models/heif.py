"""Large HEIF pictures, a tile at a time.

Phones store a photo as a grid of tiles. pillow-heif has libheif join them, turn the whole into RGB
and hand that over: nine bytes a pixel. Here libheif is asked for one tile after the other, in the
very library that pillow-heif has brought along. What is no grid is left to pillow-heif.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import _pillow_heif
import numpy as np
from numpy.typing import NDArray

from ml_models.errors import DecodeError

# Whose dependencies are looked through as well. libheif's heif.h says what the numbers mean.
_LIBRARY = ctypes.CDLL(_pillow_heif.__file__)
_RGB, _INTERLEAVED_RGB, _INTERLEAVED = 1, 10, 10  # colour space, chroma, channel
_MAX_TILE_PIXELS = 2_000_000
# Of the tile in hand: planes, twice, and RGB, up to 12 bits a sample.
_TILE_PIXEL_BYTES = 12
# Of the thread that libde265 starts.
_STACK_BYTES = 8 * 1024 * 1024


class _Error(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_int),
        ("subcode", ctypes.c_int),
        ("message", ctypes.c_char_p),
    )


class _Options(ctypes.Structure):
    """The beginning of heif_decoding_options, to which later versions of libheif only add."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("ignore_transformations", ctypes.c_uint8),
        ("callbacks", ctypes.c_void_p * 4),
        ("convert_hdr_to_8bit", ctypes.c_uint8),
    )


class _Tiling(ctypes.Structure):
    """heif_image_tiling, whose size later versions of libheif keep."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("columns", ctypes.c_uint32),
        ("rows", ctypes.c_uint32),
        ("tile_width", ctypes.c_uint32),
        ("tile_height", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("top_offset", ctypes.c_uint32),
        ("left_offset", ctypes.c_uint32),
        ("extra_dimensions", ctypes.c_uint8),
        ("extra_dimension_size", ctypes.c_uint32 * 8),
    )


_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS = {
    "heif_context_alloc": (_POINTER, ()),
    "heif_context_free": (None, (_POINTER,)),
    "heif_context_set_max_decoding_threads": (None, (_POINTER, _INT)),
    "heif_context_read_from_memory_without_copy": (
        _Error,
        (_POINTER, ctypes.c_char_p, ctypes.c_size_t, _POINTER),
    ),
    "heif_context_get_primary_image_handle": (_Error, (_POINTER, _POINTER)),
    "heif_image_handle_release": (None, (_POINTER,)),
    "heif_image_handle_has_alpha_channel": (_INT, (_POINTER,)),
    "heif_image_handle_get_image_tiling": (_Error, (_POINTER, _INT, _POINTER)),
    "heif_image_handle_decode_image_tile": (
        _Error,
        (_POINTER, _POINTER, _INT, _INT, _POINTER, ctypes.c_uint32, ctypes.c_uint32),
    ),
    "heif_decoding_options_alloc": (ctypes.POINTER(_Options), ()),
    "heif_decoding_options_free": (None, (ctypes.POINTER(_Options),)),
    "heif_image_get_width": (_INT, (_POINTER, _INT)),
    "heif_image_get_height": (_INT, (_POINTER, _INT)),
    "heif_image_get_plane_readonly": (_POINTER, (_POINTER, _INT, ctypes.POINTER(_INT))),
    "heif_image_release": (None, (_POINTER,)),
}
_HAS_TILES = all(hasattr(_LIBRARY, name) for name in _FUNCTIONS)
for _name, (_returned, _taken) in _FUNCTIONS.items() if _HAS_TILES else ():
    getattr(_LIBRARY, _name).restype = _returned
    getattr(_LIBRARY, _name).argtypes = _taken


class Grid:
    """An opaque picture of tiles; size and tiles are upright already, as the file has it."""

    def __init__(self, handle: ctypes.c_void_p, tiling: _Tiling) -> None:
        self._handle, self._tiling = handle, tiling
        self.size = (int(tiling.width), int(tiling.height))

    @property
    def decoder_bytes(self) -> int:
        """What it takes beside the pixels: a tile, and the stack of libde265's thread."""
        tile = self._tiling.tile_width * self._tiling.tile_height * _TILE_PIXEL_BYTES
        return int(tile) + _STACK_BYTES

    def decode_into(self, pixels: NDArray[np.uint8]) -> None:
        """Fill uint8 [H, W, 3] RGB. Raises DecodeError."""
        tiling = self._tiling
        for row in range(tiling.rows):
            for column in range(tiling.columns):
                top, left = row * tiling.tile_height, column * tiling.tile_width
                place = pixels[top : top + tiling.tile_height, left : left + tiling.tile_width]
                self._decode_tile(column, row, place)

    def _decode_tile(self, column: int, row: int, place: NDArray[np.uint8]) -> None:
        image, stride, options = ctypes.c_void_p(), _INT(), _LIBRARY.heif_decoding_options_alloc()
        options.contents.convert_hdr_to_8bit = 1
        error = _LIBRARY.heif_image_handle_decode_image_tile(
            self._handle, ctypes.byref(image), _RGB, _INTERLEAVED_RGB, options, column, row
        )
        _LIBRARY.heif_decoding_options_free(options)
        _check(error)
        try:
            height, width, _ = place.shape
            plane = _LIBRARY.heif_image_get_plane_readonly(
                image, _INTERLEAVED, ctypes.byref(stride)
            )
            if (
                not plane
                or _LIBRARY.heif_image_get_width(image, _INTERLEAVED) < width
                or _LIBRARY.heif_image_get_height(image, _INTERLEAVED) < height
            ):
                raise DecodeError("HEIF: a tile is smaller than its place")
            octets = (ctypes.c_uint8 * (stride.value * height)).from_address(plane)
            rows = np.frombuffer(octets, np.uint8).reshape(height, stride.value)
            place[:] = rows[:, : width * 3].reshape(height, width, 3)
        finally:
            _LIBRARY.heif_image_release(image)


@contextmanager
def grid(data: bytes) -> Iterator[Grid | None]:
    """Open the primary picture; None when it is no grid that can be had tile by tile."""
    if not _HAS_TILES:
        yield None
        return
    context, handle = _LIBRARY.heif_context_alloc(), ctypes.c_void_p()
    try:
        _LIBRARY.heif_context_set_max_decoding_threads(context, 0)
        _check(_LIBRARY.heif_context_read_from_memory_without_copy(context, data, len(data), None))
        _check(_LIBRARY.heif_context_get_primary_image_handle(context, ctypes.byref(handle)))
        yield _grid(handle)
    finally:
        if handle:
            _LIBRARY.heif_image_handle_release(handle)
        _LIBRARY.heif_context_free(context)


def _grid(handle: ctypes.c_void_p) -> Grid | None:
    tiling = _Tiling()
    _check(_LIBRARY.heif_image_handle_get_image_tiling(handle, True, ctypes.byref(tiling)))
    is_small = 0 < tiling.tile_width * tiling.tile_height <= _MAX_TILE_PIXELS
    is_grid = tiling.columns * tiling.rows > 1 and not (
        tiling.top_offset or tiling.left_offset or tiling.extra_dimensions
    )
    # Every pixel must come from some tile, and every tile must have pixels.
    is_whole = is_small and (tiling.columns, tiling.rows) == (
        -(-tiling.width // tiling.tile_width),
        -(-tiling.height // tiling.tile_height),
    )
    is_opaque = not _LIBRARY.heif_image_handle_has_alpha_channel(handle)
    return Grid(handle, tiling) if is_grid and is_whole and is_opaque else None


def _check(error: _Error) -> None:
    if error.code:
        raise DecodeError(f"HEIF: {(error.message or b'').decode(errors='replace')}")
