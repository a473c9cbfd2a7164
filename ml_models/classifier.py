"""Image bytes in, five predictions out, on a bounded number of cores.

Owns the LiteRT interpreters and who may use one when. Knows no thresholds: what a prediction means
for an image is decided elsewhere.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ml_models.errors import ClassifierBusy, ModelDamaged, ModelError, ModelMissing
from ml_models.images import decode, resize
from ml_models.pretrained import ModelFile
from ml_models.types import Label, ModelSpec, Prediction

logger = logging.getLogger(__name__)

# A model that could not be loaded is looked for again, but not at every call of a busy server.
_RELOAD_INTERVAL_S = 1.0


class NsfwClassifier:
    """Classifies images with one model; thread-safe.

    Decoding and inference both run under a permit, because both keep a core busy: more at once
    than there are cores only makes every caller wait longer. `invoke` releases the GIL, so threads
    suffice. The model is loaded by `load_model` at the first use, or by `warm_up`, and tried again
    while it is missing. Create it after forking: interpreters do not survive a fork.
    """

    def __init__(
        self,
        load_model: Callable[[], ModelFile],
        *,
        permits: int,
        max_waiting: int,
        max_wait_s: float,
        max_pixels: int,
    ) -> None:
        self._load_model = load_model
        self._permits, self._max_waiting = permits, max_waiting
        self._max_wait_s = max_wait_s
        self._max_pixels = max_pixels
        self._loading = threading.Lock()
        self._pool: _InterpreterPool | None = None
        self._failure: tuple[float, ModelError] | None = None

    @property
    def model(self) -> ModelSpec:
        """The loaded model. Raises ModelError as `classify` does."""
        return self._ready_pool().model

    def warm_up(self) -> None:
        """Load the model and run it once, so that the first caller does not wait for either."""
        pool = self._ready_pool()
        size_px = pool.model.input_size_px
        with pool.permit() as interpreter:
            interpreter.probabilities(np.zeros((size_px, size_px, 3), np.float32))

    def classify(self, data: bytes) -> tuple[Prediction, ...]:
        """Predict all five classes, most probable first.

        Raises ImageError for bytes that are no whole image within the limits, ClassifierBusy at
        once when the queue for a permit is full and after `max_wait_s` when none came free, and
        ModelError when no model can be loaded.
        """
        pool = self._ready_pool()
        with pool.permit() as interpreter:
            pixels = resize(decode(data, self._max_pixels), pool.model.input_size_px)
            probabilities = interpreter.probabilities(pixels)
        return _most_probable_first(probabilities)

    def _ready_pool(self) -> "_InterpreterPool":
        if self._pool is None:
            if not self._loading.acquire(timeout=self._max_wait_s):
                raise ModelMissing("the model is still being loaded")
            try:
                self._load_unless_loaded()
            finally:
                self._loading.release()
        assert self._pool is not None  # noqa: S101 - tells mypy what the line above established
        return self._pool

    def _load_unless_loaded(self) -> None:
        if self._pool is not None:
            return
        if self._failure and time.monotonic() - self._failure[0] < _RELOAD_INTERVAL_S:
            raise self._failure[1]
        try:
            self._pool = self._new_pool(self._load_model())
        except ModelError as error:
            self._failure = (time.monotonic(), error)
            raise

    def _new_pool(self, model: ModelFile) -> "_InterpreterPool":
        try:
            interpreters = [_SingleThreadInterpreter(model) for _ in range(self._permits)]
        except (ValueError, RuntimeError) as error:  # what LiteRT raises for a bad file
            raise ModelDamaged(f"{model.path} cannot be loaded: {error}") from error
        logger.info("model %s %s loaded", model.spec.name, model.spec.version)
        return _InterpreterPool(model.spec, interpreters, self._max_waiting, self._max_wait_s)


class _SingleThreadInterpreter:
    """One LiteRT interpreter on one thread: measured faster in sum than one on all cores."""

    def __init__(self, model: ModelFile) -> None:
        self._interpreter = Interpreter(model_path=str(model.path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def probabilities(self, pixels: NDArray[np.float32]) -> list[float]:
        """Run the model on float32 [S, S, 3] in 0..1; five probabilities in Label order."""
        self._interpreter.set_tensor(self._input, pixels[np.newaxis])
        self._interpreter.invoke()
        output: list[float] = self._interpreter.get_tensor(self._output)[0].tolist()
        return output


class _InterpreterPool:
    """As many permits as interpreters, and a bounded queue of threads that wait for one."""

    def __init__(
        self,
        model: ModelSpec,
        interpreters: list[_SingleThreadInterpreter],
        max_waiting: int,
        max_wait_s: float,
    ) -> None:
        self.model = model
        self._max_wait_s = max_wait_s
        self._waiting = threading.BoundedSemaphore(max_waiting)
        self._idle: queue.LifoQueue[_SingleThreadInterpreter] = queue.LifoQueue()
        for interpreter in interpreters:
            self._idle.put(interpreter)

    @contextmanager
    def permit(self) -> Iterator[_SingleThreadInterpreter]:
        interpreter = self._take()
        try:
            yield interpreter
        finally:
            self._idle.put(interpreter)

    def _take(self) -> _SingleThreadInterpreter:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._wait()

    def _wait(self) -> _SingleThreadInterpreter:
        if not self._waiting.acquire(blocking=False):
            raise ClassifierBusy("the queue for a permit is full")
        try:
            return self._idle.get(timeout=self._max_wait_s)
        except queue.Empty:
            raise ClassifierBusy(f"no permit came free within {self._max_wait_s} s") from None
        finally:
            self._waiting.release()


def _most_probable_first(probabilities: list[float]) -> tuple[Prediction, ...]:
    # The softmax of a float32 sum can exceed 1 by a rounding error.
    predictions = [
        Prediction(label, min(probability, 1.0))
        for label, probability in zip(Label, probabilities, strict=True)
    ]
    return tuple(sorted(predictions, key=lambda p: p.probability, reverse=True))
