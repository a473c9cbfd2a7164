"""The words that every other package uses for what a model says about an image."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """The five nsfwjs classes, in the order of the model's output (nsfwjs `nsfw_classes.ts`)."""

    DRAWING = "Drawing"
    HENTAI = "Hentai"
    NEUTRAL = "Neutral"
    PORN = "Porn"
    SEXY = "Sexy"


@dataclass(frozen=True, slots=True)
class Prediction:
    """How probable the model finds one class; `probability` is finite and in 0..1."""

    label: Label
    probability: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.probability) and 0.0 <= self.probability <= 1.0):
            raise ValueError(f"probability of {self.label} is {self.probability}, not in 0..1")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What near copies of a picture have nearly in common.

    `pdq` is a PDQ hash: 64 hexadecimal digits in lower case, of whose 256 bits two unrelated
    pictures share about half. `quality` is PDQ's, in 0..100: a picture without detail has 0, and
    a hash that says nothing.
    """

    pdq: str
    quality: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.pdq):
            raise ValueError(f"{self.pdq!r} is not 64 hexadecimal digits in lower case")
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is {self.quality}, not in 0..100")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is found out about one image: all five predictions, most probable first, and its
    fingerprint, of the picture on white."""

    predictions: tuple[Prediction, ...]
    fingerprint: Fingerprint
    on_black: tuple[Prediction, ...] | None = None
    """What the model says of it on black; None where nothing is seen through."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model ready to run: a .tflite file and what was recorded when it was made.

    `version` changes whenever the weights do, so it tells recorded predictions apart.
    """

    name: str
    version: str
    input_size_px: int


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a picture is made of an image for a person to look at.

    `veiled` is blurred and grey, so that nothing of it disturbs and nothing can be recognised.
    With `most_pixels` the longest side is shorter where there would be more of them.
    """

    longest_side_px: int
    veiled: bool = False
    most_pixels: int | None = None

    def longest_side_of(self, width: int, height: int) -> int:
        """Return how long the longest side of an image's picture is at most, in pixels."""
        if self.most_pixels is None:
            return self.longest_side_px
        longest, shortest = max(width, height), min(width, height)
        return min(self.longest_side_px, math.isqrt(self.most_pixels * longest // shortest))
