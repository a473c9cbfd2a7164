"""What one decoder shows and another does not is no picture here: chunks out of place, missing
rows, alpha and run lengths of BMP, parts of AVIF."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ml_models.animation import may_be_animated
from ml_models.errors import AmbiguousImage, DecodeError
from ml_models.images import decode
from ml_models.memory import PixelBuffer

MAX_PIXELS = 50_000_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"
WIDTH, HEIGHT = 30, 20
SAMPLES = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
INDICES = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(colour_type, width=WIDTH, height=HEIGHT, depth=8, interlace=0):
    return chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, interlace))


def rows(samples):
    return chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in samples)))


PALETTE = chunk(b"PLTE", bytes(range(256)) * 3)
OPAQUE, CLEAR = chunk(b"tRNS", b"\xff" * 256), chunk(b"tRNS", bytes(256))
END = chunk(b"IEND", b"")


def png(*parts):
    return SIGNATURE + b"".join(parts) + END


def of_palette(*parts):
    return png(header(3), *parts)


OUT_OF_ORDER = {
    "clear before its palette": of_palette(CLEAR, PALETTE, rows(INDICES)),
    "clear behind the picture": of_palette(PALETTE, rows(INDICES), CLEAR),
    "opaque, then clear": of_palette(PALETTE, OPAQUE, CLEAR, rows(INDICES)),
    "two palettes": of_palette(PALETTE, PALETTE, rows(INDICES)),
    "a palette behind the picture": of_palette(PALETTE, rows(INDICES), PALETTE),
    "two headers": png(header(2), header(2), rows(SAMPLES)),
    "a small header, then a large one": png(
        header(2, 5000, 1), header(2, 5000, 3400), rows(SAMPLES)
    ),
    "the header second": png(chunk(b"tEXt", b"a\0b"), header(2), rows(SAMPLES)),
    "a piece that comes late": of_palette(
        PALETTE, rows(INDICES), chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", b"")
    ),
    "a colour too short to be clear": png(header(2), chunk(b"tRNS", b"\0\0"), rows(SAMPLES)),
    "a clear colour beside alpha": png(
        header(6), chunk(b"tRNS", bytes(6)), rows(np.zeros((HEIGHT, WIDTH, 4), np.uint8))
    ),
    "what nobody knows, and must": png(header(2), chunk(b"NEWS", b""), rows(SAMPLES)),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_chunks_that_decoders_read_in_two_ways_are_refused(name):
    with pytest.raises(DecodeError):
        decode(OUT_OF_ORDER[name], MAX_PIXELS)


IN_ORDER = {
    "palette": of_palette(PALETTE, rows(INDICES)),
    "opaque palette": of_palette(PALETTE, OPAQUE, rows(INDICES)),
    "clear palette": of_palette(PALETTE, CLEAR, rows(INDICES)),
    "suggested palette": png(header(2), PALETTE, rows(SAMPLES)),
    "a clear colour": png(header(2), chunk(b"tRNS", bytes(6)), rows(SAMPLES)),
    "text behind": png(header(2), rows(SAMPLES), chunk(b"tEXt", b"a\0b")),
    "several pieces": png(
        header(2), *(chunk(b"IDAT", bytes([octet])) for octet in rows(SAMPLES)[8:-4])
    ),
    "words after its end": png(header(2), rows(SAMPLES)) + b"words",
    "a chunk after its end": png(header(2), rows(SAMPLES)) + chunk(b"NEWS", b"") + OPAQUE,
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_ordinary_chunks_are_read(name):
    assert decode(IN_ORDER[name], MAX_PIXELS).shape == (HEIGHT, WIDTH, 3)


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [1, HEIGHT - 1])
@pytest.mark.parametrize("kind", ["colours", "palette", "grey of one bit", "grey of 16 bits"])
def test_rows_that_end_too_early_are_no_picture(kind, given):
    files = {
        "colours": (header(2), SAMPLES),
        "palette": (header(3) + PALETTE, INDICES),
        "grey of one bit": (header(0, depth=1), INDICES[:, : -(-WIDTH // 8)]),
        "grey of 16 bits": (header(0, depth=16), np.repeat(INDICES, 2, axis=1)),
    }
    head, samples = files[kind]
    decode(png(head, rows(samples)), MAX_PIXELS)
    with pytest.raises(DecodeError):
        decode(png(head, rows(samples[:given])), MAX_PIXELS)


def test_picture_that_ends_black_is_one():
    black = SAMPLES.copy()
    black[-5:] = 0
    assert np.array_equal(decode(png(header(2), rows(black)), MAX_PIXELS), black)


@pytest.mark.parametrize("size", [(1, 1), (4, 1), (1, 5), (30, 20), (9, 9)])
def test_interlaced_rows_are_counted_pass_by_pass(size):
    buffer = io.BytesIO()
    small = SAMPLES[: size[1], : size[0]]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    for left, top, across, down in [*passes, (0, 1, 1, 2)]:
        for row in small[top::down, left::across]:
            if row.size:
                buffer.write(b"\0" + row.tobytes())
    whole, head = buffer.getvalue(), header(2, *size, interlace=1)
    file = png(head, chunk(b"IDAT", zlib.compress(whole)))
    assert np.array_equal(decode(file, MAX_PIXELS), small)
    with pytest.raises(DecodeError):
        decode(png(head, chunk(b"IDAT", zlib.compress(whole[:-4]))), MAX_PIXELS)


def test_nothing_of_the_picture_before_is_left_in_the_next():
    buffer = PixelBuffer()
    decode(
        png(header(2, 5000, 3400), rows(np.full((3400, 5000, 3), 77, np.uint8))), MAX_PIXELS, buffer
    )
    with pytest.raises(DecodeError):
        decode(OUT_OF_ORDER["a small header, then a large one"], MAX_PIXELS, buffer)


# --- BMP -----------------------------------------------------------------------------------------


def bmp(
    bits, compression=0, header_bytes=40, masks=b"", body=bytes(WIDTH * HEIGHT * 4), palette=b""
):
    start = 14 + header_bytes + len(palette)
    colours = len(palette) // 4
    head = struct.pack(
        "<IiiHHIIiiII",
        *(header_bytes, WIDTH, HEIGHT, 1, bits, compression, len(body), 0, 0, colours, 0),
    )
    whole = (head + masks).ljust(header_bytes, b"\0") + palette + body
    return b"BM" + struct.pack("<IHHI", 14 + len(whole), 0, 0, start) + whole


def masks(*values):
    return struct.pack(f"<{len(values)}I", *values)


GREYS = bytes(range(256)) * 4
RGB_MASKS = (0xFF0000, 0xFF00, 0xFF)
AMBIGUOUS_BMPS = {
    "run lengths": bmp(8, 1, palette=GREYS, body=b"\1\x55\0\0" * HEIGHT + b"\0\1"),
    "short run lengths": bmp(4, 2, palette=GREYS[:64], body=b"\1\x55\0\0" * HEIGHT + b"\0\1"),
    "alpha of 32 bits": bmp(32, 0, 108, masks(*RGB_MASKS, 0xFF000000)),
    "alpha by masks": bmp(32, 3, 108, masks(*RGB_MASKS, 0xFF000000)),
    "alpha of 16 bits": bmp(16, 3, 108, masks(0x7C00, 0x3E0, 0x1F, 0x8000)),
    "alpha in the fifth version": bmp(32, 0, 124, masks(*RGB_MASKS, 0xFF000000)),
}


@pytest.mark.parametrize("name", AMBIGUOUS_BMPS)
def test_bmp_that_browsers_show_otherwise_is_refused(name):
    with pytest.raises(AmbiguousImage):
        decode(AMBIGUOUS_BMPS[name], MAX_PIXELS)


@pytest.mark.parametrize(
    "data",
    [
        bmp(24), bmp(32), bmp(16), bmp(8, palette=GREYS), bmp(4, palette=GREYS[:64]),
        bmp(1, palette=GREYS[:8]), bmp(32, 3, 56, masks(*RGB_MASKS, 0)),
        bmp(16, 3, 56, masks(0xF800, 0x7E0, 0x1F, 0)), bmp(24, 0, 108), bmp(24, 0, 124),
    ],
)  # fmt: skip
def test_ordinary_bmps_are_read(data):
    assert decode(data, MAX_PIXELS).shape == (HEIGHT, WIDTH, 3)


def test_bmp_without_its_header_is_damaged():
    with pytest.raises(DecodeError):
        decode(bmp(24)[:28], MAX_PIXELS)


# --- AVIF and GIF --------------------------------------------------------------------------------


def test_avif_of_which_only_a_part_is_shown_is_refused():
    buffer = io.BytesIO()
    Image.fromarray(SAMPLES).save(buffer, "AVIF")
    data = buffer.getvalue()
    decode(data, MAX_PIXELS)
    clap = struct.pack(">I4s8I", 40, b"clap", 8, 1, 8, 1, 0, 2, 0, 2)
    end = data.index(b"ipco") - 4 + int.from_bytes(data[data.index(b"ipco") - 4 :][:4], "big")
    cut = bytearray(data[:end] + clap + data[end:])
    for box in (b"meta", b"iprp", b"ipco"):
        grow(cut, cut.index(box) - 4, len(clap))
    grow(cut, cut.index(b"iloc") + 18, len(clap))  # where the picture begins
    with pytest.raises(AmbiguousImage):
        decode(bytes(cut), MAX_PIXELS)


def grow(data, place, by):
    data[place : place + 4] = (int.from_bytes(data[place : place + 4], "big") + by).to_bytes(
        4, "big"
    )


def gif(*controls):
    buffer = io.BytesIO()
    Image.fromarray(SAMPLES).quantize(4).save(buffer, "GIF")
    data = buffer.getvalue()
    place = 13 + (3 << ((data[10] & 7) + 1))
    return (
        data[:place]
        + b"".join(b"\x21\xf9\x04" + control + b"\0" for control in controls)
        + data[place:]
    )


def test_gif_whose_transparency_is_withdrawn_is_looked_at_by_people():
    assert not may_be_animated(gif())
    assert not may_be_animated(gif(b"\1\0\0\0"))
    assert may_be_animated(gif(b"\1\0\0\0", bytes(4)))
