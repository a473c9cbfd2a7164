"""HEIC photos as phones write them: a grid of tiles of 512 x 512 pixels (ISO 23008-12, 6.6.2.3).

pillow-heif writes none. Here a few tiles that it has encoded are laid out again and again, so that
48 megapixels take milliseconds and kilobytes.
"""

import io
import struct

import pillow_heif

TILE = 512
_GRID_ID = 1


def grid(pictures, width, height, rotation=None, spare_rows=0):
    """Lay out square pictures one after the other, row by row, beginning anew after the last; in
    so many rows more than the picture needs, or fewer."""
    encoded = [_encoded(picture) for picture in pictures]
    columns, rows = -(-width // TILE), -(-height // TILE) + spare_rows
    layout = struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, width, height)
    tile_ids = range(_GRID_ID + 1, _GRID_ID + 1 + columns * rows)
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    body, places = layout, []
    for _, bitstream in encoded:
        places.append((len(body), len(bitstream)))
        body += bitstream
    extents = [(0, len(layout)), *(places[n % len(places)] for n in range(columns * rows))]
    before = len(head) + len(_meta(encoded[0][0], (width, height), tile_ids, extents, 0, rotation))
    meta = _meta(encoded[0][0], (width, height), tile_ids, extents, before + 8, rotation)
    return head + meta + box(b"mdat", body)


def _meta(configuration, size, tile_ids, extents, start, rotation):
    entries = [_entry(_GRID_ID, b"grid"), *(_entry(number, b"hvc1") for number in tile_ids)]
    turn = b"" if rotation is None else box(b"irot", bytes([rotation]))
    properties = configuration + _size(TILE, TILE) + _size(*size) + turn
    of_grid = bytes([1, 3]) if rotation is None else bytes([2, 3, 0x84])
    associations = struct.pack(">H", _GRID_ID) + of_grid
    associations += b"".join(struct.pack(">H3B", number, 2, 0x81, 2) for number in tile_ids)
    where = b"".join(
        struct.pack(">4H2I", number, 0, 0, 1, start + offset, length)
        for number, (offset, length) in zip([_GRID_ID, *tile_ids], extents, strict=True)
    )
    count = 1 + len(tile_ids)
    tiles = struct.pack(f">2H{len(tile_ids)}H", _GRID_ID, len(tile_ids), *tile_ids)
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + full_box(b"pitm", struct.pack(">H", _GRID_ID))
        + full_box(b"iinf", struct.pack(">H", count) + b"".join(entries))
        + full_box(b"iref", box(b"dimg", tiles))
        + box(
            b"iprp",
            box(b"ipco", properties) + full_box(b"ipma", struct.pack(">I", count) + associations),
        )
        + full_box(b"iloc", b"\x44\0" + struct.pack(">H", count) + where, version=1),
    )


def _encoded(picture):
    """The decoder's configuration, as its box, and the bitstream of a picture."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=60, save_nclx_profile=False)
    data = buffer.getvalue()
    place = data.index(b"hvcC") - 4
    length = int.from_bytes(data[place : place + 4], "big")
    body = data.index(b"mdat") + 4
    return data[place : place + length], data[body:]


def _entry(number, kind):
    return full_box(b"infe", struct.pack(">2H4sB", number, 0, kind, 0), version=2)


def _size(width, height):
    return full_box(b"ispe", struct.pack(">2I", width, height))


def full_box(kind, body, version=0):
    return box(kind, bytes([version, 0, 0, 0]) + body)


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body
