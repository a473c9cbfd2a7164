"""The words that every other package uses for what a model says about an image."""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite


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
        if not (isfinite(self.probability) and 0.0 <= self.probability <= 1.0):
            raise ValueError(f"probability of {self.label} is {self.probability}, not in 0..1")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model ready to run: a .tflite file and what was recorded when it was made.

    `version` changes whenever the weights do, so it tells recorded predictions apart.
    """

    name: str
    version: str
    input_size_px: int
