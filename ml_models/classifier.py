"""Image bytes in, five predictions and a fingerprint out, on a bounded number of cores.

Owns the child processes that decode and infer, and who may use one when. Knows no thresholds:
what a prediction means for an image is decided elsewhere.
"""

import json
import logging
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ml_models.errors import (
    IMAGE_ERRORS,
    ClassifierBusy,
    DecodeError,
    ModelDamaged,
    ModelError,
    ModelMissing,
)
from ml_models.pretrained import ModelFile
from ml_models.types import Fingerprint, Inspection, Label, ModelSpec, Prediction

logger = logging.getLogger(__name__)

# A model that could not be loaded is looked for again, but not at every call of a busy server.
_RELOAD_INTERVAL_S = 1.0
# Starting takes half a second; the slowest honest image, 50 megapixels of AVIF, some three. With
# the waits for a permit and for the same image this keeps every answer within 15 s.
_ANSWER_LIMIT_S = 8

# glibc's malloc by default returns the megabytes of every image to the kernel, page by page, and
# asks for them again for the next: a third of the time of decoding and resizing. A child may keep
# them, in huge pages. Other C libraries ignore this.
_KEEP_MEMORY = ":".join(
    [
        "glibc.malloc.mmap_threshold=33554432",
        "glibc.malloc.trim_threshold=134217728",
        "glibc.malloc.top_pad=16777216",
        "glibc.malloc.hugetlb=1",
    ]
)

_REPOSITORY = Path(__file__).resolve().parent.parent


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
    ) -> None:
        self._load_model = load_model
        self._permits, self._max_waiting = permits, max_waiting
        self._max_wait_s = max_wait_s
        self._max_pixels = max_pixels
        self._loading = threading.Lock()
        self._pool: _ChildPool | None = None
        self._failure: tuple[float, ModelError] | None = None

    @property
    def model(self) -> ModelSpec:
        """The loaded model. Raises ModelError as `classify` does."""
        return self._ready_pool().model

    def classify(self, data: bytes) -> Inspection:
        """Predict all five classes, most probable first, and take the fingerprint.

        Raises ImageError for bytes that are no whole image within the limits of pixels and time,
        ClassifierBusy at once when the queue for a permit is full and after `max_wait_s` when none
        came free, and ModelError when no model can be loaded.
        """
        with self._ready_pool().permit() as child:
            return _inspection(child.inspect(data))

    def warm_up(self) -> None:
        """Load the model, so that the first caller does not wait. Raises ModelError."""
        self._ready_pool()

    def check(self) -> None:
        """Raise ModelError unless images can be classified now."""
        self._ready_pool().check()

    def close(self) -> None:
        """End the child processes; the classifier is not used again."""
        if self._pool is not None:
            self._pool.close()

    def _ready_pool(self) -> "_ChildPool":
        if self._pool is not None:
            return self._pool
        if not self._loading.acquire(timeout=self._max_wait_s):
            raise ModelMissing("the model is still being loaded")
        try:
            return self._load_unless_loaded()
        finally:
            self._loading.release()

    def _load_unless_loaded(self) -> "_ChildPool":
        if self._pool is not None:
            return self._pool
        if self._failure and time.monotonic() - self._failure[0] < _RELOAD_INTERVAL_S:
            raise self._failure[1]
        try:
            self._pool = self._new_pool(self._load_model())
        except (ModelError, OSError) as error:
            failure = error if isinstance(error, ModelError) else ModelMissing(str(error))
            self._failure = (time.monotonic(), failure)
            raise failure from error
        return self._pool

    def _new_pool(self, model: ModelFile) -> "_ChildPool":
        children: list[_Child] = []
        try:
            for _ in range(self._permits):
                children.append(_Child(model, self._load_model, self._max_pixels))
            for child in children:
                child.wait_until_ready()
        except BaseException:
            for child in children:
                child.stop()
            raise
        logger.info("model %s %s loaded", model.spec.name, model.spec.version)
        return _ChildPool(model.spec, children, self._max_waiting, self._max_wait_s)


class _ChildLost(Exception):
    """The process ended while it had an image."""


class _ChildPool:
    """As many permits as children, and a bounded queue of threads that wait for one."""

    def __init__(
        self, model: ModelSpec, children: "list[_Child]", max_waiting: int, max_wait_s: float
    ) -> None:
        self.model = model
        self._children = children
        self._max_wait_s = max_wait_s
        self._waiting = threading.BoundedSemaphore(max_waiting)
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        for child in children:
            self._idle.put(child)

    @contextmanager
    def permit(self) -> "Iterator[_Child]":
        child = self._take()
        try:
            yield child
        finally:
            self._idle.put(child)

    def check(self) -> None:
        if not any(child.is_running() for child in self._children):
            raise ModelDamaged("no classifier process is running")

    def close(self) -> None:
        for child in self._children:
            child.stop()

    def _take(self) -> "_Child":
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._wait()

    def _wait(self) -> "_Child":
        if not self._waiting.acquire(blocking=False):
            raise ClassifierBusy("the queue for a permit is full")
        try:
            return self._idle.get(timeout=self._max_wait_s)
        except queue.Empty:
            raise ClassifierBusy(f"no permit came free within {self._max_wait_s} s") from None
        finally:
            self._waiting.release()


class _Child:
    """One child process. One that crashed or was stopped for taking too long is replaced."""

    def __init__(
        self, model: ModelFile, load_model: Callable[[], ModelFile], max_pixels: int
    ) -> None:
        self._model, self._load_model, self._max_pixels = model, load_model, max_pixels
        self._ready = False
        self._start()

    def inspect(self, data: bytes) -> dict[str, Any]:
        """Return the child's answer. Raises ImageError; DecodeError when the image took two
        children down.

        One may have been killed for another reason: by the kernel for lack of memory, by a person.
        """
        if not self.is_running():  # ended while idle: no image is to blame
            self._replace()
        try:
            answer = self._answer(data)
        except _ChildLost:
            answer = self._last_answer(data)
        if "error" in answer:
            raise IMAGE_ERRORS[answer["error"]](*answer["arguments"])
        return answer

    def _last_answer(self, data: bytes) -> dict[str, Any]:
        try:
            return self._answer(data)
        except _ChildLost as error:
            raise DecodeError(f"the decoder crashed: {error}") from error

    def _answer(self, data: bytes) -> dict[str, Any]:
        self.wait_until_ready()
        try:
            self._connection.send_bytes(data)
            return self._receive()
        except BlockingIOError as error:
            self._replace()
            raise DecodeError(f"not decoded within {_ANSWER_LIMIT_S} s") from error
        except (EOFError, OSError) as error:
            self._replace()
            raise _ChildLost(repr(error)) from error

    def wait_until_ready(self) -> None:
        """Return once the model is loaded. Raises ModelDamaged when the child cannot load it."""
        if self._ready:
            return
        try:
            self._receive()
        except (EOFError, OSError) as error:
            self.stop()
            raise ModelDamaged(f"{self._model.path} cannot be loaded: {error!r}") from error
        self._ready = True

    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            # In the kernel, because Connection.poll costs more than the rest of the call.
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", _ANSWER_LIMIT_S, 0))
        command = [sys.executable, "-m", "ml_models.child", str(theirs.fileno())]
        command += [str(self._model.path.resolve()), str(self._model.spec.input_size_px)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._max_pixels)],
                pass_fds=[theirs.fileno()],
                cwd=_REPOSITORY,
                env=_child_environment(),
            )
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._ready = False

    def _replace(self) -> None:
        """Start anew, with the same weights or not at all. Raises ModelError."""
        self.stop()
        logger.warning("classifier process %d ended; starting another", self._process.pid)
        if self._load_model() != self._model:  # which verifies the file's sha256
            raise ModelDamaged("the model is another one since the server started; restart it")
        self._start()

    def _receive(self) -> dict[str, Any]:
        """Raises EOFError when the child is gone, BlockingIOError at the limit."""
        answer: dict[str, Any] = json.loads(self._connection.recv_bytes(maxlength=65536))
        return answer


def _child_environment() -> dict[str, str]:
    """What a child needs; not the keys and database address that our own environment may hold."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"GLIBC_TUNABLES": _KEEP_MEMORY}


def _inspection(answer: dict[str, Any]) -> Inspection:
    try:
        predictions = _most_probable_first(answer["probabilities"])
        return Inspection(predictions, Fingerprint(answer["pdq"], answer["quality"]))
    except ValueError as error:
        raise ModelDamaged(f"the model answers nonsense: {error}") from error


def _most_probable_first(probabilities: list[float]) -> tuple[Prediction, ...]:
    # The softmax of a float32 sum can exceed 1 by a rounding error.
    predictions = [
        Prediction(label, min(probability, 1.0))
        for label, probability in zip(Label, probabilities, strict=True)
    ]
    return tuple(sorted(predictions, key=lambda p: p.probability, reverse=True))
