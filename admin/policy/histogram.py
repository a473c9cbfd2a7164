"""One class's predictions as bars, and its thresholds as zones over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p

from admin.policy.form import PolicyForm
from cloud.moderation.score_histogram import BINS
from ml_models.types import Label

_TENTH = BINS // 10


@dataclass(frozen=True, slots=True)
class ClassHistogram:
    """What a histogram is drawn from, in percent of its width and height."""

    bars: Sequence[tuple[float, float]]
    """Where each begins, and how high it is; empty ones are left out."""
    bar_width: float
    tenths: Sequence[tuple[float, float, int]]
    """From, to, and how many: the same for those who cannot see it."""
    review_from: float
    reject_from: float


def histograms(
    counts: Mapping[Label, Sequence[int]], form: PolicyForm
) -> Mapping[str, ClassHistogram]:
    """Draw each class of a form. Heights are logarithms, or most bars could not be seen."""
    return {
        fields.label.value: _histogram(
            counts[fields.label], fields.min.number or 0.0, fields.max.number or 0.0
        )
        for fields in form.classes
    }


def _histogram(counts: Sequence[int], low: float, high: float) -> ClassHistogram:
    most = log1p(max(counts)) or 1.0
    width = 100 / BINS
    return ClassHistogram(
        bars=[(n * width, log1p(count) / most * 100) for n, count in enumerate(counts) if count],
        bar_width=width,
        tenths=[
            (n / 10, (n + 1) / 10, sum(counts[n * _TENTH : (n + 1) * _TENTH])) for n in range(10)
        ],
        review_from=low * 100,
        reject_from=max(low, high) * 100,
    )
