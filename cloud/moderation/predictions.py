"""Predictions as nsfwjs writes them, on the wire and in stored columns alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from ml_models.types import Label, Prediction


def to_objects(predictions: Iterable[Prediction]) -> list[dict[str, Any]]:
    """`[{"className": "Neutral", "probability": 0.93}, ...]`, in the order given."""
    return [{"className": p.label.value, "probability": p.probability} for p in predictions]


def from_objects(objects: Iterable[Mapping[str, Any]]) -> tuple[Prediction, ...]:
    """The reverse. Raises KeyError or ValueError for anything else."""
    return tuple(Prediction(Label(o["className"]), float(o["probability"])) for o in objects)
