"""Which pictures move."""

import io

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


def test_plain_gif_is_none():
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(out, "GIF")
    assert not may_be_animated(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"RIFF", b"RIFF....WEBPVP8X", b"\0\0\0\0ftyp"])
def test_what_ends_early_is_none(data):
    assert not may_be_animated(data)
