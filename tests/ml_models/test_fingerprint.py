"""Fingerprints: PDQ's bits, nearly the same for near copies, and said to be worthless when so.

pdqhash_hashes.json was recorded with PyPI's pdqhash 0.2.8, the bindings of Meta's own code: of
whole pictures, and of 64 x 64 of their pixels (every `step`-th), which are PDQ's cells as they are.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from test_images import encoded

from ml_models.fingerprint import fingerprint
from ml_models.images import decode
from ml_models.types import Fingerprint

RECORDED = json.loads(Path(__file__).with_name("pdqhash_hashes.json").read_text())
PHOTOS = sorted(RECORDED)


def photo(name):
    return Image.fromarray(getattr(data, name)())


def seen(picture, image_format="PNG", **options):
    return fingerprint(decode(encoded(picture, image_format, **options), 50_000_000))


def distance(one, other):
    return (int(one.pdq, 16) ^ int(other.pdq, 16)).bit_count()


@pytest.mark.parametrize("name", PHOTOS)
def test_of_cells_it_makes_the_bits_of_pdqhash(name):
    step = RECORDED[name]["step"]
    pixels = getattr(data, name)()[: 64 * step : step, : 64 * step : step]
    assert fingerprint(pixels) == Fingerprint(**RECORDED[name]["cells"])


@pytest.mark.parametrize("name", PHOTOS)
def test_whole_photo_is_near_what_pdqhash_makes_of_it(name):
    theirs = Fingerprint(**RECORDED[name]["whole"])
    ours = seen(photo(name))
    assert distance(ours, theirs) <= 16
    assert ours.quality == theirs.quality == 100


COPIES = {
    "half as large": lambda p: seen(p.reduce(2)),
    "larger": lambda p: seen(p.resize((p.width * 7 // 4, p.height * 7 // 4))),
    "other proportions": lambda p: seen(p.resize((640, 480))),
    "recompressed": lambda p: seen(p, "JPEG", quality=40),
    "small and recompressed": lambda p: seen(p.reduce(3), "JPEG", quality=60),
    "another format": lambda p: seen(p, "WEBP", quality=70),
    "slightly cropped": lambda p: seen(
        p.crop((p.width // 120, p.height // 120, p.width, p.height)), "JPEG", quality=80
    ),
    "darker": lambda p: seen(p.point(lambda v: v * 0.7)),
}


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("copy", COPIES)
def test_near_copy_differs_in_at_most_31_bits(name, copy):
    assert distance(COPIES[copy](photo(name)), seen(photo(name))) <= 31


def test_other_pictures_differ_in_nearly_half_of_the_bits():
    prints = [seen(photo(name)) for name in PHOTOS]
    prints += [seen(photo("chelsea").transpose(Image.Transpose.FLIP_LEFT_RIGHT))]
    for number, one in enumerate(prints):
        assert all(distance(one, other) > 90 for other in prints[number + 1 :])


def test_turned_rows_are_seen_upright():
    upright = photo("coffee")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    assert distance(seen(turned, "PNG", exif=exif), seen(upright)) == 0


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((300, 400, 3), 128, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.full((1, 5000, 3), 255, np.uint8),
        np.repeat(np.linspace(0, 255, 600).astype(np.uint8), 1200).reshape(600, 400, 3),
    ],
    ids=["grey", "one pixel", "one row", "gradient"],
)
def test_picture_without_detail_has_a_low_quality(pixels):
    assert fingerprint(pixels).quality < 50


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_that_is_another_one_at_the_sampled_places_is_known_as_neither(turned):
    """An image-scaling attack: a copy for us, and for the model, of what was approved once."""
    approved, shown = (
        np.asarray(photo(name).resize((2048, 2048))) for name in ("coffee", "astronaut")
    )
    places = (2 * np.arange(256) + 1) * 2048 // 512
    crafted = shown.copy()
    crafted[np.ix_(places, places)] = approved[np.ix_(places, places)]
    if turned:
        crafted, approved = crafted.transpose(1, 0, 2), approved.transpose(1, 0, 2)
    assert distance(fingerprint(crafted), fingerprint(approved)) == 0
    assert (fingerprint(crafted).quality, fingerprint(approved).quality) == (0, 100)


@pytest.mark.parametrize(
    ("pdq", "quality"),
    [("AB" * 32, 50), ("ab" * 31, 50), ("ab" * 33, 50), ("zz" * 32, 50), ("ab" * 32, 101)],
)
def test_fingerprint_of_another_form_is_refused(pdq, quality):
    with pytest.raises(ValueError, match="not"):
        Fingerprint(pdq, quality)
