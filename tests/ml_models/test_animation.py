"""Which pictures move."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from ml_models.animation import may_be_animated


def picture(format, frames):
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(frames)]
    out = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    images[0].save(out, format, **more)
    return out.getvalue()


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_several_frames_are_an_animation(format):
    assert may_be_animated(picture(format, 3))


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF", "JPEG", "BMP"])
def test_one_frame_is_none(format):
    assert not may_be_animated(picture(format, 1))


def plain_gif():
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(out, "GIF")
    return out.getvalue()


def test_plain_gif_is_none():
    assert not may_be_animated(plain_gif())
    assert not may_be_animated(plain_gif() + bytes(3))


def test_a_large_still_gif_is_none():
    """Among so many bytes there are some that look like the beginning of a frame."""
    data = picture("GIF", 1)
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (600, 600, 3), np.uint8))
    out = io.BytesIO()
    noise.save(out, "GIF")
    assert out.getvalue().count(b"\x00\x2c") > 1
    assert not may_be_animated(out.getvalue())
    assert not may_be_animated(data)


def sneaking_gif():
    """Two frames, of which the first is announced by nothing, and follows on no zero."""
    first, second = (part(colour) for colour in ("blue", "red"))
    head = b"GIF89a\x28\0\x28\0\x80\0\0" + first[0][:-1] + b"\xff"
    table, frame = second
    local = frame[:9] + b"\x80" + table + frame[10:]
    return head + first[1] + b"\x21\xf9\x04\0\x64\0\0\0" + local + b";"


def part(colour):
    """The colour table and the frame of a GIF of one colour."""
    out = io.BytesIO()
    Image.new("P", (40, 40)).save(
        out, "GIF", palette=bytes(Image.new("RGB", (2, 1), colour).tobytes())
    )
    data = out.getvalue()
    size = 3 << ((data[10] & 7) + 1)
    start = data.index(b",\0\0\0\0\x28\0\x28\0", 13 + size)
    return data[13 : 13 + size][:6], data[start:-1]


def test_a_frame_that_nothing_announces_counts():
    data = sneaking_gif()
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert may_be_animated(data)


@pytest.mark.parametrize(
    "between", [b"\0", b"\xff", b"!\xfe\x01x\0", b"!\xfe\x01x\0\xff", b";", b";\0;"]
)
def test_what_stands_between_frames_hides_none(between):
    data = sneaking_gif()
    second = data.index(b"!\xf9\x04")
    assert may_be_animated(data[:second] + between + data[second:])


def test_a_gif_in_crumbs_is_taken_for_an_animation_at_once():
    head, _, _ = sneaking_gif().partition(b",")
    crumbs = b",\0\0\0\0\x28\0\x28\0\0\x02" + b"\x01" * 2_000_000 + b"\0;"
    assert may_be_animated(head + crumbs)


def of_brands(data, major, *compatible):
    """An AVIF or HEIF file that says to be of these brands; they take up the same place."""
    (size,) = struct.unpack(">I", data[:4])
    room = (size - 16) // 4
    names = [*compatible, *[b"miaf"] * room][:room]
    return data[:8] + major + bytes(4) + b"".join(names) + data[size:]


@pytest.mark.parametrize("brands", [(b"mif1", b"avif"), (b"avif", b"mif1"), (b"avio", b"avif")])
def test_a_film_in_an_image_counts_whatever_its_brand(brands):
    assert may_be_animated(of_brands(picture("AVIF", 2), *brands))
    assert not may_be_animated(of_brands(picture("AVIF", 1), *brands))


def test_a_box_with_a_long_size_hides_no_film():
    data = of_brands(picture("AVIF", 2), b"mif1", b"avif")
    long_box = struct.pack(">I4sQ", 1, b"free", 20) + bytes(4)
    film = data.index(b"moov") - 4
    assert may_be_animated(data[:film] + long_box + data[film:])


def test_a_film_that_a_phone_adds_to_a_photo_is_no_animation():
    photo, film = of_brands(picture("AVIF", 1), b"avif"), picture("AVIF", 2)
    assert not may_be_animated(photo + struct.pack(">I4s", 8 + len(film), b"mpvd") + film)


def test_a_brand_behind_many_others_counts():
    data = picture("AVIF", 1)
    brands = [b"avif", *[b"miaf"] * 40, b"avis"]
    box = b"ftypavif" + bytes(4) + b"".join(brands)
    (size,) = struct.unpack(">I", data[:4])
    assert may_be_animated(struct.pack(">I", len(box) + 4) + box + data[size:])


def test_frames_of_a_webp_that_does_not_say_so_count():
    data = bytearray(picture("WEBP", 2))
    data[20] &= ~0x02
    assert may_be_animated(bytes(data))


@pytest.mark.parametrize("big", [False, True])
def test_a_second_page_counts(big):
    """An app on a Mac shows the page that suits its screen."""
    out = io.BytesIO()
    pages = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "red")]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], big_tiff=big)
    assert may_be_animated(out.getvalue())
    out = io.BytesIO()
    pages[0].save(out, "TIFF", big_tiff=big)
    assert not may_be_animated(out.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"GIF89a", b"RIFF", b"RIFF....WEBPVP8X", b"\0\0\0\0ftyp", b"II*\0", b"MM\0+\0\x08",
        b"II*\0\xff\xff\xff\xff", b"GIF89a\x28\0\x28\0\x80\0\0", plain_gif()[:-20],
    ],
)  # fmt: skip
def test_what_ends_early_is_none(data):
    assert not may_be_animated(data)
