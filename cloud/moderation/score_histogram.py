"""How often which probability was predicted. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from ml_models.types import Label, Prediction

BINS = 50
"""Each as wide as two hundredths; the last one holds 1.0 as well."""


def score_histograms(images: Iterable[Sequence[Prediction]]) -> Mapping[Label, Sequence[int]]:
    """Count each class's probabilities, bin by bin from 0 to 1."""
    counts = {label: [0] * BINS for label in Label}
    for predictions in images:
        for prediction in predictions:
            counts[prediction.label][min(int(prediction.probability * BINS), BINS - 1)] += 1
    return counts
