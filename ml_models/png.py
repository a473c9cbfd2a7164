"""Large PNG pictures, a strip of rows at a time.

Pillow holds a picture whole, with four bytes a pixel. A PNG's row needs nothing but the row above
it, so its rows are inflated here, and each strip of them is given to Pillow as a PNG of its own
that begins with the row above: the pixels are Pillow's, and the memory is a strip's.
"""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from ml_models.errors import DecodeError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# ISO 15948, table 11.1: samples for each pixel, by colour type. Greys and palettes are not here:
# Pillow holds them with one byte a pixel.
_SAMPLES = {2: 3, 4: 2, 6: 4}
# Where Pillow looks for it: as it is, or as XMP or ImageMagick write it.
_METADATA = frozenset({b"eXIf", b"tEXt", b"zTXt", b"iTXt"})
STRIP_BYTES = 2_000_000
_PIECE = 64 * 1024


def can_be_cut(data: bytes, image: Image.Image) -> bool:
    """Whether it is of colours with 8 bits a sample, neither interlaced nor an animation."""
    depth, colour_type, _, _, interlace = data[24:29]
    is_plain = depth == 8 and colour_type in _SAMPLES and not interlace
    return is_plain and not getattr(image, "is_animated", False) and _row_bytes(data) < STRIP_BYTES


def strips(data: bytes) -> Iterator[Image.Image]:
    """The picture from top to bottom. Raises DecodeError when it is not whole."""
    width, height = struct.unpack_from(">II", data, 16)
    row_bytes, most = _row_bytes(data), STRIP_BYTES // _row_bytes(data)
    rows, above, left = _Rows(data), b"", height
    while left:
        count = min(most, left)
        strip = _decoded(data[24:29], width, above, rows.take(count * row_bytes), count)
        above = b"\0" + strip.crop((0, count - 1, width, count)).tobytes()
        left -= count
        yield strip


def exif(data: bytes) -> Image.Exif:
    """The metadata, which Pillow would decode the picture for: it may come behind it."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    others = b"".join(data[start:end] for kind, start, end in _chunks(data) if kind in _METADATA)
    body = _chunk(b"IHDR", head) + others + _chunk(b"IDAT", zlib.compress(bytes(4)))
    small = Image.open(io.BytesIO(_SIGNATURE + body + _chunk(b"IEND", b"")), formats=["PNG"])
    return small.getexif()


def _row_bytes(data: bytes) -> int:
    """Of a row as it is deflated: its filter's number, and its samples."""
    return 1 + int.from_bytes(data[16:20], "big") * _SAMPLES[data[25]]


def _decoded(kind: bytes, width: int, above: bytes, rows: bytes, count: int) -> Image.Image:
    has_above = bool(above)
    header = struct.pack(">II", width, count + has_above) + kind
    body = zlib.compress(above + rows, 0)
    file = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    image = Image.open(io.BytesIO(file), formats=["PNG"])
    return image.crop((0, has_above, width, count + has_above))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


class _Rows:
    """The filtered rows of a PNG, inflated as they are asked for."""

    def __init__(self, data: bytes) -> None:
        self._pieces, self._inflating = _pieces(data), zlib.decompressobj()

    def take(self, byte_count: int) -> bytes:
        taken = bytearray()
        while len(taken) < byte_count:
            piece = self._inflating.unconsumed_tail or next(self._pieces, b"")
            inflated = self._inflating.decompress(piece, byte_count - len(taken))
            taken += inflated
            if not (piece or inflated):
                break
        if len(taken) < byte_count:
            raise DecodeError("PNG: its rows end too early")
        return bytes(taken)


def _pieces(data: bytes) -> Iterator[memoryview]:
    """What is deflated: the chunks of it that follow upon each other, in small pieces."""
    view, has_begun = memoryview(data), False
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            has_begun = True
            for place in range(start + 8, end - 4, _PIECE):
                yield view[place : min(place + _PIECE, end - 4)]
        elif has_begun:
            return


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk, and where it begins and ends: length, kind, body and checksum."""
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], start, end
        start = end
