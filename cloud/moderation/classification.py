"""Classify one image: bytes, predictions, verdict, record. The middle of the product."""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakValueDictionary

from cloud.clock import utc_now
from cloud.moderation.errors import ImageTooManyBytes
from cloud.moderation.ports import (
    ClassificationRecords,
    Classifier,
    ImageFetcher,
    PolicySource,
    ReviewQueue,
)
from cloud.moderation.rules import judge, of_first_frame
from cloud.moderation.sources import without_credentials
from cloud.moderation.types import (
    Classification,
    ImageSource,
    Outcome,
    Policy,
    UrlSource,
    Verdict,
)
from ml_models.animation import may_be_animated
from ml_models.errors import ClassifierBusy
from ml_models.types import ModelSpec, Prediction

logger = logging.getLogger(__name__)

# Longer than an honest image takes; a hostile one shall not collect calls that wait for it.
_SAME_CONTENT_WAIT_S = 2.0


class ClassificationService:
    """Turns a source into a recorded classification; thread-safe.

    `max_in_flight` bounds the calls that fetch, wait or classify at once, and so the memory that
    their bytes take; one call more is refused at once.
    """

    def __init__(
        self,
        fetcher: ImageFetcher,
        classifier: Classifier,
        records: ClassificationRecords,
        policies: PolicySource,
        reviews: ReviewQueue,
        *,
        max_in_flight: int,
        max_image_bytes: int,
    ) -> None:
        self._fetcher, self._classifier = fetcher, classifier
        self._records, self._policies, self._reviews = records, policies, reviews
        self._max_image_bytes = max_image_bytes
        self._contents = _KeyedLocks()
        self._in_flight = threading.BoundedSemaphore(max_in_flight)

    def classify(self, source: ImageSource, *, is_objects: bool = False) -> Classification:
        """Return the predictions and the verdict on them; they are recorded when this returns.

        The same content with the same model is not inferred twice. Unless it `is_objects`, so has
        a moderation item already, an image that the rules send to review is offered to moderators
        where automation is on. Raises FetchError, ImageTooManyBytes, MlModelsError or
        StoreUnavailable.
        """
        started = time.monotonic()
        with self._admission():
            classification = self._classify(source, is_objects=is_objects)
        _log(classification, time.monotonic() - started)
        return classification

    @contextmanager
    def _admission(self) -> Iterator[None]:
        if not self._in_flight.acquire(blocking=False):
            raise ClassifierBusy("as many calls as allowed are in flight")
        try:
            yield
        finally:
            self._in_flight.release()

    def _classify(self, source: ImageSource, *, is_objects: bool) -> Classification:
        model = self._classifier.model  # first: without a model, fetching would be in vain
        policy = self._policies.current()
        data = self._bytes_of(source)
        source_url = without_credentials(source.url) if isinstance(source, UrlSource) else None
        content_sha256 = hashlib.sha256(data).hexdigest()
        with self._contents.hold(content_sha256):
            classification = self._recorded(data, content_sha256, model, policy, source_url)
            needs_review = classification.verdict.outcome is Outcome.REVIEW
            if needs_review and policy.automation_enabled and not is_objects:
                self._reviews.offer(classification, data)
        return classification

    def _recorded(
        self,
        data: bytes,
        content_sha256: str,
        model: ModelSpec,
        policy: Policy,
        source_url: str | None,
    ) -> Classification:
        recorded = self._records.find(content_sha256, model)
        if recorded is not None:
            verdict = _judge(data, recorded.predictions, policy, recorded.on_black)
            return self._records.seen_again(recorded, verdict, source_url, utc_now())
        inspection = self._classifier.classify(data)
        now = utc_now()
        return self._records.add(
            Classification(
                content_sha256=content_sha256,
                byte_count=len(data),
                model=model,
                predictions=inspection.predictions,
                fingerprint=inspection.fingerprint,
                verdict=_judge(data, inspection.predictions, policy, inspection.on_black),
                source_url=source_url,
                seen_count=1,
                first_seen_at=now,
                last_seen_at=now,
                on_black=inspection.on_black,
            )
        )

    def _bytes_of(self, source: ImageSource) -> bytes:
        data = self._fetcher.fetch(source.url) if isinstance(source, UrlSource) else source.data
        if len(data) > self._max_image_bytes:
            raise ImageTooManyBytes(self._max_image_bytes)
        return data


class _KeyedLocks:
    """A lock for each key while anybody holds or awaits it.

    The same picture sent twice at the same moment is inferred once: the second call waits for the
    first one's record.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the key's lock. Raises ClassifierBusy when another call keeps it too long."""
        with self._guard:
            lock = self._locks.get(key)
            if lock is None:
                lock = self._locks[key] = threading.Lock()
        if not lock.acquire(timeout=_SAME_CONTENT_WAIT_S):
            raise ClassifierBusy("the same image is being classified by another call")
        try:
            yield
        finally:
            lock.release()


def _judge(
    data: bytes,
    predictions: Sequence[Prediction],
    policy: Policy,
    on_black: Sequence[Prediction] | None,
) -> Verdict:
    verdict = judge(predictions, policy, on_black)
    return of_first_frame(verdict) if may_be_animated(data) else verdict


def _log(classification: Classification, elapsed_s: float) -> None:
    top = classification.predictions[0]
    logger.info(
        "classified sha256=%s outcome=%s top=%s:%.4f model=%s seen=%d ms=%.0f",
        classification.content_sha256[:16],
        classification.verdict.outcome,
        top.label,
        top.probability,
        classification.model.name,
        classification.seen_count,
        elapsed_s * 1000,
    )
