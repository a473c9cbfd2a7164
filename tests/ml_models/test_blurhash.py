"""Our BlurHash is the reference's, character by character, so that every library decodes it."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml_models.blurhash import blurhash

# What the reference implementation in C, as PyPI's blurhash-python 1.2.2 holds it, makes of the
# pictures below. It takes the pixels one by one in Python first, which is what we spare ourselves.
HASHES = json.loads(Path(__file__).with_name("blurhash_hashes.json").read_text())

PICTURES = {
    "ramp": lambda x, y: (x * 8, y * 8, x * 3 + y * 5),
    "checks": lambda x, y: (((x // 4 + y // 4) % 2) * 255,) * 3,
    "noise": lambda x, y: (x * 73 + y * 151, x * 199 + y * 31, x * x + y * 7),
    "black": lambda x, y: (0 * x, 0 * x, 0 * x),
    "white": lambda x, y: (0 * x + 255,) * 3,
    "red": lambda x, y: (0 * x + 255, 0 * x, 0 * x),
    "corner": lambda x, y: (
        np.where((x < 5) & (y < 5), 255, 2),
        np.where((x < 5) & (y < 5), 128, 10),
        np.where((x < 5) & (y < 5), 3, 200),
    ),
}


def pixels(name, width, height):
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return (np.stack(PICTURES[name](x, y), axis=2) % 256).astype(np.uint8)


@pytest.mark.parametrize("name", PICTURES)
def test_hash_is_the_references(name):
    for size, components, expected in HASHES[name]:
        assert blurhash(pixels(name, *size), *components) == expected, (size, components)


def test_length_follows_from_the_components():
    for x, y in [(1, 1), (4, 3), (9, 9)]:
        assert len(blurhash(pixels("noise", 20, 10), x, y)) == 4 + 2 * x * y
