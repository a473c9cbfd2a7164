"""Image bytes in; five predictions and a fingerprint, a placeholder, or a small picture out.

Owns the model and the child processes that use it, on a bounded number of cores. Knows no
thresholds: what a prediction means for an image is decided elsewhere.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from ml_models import requests
from ml_models.children import Child, ChildPool
from ml_models.errors import DecodeError, ModelDamaged, ModelError, ModelMissing
from ml_models.memory import MAX_BYTES
from ml_models.pretrained import ModelFile
from ml_models.types import Fingerprint, Inspection, Label, ModelSpec, Prediction, Rendering

logger = logging.getLogger(__name__)

# A model that could not be loaded is looked for again, but not at every call of a busy server.
_RELOAD_INTERVAL_S = 1.0
_JPEG = b"\xff\xd8\xff"


class NsfwClassifier:
    """Classifies images with one model; thread-safe.

    A permit is a child process that decodes and infers on one core. More at once than there are
    cores would only make every caller wait longer. The model is loaded by `load_model` at the
    first use, or by `warm_up`, and tried again while it is missing.
    """

    def __init__(
        self,
        load_model: Callable[[], ModelFile],
        *,
        permits: int,
        max_waiting: int,
        max_wait_s: float,
        max_pixels: int,
        max_memory: int = MAX_BYTES,
        on_stage: Callable[[str, float], None] = lambda _stage, _seconds: None,
    ) -> None:
        """`on_stage` is told how many seconds each of `decode`, `prepare` and `model` took."""
        self._load_model, self._on_stage = load_model, on_stage
        self._permits, self._max_waiting = permits, max_waiting
        self._max_wait_s = max_wait_s
        self._max_pixels, self._max_memory = max_pixels, max_memory
        self._loading = threading.Lock()
        self._pool: ChildPool | None = None
        self._closed = False
        self._failure: tuple[float, ModelError] | None = None

    @property
    def model(self) -> ModelSpec:
        """The loaded model. Raises ModelError as `classify` does."""
        return self._ready_pool().model

    def classify(self, data: bytes, *, patient: bool = False) -> Inspection:
        """Predict all five classes, most probable first, and take the fingerprint.

        Raises ImageError for bytes that are no whole image within the limits of pixels and time,
        ClassifierBusy at once when the queue for a permit is full and after `max_wait_s` when none
        came free, and ModelError when no model can be loaded. Who is patient is not turned away
        from a full queue, and waits longer.
        """
        with self._ready_pool().permit(patient=patient) as child:
            facts = child.ask(requests.CLASSIFY, data).facts
        for stage, seconds in facts["seconds"].items():
            self._on_stage(stage, seconds)
        return _inspection(facts)

    def picture(self, data: bytes, rendering: Rendering) -> bytes:
        """Make a JPEG for a person to look at: upright, the first frame, without metadata.

        Raises as `classify` does.
        """
        with self._ready_pool().permit() as child:
            made = child.ask(requests.picture(rendering), data).picture
        if not made.startswith(_JPEG):
            raise DecodeError("the decoder made no picture")
        return made

    def placeholder(self, data: bytes) -> str:
        """Make a BlurHash.

        Raises ImageError as `classify` does, or because it would take too long; ClassifierBusy at
        once when no permit is free; and ModelError while no model is loaded: it waits for nothing.
        """
        if self._pool is None:
            raise ModelMissing("the model is not loaded yet")
        with self._pool.permit(waits=False) as child:
            return str(child.ask(requests.PLACEHOLDER, data).facts["placeholder"])

    def warm_up(self) -> None:
        """Load the model, so that the first caller does not wait. Raises ModelError."""
        self._ready_pool()

    def check(self) -> None:
        """Raise ModelError unless images can be classified now."""
        self._ready_pool().check()

    def close(self) -> None:
        """End the child processes; the classifier is not used again."""
        with self._loading:  # what is just being loaded is closed as well
            self._closed = True
            if self._pool is not None:
                self._pool.close()

    def _ready_pool(self) -> ChildPool:
        if self._pool is not None:
            return self._pool
        if not self._loading.acquire(timeout=self._max_wait_s):
            raise ModelMissing("the model is still being loaded")
        try:
            return self._load_unless_loaded()
        finally:
            self._loading.release()

    def _load_unless_loaded(self) -> ChildPool:
        if self._pool is not None:
            return self._pool
        if self._closed:
            raise ModelMissing("the classifier is closed")
        if self._failure and time.monotonic() - self._failure[0] < _RELOAD_INTERVAL_S:
            raise self._failure[1]
        try:
            self._pool = self._new_pool(self._load_model())
        except (ModelError, OSError) as error:
            failure = error if isinstance(error, ModelError) else ModelMissing(str(error))
            self._failure = (time.monotonic(), failure)
            raise failure from error
        return self._pool

    def _new_pool(self, model: ModelFile) -> ChildPool:
        children: list[Child] = []
        try:
            for _ in range(self._permits):
                children.append(self._new_child(model))
            for child in children:
                child.wait_until_ready()
        except BaseException:
            for child in children:
                child.close()
            raise
        logger.info("model %s %s loaded", model.spec.name, model.spec.version)
        return ChildPool(model.spec, children, self._max_waiting, self._max_wait_s)

    def _new_child(self, model: ModelFile) -> Child:
        return Child(model, self._load_model, self._max_pixels, self._max_memory)


class PatientClassifier:
    """A classifier for images that are in nobody's call: however many callers there are, its turn
    comes. It is for as many threads as there are permits."""

    def __init__(self, classifier: NsfwClassifier) -> None:
        self._classifier = classifier

    @property
    def model(self) -> ModelSpec:
        """The loaded model. Raises ModelError as `classify` does."""
        return self._classifier.model

    def classify(self, data: bytes) -> Inspection:
        """Predict as `NsfwClassifier.classify` does."""
        return self._classifier.classify(data, patient=True)


def _inspection(answer: dict[str, Any]) -> Inspection:
    try:
        predictions = _most_probable_first(answer["probabilities"])
        seen = Fingerprint(answer["pdq"], answer["quality"])
        black = answer["on_black"]
        on_black = None if black is None else _most_probable_first(black)
        return Inspection(predictions, seen, on_black)
    except ValueError as error:
        raise ModelDamaged(f"the model answers nonsense: {error}") from error


def _most_probable_first(probabilities: list[float]) -> tuple[Prediction, ...]:
    # The softmax of a float32 sum can exceed 1 by a rounding error.
    predictions = [
        Prediction(label, min(probability, 1.0))
        for label, probability in zip(Label, probabilities, strict=True)
    ]
    return tuple(sorted(predictions, key=lambda p: p.probability, reverse=True))
