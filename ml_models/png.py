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


# ISO 15948, 5.6 and 11.3.2.1: what there is once at the most, and what a decoder has to know.
_ONCE = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"cICP", b"gAMA", b"cHRM", b"sRGB")
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_GREY, _PALETTE = 0, 3
_TRANSPARENT_BYTES = {_GREY: 2, 2: 6}  # by colour type: one colour, of 16 bits a sample
# ISO 15948, 8.2: of each pass of an interlaced picture the first column and row, and the steps.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)


def check(data: bytes) -> None:
    """Raise DecodeError unless chunks stand where all decoders read them alike: what is out of
    place or there twice one takes and another leaves."""
    kinds = [(kind, end - start - 12) for kind, start, end in _chunks(data)]
    names = [kind for kind, _ in kinds]
    first, count = names.index(b"IDAT") if b"IDAT" in names else 0, names.count(b"IDAT")
    before, picture = names[:first], names[first : first + count]
    is_in_order = (
        kinds[:1] == [(b"IHDR", 13)]
        and picture == [b"IDAT"] * count
        and all(names.count(kind) == before.count(kind) <= 1 for kind in _ONCE)
        and all(kind in _CRITICAL for kind in names if kind[:1].isupper())
    )
    if not is_in_order or not _is_transparent_in_order(data, dict(kinds), before):
        raise DecodeError("PNG: its chunks are out of order")


def _is_transparent_in_order(data: bytes, sizes: dict[bytes, int], before: list[bytes]) -> bool:
    if b"tRNS" not in sizes:
        return True
    if data[25] == _PALETTE:
        return b"PLTE" in before[: before.index(b"tRNS")]
    return b"PLTE" not in before[before.index(b"tRNS") :] and (
        sizes[b"tRNS"] == _TRANSPARENT_BYTES.get(data[25])
    )


def check_rows(data: bytes) -> None:
    """Raise DecodeError when rows are missing at the end, which Pillow leaves black."""
    rows, left = _Rows(data), _deflated_bytes(data)
    while left:
        left -= len(rows.take(min(left, STRIP_BYTES)))


def _deflated_bytes(data: bytes) -> int:
    """Of all rows: filters' numbers and samples."""
    width, height, depth, colour_type, _, _, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * _SAMPLES.get(colour_type, 1)
    passes = _PASSES if interlace else ((0, 0, 1, 1),)
    sizes = [
        (-(-(width - left) // across), -(-(height - top) // down))
        for left, top, across, down in passes
    ]
    return sum(
        rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 < rows
    )


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
    """The kind of each chunk, and where it begins and ends: length, kind, body and checksum. What
    follows the last is none."""
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end
