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
    """What a histogram is drawn from."""

    outline: str
    """An SVG path around the bars, as many units wide as there are, and 100 high."""
    tenths: Sequence[tuple[float, float, int]]
    """From, to, and how many: the same for those who cannot see it."""
    review_from: float
    """In percent of the width, as the next."""
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
    tops = [f"V{100 - log1p(count) / most * 100:.1f}h1" for count in counts]
    return ClassHistogram(
        outline=f"M0 100{''.join(tops)}V100Z",
        tenths=[
            (n / 10, (n + 1) / 10, sum(counts[n * _TENTH : (n + 1) * _TENTH])) for n in range(10)
        ],
        review_from=low * 100,
        reject_from=max(low, high) * 100,
    )
