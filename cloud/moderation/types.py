"""The words of moderation, in the order in which data flows: source, policy, verdict, record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite

from ml_models.types import Fingerprint, Label, ModelSpec, Prediction


@dataclass(frozen=True, slots=True)
class UrlSource:
    """An image to be fetched."""

    url: str


@dataclass(frozen=True, slots=True)
class BytesSource:
    """An image that came with the call."""

    data: bytes = field(repr=False)


ImageSource = UrlSource | BytesSource


@dataclass(frozen=True, slots=True)
class Threshold:
    """Above `max` an image is rejected, from `min` on a moderator looks at it; both in 0..1."""

    min: float
    max: float

    def __post_init__(self) -> None:
        if not (isfinite(self.min) and isfinite(self.max) and 0 <= self.min <= self.max <= 1):
            raise ValueError(f"min {self.min} and max {self.max} are not 0 <= min <= max <= 1")


@dataclass(frozen=True, slots=True)
class Policy:
    """Which classes are limited, and how. Without thresholds nothing can be approved.

    Without automation every image goes to a moderator. `version` is None until it is numbered.
    """

    thresholds: Mapping[Label, Threshold]
    automation_enabled: bool = False
    version: int | None = None


class Outcome(StrEnum):
    """What becomes of an image."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of an image, and the sentences that explain it."""

    outcome: Outcome
    reasons: tuple[str, ...]
    policy_version: int | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """What is recorded of one content and one model.

    `predictions` are most probable first, and so are those `on_black` instead of white, for a
    picture that one can see through; `verdict` is by the policy in force when last seen;
    `source_url` is where it was last seen, without credentials, query or fragment.
    """

    content_sha256: str
    byte_count: int
    model: ModelSpec
    predictions: tuple[Prediction, ...]
    fingerprint: Fingerprint
    verdict: Verdict
    source_url: str | None
    seen_count: int
    first_seen_at: datetime
    last_seen_at: datetime
    on_black: tuple[Prediction, ...] | None = None
