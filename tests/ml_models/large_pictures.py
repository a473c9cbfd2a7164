"""Large pictures in every format and mode that takes memory in a way of its own.

Smooth, so that they are encoded quickly and small: what they take depends on their size alone.
"""

import io
import struct
import zlib

import numpy as np
import pillow_heif
from heic_grids import TILE, grid
from PIL import Image

pillow_heif.register_heif_opener()


def smooth(megapixels, mode="RGB"):
    """Four to three, and half transparent where the mode has alpha."""
    height = int((megapixels * 750_000) ** 0.5)
    width = height * 4 // 3
    grey = Image.linear_gradient("L").resize((width, height))
    if mode in ("L", "1", "P"):
        return grey.convert(mode)
    if mode == "I;16":
        return Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    other = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    bands = (grey, other, grey, other)[: len(Image.new(mode, (1, 1)).getbands())]
    return Image.merge(mode, bands)


def flat(megapixels, mode, **options):
    """A WebP of one colour, which is the quickest."""
    buffer, side = io.BytesIO(), int((megapixels * 1e6) ** 0.5)
    colour = (90, 120, 10, 128)[: len(mode)]
    Image.new(mode, (side, side), colour).save(buffer, "WEBP", method=0, **options)
    return buffer.getvalue()


def encoded(megapixels, mode, format, **options):
    buffer = io.BytesIO()
    smooth(megapixels, mode).save(buffer, format, **options)
    return buffer.getvalue()


def photo_of_a_phone(megapixels=48.7):
    height = int((megapixels * 750_000) ** 0.5)
    tiles = [Image.new("RGB", (TILE, TILE), colour) for colour in ("teal", "tan", "plum")]
    return grid(tiles, height * 4 // 3, height)


def largest_jpeg():
    """50 megapixels and 20 MiB, most of them metadata."""
    data = encoded(49.9, "RGB", "JPEG")
    segment = b"\xff\xef\xff\xff" + bytes(65533)
    return data[:2] + segment * ((20 * 1024 * 1024 - len(data)) // len(segment)) + data[2:]


def moving(megapixels, format, **options):
    buffer = io.BytesIO()
    first = smooth(megapixels)
    second = first.transpose(Image.Transpose.ROTATE_180)
    first.save(buffer, format, save_all=True, append_images=[second], **options)
    return buffer.getvalue()


FAST_WEBP, FAST_AVIF = {"method": 0, "quality": 50}, {"speed": 10, "quality": 40}

ACCEPTED = {
    "baseline JPEG of 20 MB": largest_jpeg,
    "progressive JPEG, colours halved": lambda: encoded(36, "RGB", "JPEG", progressive=True),
    "progressive JPEG, all colours": lambda: encoded(
        24, "RGB", "JPEG", progressive=True, subsampling=0
    ),
    "CMYK JPEG": lambda: encoded(31, "CMYK", "JPEG"),
    "PNG": lambda: encoded(49.9, "RGB", "PNG", compress_level=1),
    "transparent PNG": lambda: encoded(49.9, "RGBA", "PNG", compress_level=1),
    "transparent grey PNG": lambda: encoded(49.9, "LA", "PNG", compress_level=1),
    "grey PNG": lambda: encoded(49.9, "L", "PNG", compress_level=1),
    "grey PNG of 16 bits": lambda: encoded(44, "I;16", "PNG", compress_level=1),
    "PNG of a palette": lambda: encoded(49.9, "P", "PNG", compress_level=1),
    "GIF": lambda: encoded(49.9, "L", "GIF"),
    "BMP of one bit": lambda: encoded(49.9, "1", "BMP"),
    "TIFF": lambda: encoded(31, "RGB", "TIFF", compression="tiff_deflate"),
    "TIFF of one strip": lambda: encoded(
        31, "RGB", "TIFF", compression="tiff_deflate", tiffinfo={278: 10_000}
    ),
    "WebP": lambda: encoded(49.9, "RGB", "WEBP", **FAST_WEBP),
    "lossless WebP": lambda: flat(32, "RGB", lossless=True),
    "transparent WebP": lambda: flat(32, "RGBA"),
    "moving WebP": lambda: moving(13, "WEBP", **FAST_WEBP),
    "AVIF": lambda: encoded(23, "RGB", "AVIF", **FAST_AVIF),
    "transparent AVIF": lambda: encoded(18, "RGBA", "AVIF", **FAST_AVIF),
    "HEIC of a phone": photo_of_a_phone,
    "HEIC without tiles": lambda: encoded(12, "RGB", "HEIF", quality=30),
}


def saying(data, old, new):
    """The same file with another header."""
    assert old in data
    return data.replace(old, new, 1)


def of_49_megapixels(format, mode="RGB", **options):
    """What says so, and holds nothing of the sort."""
    buffer, width, height = io.BytesIO(), 64, 128
    Image.new(mode, (width, height)).save(buffer, format, **options)
    data = buffer.getvalue()
    if format == "JPEG":
        return saying(data, struct.pack(">2H", height, width), struct.pack(">2H", 7000, 7000))
    return saying(
        data,
        b"ispe\0\0\0\0" + struct.pack(">2I", width, height),
        b"ispe\0\0\0\0" + struct.pack(">2I", 7000, 7000),
    )


def interlaced_png():
    header = b"IHDR" + struct.pack(">2I5B", 7000, 7000, 8, 2, 0, 0, 1)
    data = encoded(0.01, "RGB", "PNG")
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def moving_webp():
    data = moving(0.01, "WEBP")
    return data[:24] + 2 * (6999).to_bytes(3, "little") + data[30:]


REFUSED = {
    "progressive JPEG": lambda: of_49_megapixels("JPEG", progressive=True),
    "interlaced PNG": interlaced_png,
    "TIFF": lambda: encoded(49.9, "RGB", "TIFF", compression="tiff_deflate"),
    "transparent WebP": lambda: flat(49.9, "RGBA"),
    "moving WebP": moving_webp,
    "AVIF": lambda: of_49_megapixels("AVIF"),
    "HEIC without tiles": lambda: of_49_megapixels("HEIF"),
}
