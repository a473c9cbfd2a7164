"""WebP is decoded without Pillow's four copies, to the same pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from ml_models import webp
from ml_models.errors import DecodeError
from ml_models.images import decode

rng = np.random.default_rng(7)
LAYERS = np.kron(rng.integers(0, 256, (9, 13, 4), np.uint8), np.ones((17, 19, 1), np.uint8))
KINDS = {
    "lossy": ("RGB", {"quality": 60}),
    "lossless": ("RGB", {"lossless": True}),
    "lossy with alpha": ("RGBA", {"quality": 60}),
    "lossless with alpha": ("RGBA", {"lossless": True, "exact": True}),
}


def written(mode, **options):
    buffer = io.BytesIO()
    Image.fromarray(LAYERS).convert(mode).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def by_pillow(data):
    layer = Image.open(io.BytesIO(data))
    if layer.mode == "RGBA":
        white = Image.new("RGBA", layer.size, "white")
        layer = Image.alpha_composite(white, layer.convert("RGBA"))
    return np.asarray(layer.convert("RGB"))


@pytest.mark.parametrize(("mode", "options"), KINDS.values(), ids=KINDS)
def test_pixels_are_those_that_pillow_finds(mode, options):
    data = written(mode, **options)
    assert np.array_equal(decode(data, 10**6), by_pillow(data))
    layers = np.empty((*LAYERS.shape[:2], len(mode)), np.uint8)
    assert webp.decode_into(data, layers), "or the test above compares Pillow with itself"


def test_animation_is_left_to_pillow():
    first, second = Image.fromarray(LAYERS).convert("RGB"), Image.new("RGB", (247, 153), "red")
    buffer = io.BytesIO()
    first.save(buffer, "WEBP", save_all=True, append_images=[second], lossless=True)
    data = buffer.getvalue()
    assert not webp.decode_into(data, np.empty((*LAYERS.shape[:2], 3), np.uint8))
    assert np.array_equal(decode(data, 10**6), np.asarray(first))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("part", [0.4, 0.9])
def test_what_is_cut_short_is_never_a_picture(mode, part):
    data = written(mode, quality=60)
    with pytest.raises(DecodeError):
        decode(data[: int(len(data) * part)], 10**6)


def test_memory_of_another_size_is_not_written_to():
    data = written("RGB", quality=60)
    assert not webp.decode_into(data, np.empty((10, 10, 3), np.uint8))
    assert not webp.decode_into(b"RIFF", np.empty((10, 10, 3), np.uint8))


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = written("RGB", lossless=True, exif=exif.tobytes())
    assert np.array_equal(decode(data, 10**6), np.rot90(LAYERS[:, :, :3], -1))
