"""Whether a picture moves: of an animation only the first frame is classified, of pages the first.

Judges by bytes alone. In doubt it moves: a still picture that is taken for an animation is looked
at by a moderator, the other way round nobody would see the later frames.
"""

import struct

_GIF = (b"GIF87a", b"GIF89a")
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_GIF_CONTROL = b"\x21\xf9"
# Encoders fill each block's 255 bytes; what comes in crumbs would only keep us busy.
_LEAST_PER_BLOCK, _ALWAYS_READ = 64, 10_000
_PNG = b"\x89PNG\r\n\x1a\n"
# The brands of image sequences among ISO media files (AVIF, HEIF), and the box that holds them.
# Decoders show what is in that box whatever the brand; but not the film that phones add to a photo,
# which lies in a box of its own.
_SEQUENCES = (b"avis", b"msf1", b"hevc", b"hevx")
_FILM = b"moov"
_MAX_BOXES = 1_000
_WEBP_ANIMATION_FLAG = 0x02
# Of TIFF and BigTIFF: how an offset, and how many entries a page has, is written; their sizes.
_TIFFS = {42: ("I", "H", 12), 43: ("Q", "Q", 20)}


def may_be_animated(data: bytes) -> bool:
    """Say whether the data may hold more than one frame: GIF, APNG, WebP, AVIF, HEIF or TIFF."""
    if data.startswith(_GIF):
        return _may_gif_move(data)
    if data.startswith(_PNG):
        return b"acTL" in data
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        says_so = bool(data[20:21]) and bool(data[20] & _WEBP_ANIMATION_FLAG)
        return says_so or b"ANMF" in data
    if data[4:8] == b"ftyp":
        brands = data[8 : max(64, int.from_bytes(data[:4], "big"))]
        return any(brand in brands for brand in _SEQUENCES) or _may_hold_film(data)
    if data[:2] in (b"II", b"MM"):
        return _has_pages(data, "<" if data[:2] == b"II" else ">")
    return False


def _may_gif_move(data: bytes) -> bool:
    """Go from block to block, as GIF89a's appendix has them. What is none may hide a frame."""
    place, images, controls = 13 + _table_size(data, 10), 0, 0
    blocks_left = _ALWAYS_READ + len(data) // _LEAST_PER_BLOCK
    while place < len(data):
        kind = data[place]
        if kind == _GIF_END:
            return any(data[place + 1 :])
        images += kind == _GIF_IMAGE
        controls += data[place : place + 2] == _GIF_CONTROL
        # Of two controls one decoder follows the first, another the last.
        if max(images, controls) > 1 or kind not in (_GIF_IMAGE, _GIF_EXTENSION):
            return True
        place += 2 if kind == _GIF_EXTENSION else 11 + _table_size(data, place + 9)
        while data[place : place + 1] not in (b"\0", b""):
            place, blocks_left = place + 1 + data[place], blocks_left - 1
            if blocks_left < 0:
                return True
        place += 1
    return False


def _table_size(data: bytes, place: int) -> int:
    """The bytes of the colour table that the flags at a place announce."""
    flags = int.from_bytes(data[place : place + 1], "big")
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _may_hold_film(data: bytes) -> bool:
    """Go from box to box of ISO 14496-12, 4.2; a size of 1 stands for one of eight bytes."""
    place = 0
    for _ in range(_MAX_BOXES):
        kind, size = data[place + 4 : place + 8], int.from_bytes(data[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if kind == _FILM or size < 8:  # the last may say 0: it goes to the end
            return kind == _FILM
        place += size
    return True


def _has_pages(data: bytes, order: str) -> bool:
    """Whether the first page's directory names a next one."""
    try:
        offset, count, entry_size = _TIFFS[struct.unpack_from(f"{order}H", data, 2)[0]]
        (page,) = struct.unpack_from(order + offset, data, 4 if offset == "I" else 8)
        (entries,) = struct.unpack_from(order + count, data, page)
        after = page + struct.calcsize(order + count) + entries * entry_size
        return any(struct.unpack_from(order + offset, data, after))
    except (KeyError, struct.error, OverflowError):  # nothing that decodes
        return False
