"""The ports of moderation, measured: each does what the one inside it does, and counts.

So moderation itself knows nothing of figures, and nothing is measured in two places.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from cloud.moderation.errors import FetchError, ImageTooManyBytes
from cloud.moderation.items import Claim, Decision, is_person
from cloud.moderation.ports import ClassificationRecords, Classifier, ImageFetcher
from cloud.moderation.types import Classification, Verdict
from ml_models.errors import ClassifierBusy, ImageError
from ml_models.types import Inspection, ModelSpec
from server.moderation.items import StoredItems
from server.objects.schemas import Schemas
from server.storage.port import Database
from server.telemetry.tracing import Span, make_span


class Telemetry:
    """What one process tells its operator. Make it after forking."""

    def __init__(self) -> None:
        from server.telemetry.metrics import Metrics  # see there: it must not come too early

        self.metrics: Metrics = Metrics()
        self.span: Span = make_span()
        # Looking labels up takes longer than counting does.
        self._seconds_of = cache(self.metrics.stage_seconds.labels)
        self._answers_of = cache(self.metrics.requests.labels)
        self._answer_seconds_of = cache(self.metrics.request_seconds.labels)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a part of a classification, and show it in the trace."""
        started = time.perf_counter()
        with self.span(name):
            try:
                yield
            finally:
                self.took(name, time.perf_counter() - started)

    def took(self, stage: str, seconds: float) -> None:
        """Count what was timed elsewhere."""
        self._seconds_of(stage).observe(seconds)

    def answered(self, face: str, status: int, seconds: float) -> None:
        """Count an answer to a request."""
        self._answers_of(face, str(status)).inc()
        self._answer_seconds_of(face).observe(seconds)


_FACES = ("admin", "api", "files", "functions", "health", "metrics")


def observer(telemetry: Telemetry, mounts: Sequence[str]) -> Callable[[str, int, float], None]:
    """Return what counts an answer by the face of the server that gave it: Parse's, the panel's."""
    faces = {mount.strip("/").lower(): "parse" for mount in mounts} | {
        name: name for name in _FACES
    }

    def observe(path: str, status: int, seconds: float) -> None:
        telemetry.answered(faces.get(path[1:].partition("/")[0].lower(), "other"), status, seconds)

    return observe


class MeasuredFetcher:
    """An ImageFetcher that counts what came of it."""

    def __init__(self, fetcher: ImageFetcher, telemetry: Telemetry) -> None:
        self._fetcher, self._telemetry = fetcher, telemetry

    def fetch(self, url: str) -> bytes:
        """See the port."""
        result = "failed"
        try:
            with self._telemetry.stage("fetch"):
                data = self._fetcher.fetch(url)
            result = "fetched"
        except (FetchError, ImageTooManyBytes) as error:
            result = type(error).__name__
            raise
        else:
            return data
        finally:
            self._telemetry.metrics.fetches.labels(result).inc()


class MeasuredClassifier:
    """A Classifier that counts errors and busy answers; its stages are timed where they happen."""

    def __init__(self, classifier: Classifier, telemetry: Telemetry) -> None:
        self._classifier, self._telemetry = classifier, telemetry

    @property
    def model(self) -> ModelSpec:
        """See the port."""
        return self._classifier.model

    def classify(self, data: bytes) -> Inspection:
        """See the port."""
        metrics = self._telemetry.metrics
        try:
            with self._telemetry.stage("classify"):
                return self._classifier.classify(data)
        except ClassifierBusy:
            metrics.busy.inc()
            raise
        except ImageError as error:
            metrics.image_errors.labels(type(error).__name__).inc()
            raise


class MeasuredRecords:
    """ClassificationRecords that count outcomes and time the database."""

    def __init__(self, records: ClassificationRecords, telemetry: Telemetry) -> None:
        self._records, self._telemetry = records, telemetry

    def find(self, content_sha256: str, model: ModelSpec) -> Classification | None:
        """See the port."""
        with self._telemetry.stage("look up"):
            return self._records.find(content_sha256, model)

    def add(self, classification: Classification) -> Classification:
        """See the port."""
        with self._telemetry.stage("record"):
            added = self._records.add(classification)
        self._count(added, "new")
        return added

    def seen_again(
        self, recorded: Classification, verdict: Verdict, source_url: str | None, at: datetime
    ) -> Classification:
        """See the port."""
        with self._telemetry.stage("record"):
            seen = self._records.seen_again(recorded, verdict, source_url, at)
        self._count(seen, "again")
        return seen

    def _count(self, classification: Classification, recorded: str) -> None:
        outcome = classification.verdict.outcome.value
        self._telemetry.metrics.classifications.labels(outcome, recorded).inc()


class CountedItems(StoredItems):
    """Items that count each transition once, by who made it: rules, memory, system or a person."""

    def __init__(self, database: Database, schemas: Schemas, telemetry: Telemetry) -> None:
        super().__init__(database, schemas)
        self._decisions = telemetry.metrics.decisions

    def decide(self, decision: Decision, claim: Claim | None = None) -> bool:
        return self._counted(decision, is_made=super().decide(decision, claim))

    def end_unshown(self, ended: Decision) -> bool:
        return self._counted(ended, is_made=super().end_unshown(ended))

    def _counted(self, decision: Decision, *, is_made: bool) -> bool:
        if is_made:
            by = "person" if is_person(decision.decided_by) else decision.decided_by
            self._decisions.labels(decision.after.value, by).inc()
        return is_made
