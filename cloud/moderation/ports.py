"""What this package needs from outside, each as a role with its whole contract."""

from datetime import datetime
from typing import Protocol

from cloud.moderation.types import Classification, Policy, Verdict
from ml_models.types import Inspection, ModelSpec


class ImageFetcher(Protocol):
    """Fetches what a stranger's URL names, and reaches nothing inside."""

    def fetch(self, url: str) -> bytes:
        """Return the whole body. Raises FetchError or ImageTooManyBytes; never a partial body."""


class Classifier(Protocol):
    """Predicts; thread-safe, and bounded in how much it does at once."""

    @property
    def model(self) -> ModelSpec:
        """The model in use. Raises ModelError while there is none."""

    def classify(self, data: bytes) -> Inspection:
        """Predict all five classes, and take the fingerprint. Raises MlModelsError."""


class ClassificationRecords(Protocol):
    """One record for each content and model, kept for good. All raise StoreUnavailable."""

    def find(self, content_sha256: str, model: ModelSpec) -> Classification | None:
        """Return what is recorded of this content and model, if all of it is."""

    def add(self, classification: Classification) -> Classification:
        """Record a first classification, once: if there is a record already, count it as seen."""

    def seen_again(
        self, recorded: Classification, verdict: Verdict, source_url: str | None, at: datetime
    ) -> Classification:
        """Count one more sight and note where, when and what the rules said of it then."""


class PolicySource(Protocol):
    """Tells the policy in force."""

    def current(self) -> Policy:
        """Return it, or the last valid one while the stored one is invalid.

        Raises StoreUnavailable.
        """


class ReviewQueue(Protocol):
    """Takes images that are in no object of the app's, known by their bytes alone."""

    def offer(self, classification: Classification, data: bytes) -> None:
        """Have a moderator look at the image, once for each content and model however often
        called. Raises StoreUnavailable."""
