"""The child processes that decode and infer, from the parent's side: permits, limits, replacement.

What a child answers is JSON, and a picture's bytes after it, never pickled objects: an image may
have crashed it, or worse.
"""

import json
import logging
import os
import queue
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

from ml_models import requests
from ml_models.errors import IMAGE_ERRORS, ClassifierBusy, DecodeError, ModelDamaged
from ml_models.pretrained import ModelFile
from ml_models.types import ModelSpec

logger = logging.getLogger(__name__)

# Starting takes half a second; the slowest honest image, 50 megapixels of AVIF, some three. With
# the waits for a permit and for the same image this keeps every answer within 15 s.
_ANSWER_LIMIT_S = 8
# Who is patient stays in line longer than all who came before and are not, and one image more. With
# an image's own time that is less than the 30 s for which an upload is leased.
_PATIENCE_S = 15
_MAX_ANSWER_BYTES = 64 * 1024
# Far more than a JPEG of 1024 x 1024 pixels has.
_MAX_PICTURE_BYTES = 8 * 1024 * 1024

# An image is left for the child in memory that both have, which it keeps up to this size.
_KEPT_BYTES = 4 * 1024 * 1024

# glibc's malloc by default returns the megabytes of every image to the kernel, page by page, and
# asks for them again for the next: a third of the time of decoding and resizing. A child may keep
# them, in huge pages. Other C libraries ignore this.
_KEEP_MEMORY = ":".join(
    [
        "glibc.malloc.mmap_threshold=8388608",
        "glibc.malloc.trim_threshold=134217728",
        "glibc.malloc.top_pad=16777216",
        "glibc.malloc.hugetlb=1",
        "glibc.malloc.arena_max=1",
    ]
)

_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Answer:
    """What a child says of an image, and the picture that it was asked to make."""

    facts: dict[str, Any]
    picture: bytes = b""


class _ChildLost(Exception):
    """The process ended while it had an image."""


class ChildPool:
    """As many permits as children, and a bounded queue of threads that wait for one."""

    def __init__(
        self, model: ModelSpec, children: "list[Child]", max_waiting: int, max_wait_s: float
    ) -> None:
        self.model = model
        self._children = children
        self._max_wait_s = max_wait_s
        self._waiting = threading.BoundedSemaphore(max_waiting)
        self._idle: queue.LifoQueue[Child] = queue.LifoQueue()
        for child in children:
            self._idle.put(child)

    @contextmanager
    def permit(self, *, waits: bool = True, patient: bool = False) -> "Iterator[Child]":
        """Lend a child. Raises ClassifierBusy when none comes free, or unless it waits, is.

        Who is patient has a place in the queue however full it is.
        """
        child = self._take(waits, patient)
        try:
            yield child
        finally:
            self._idle.put(child)

    def check(self) -> None:
        """Raise ModelDamaged when no child runs."""
        if not any(child.is_running() for child in self._children):
            raise ModelDamaged("no classifier process is running")

    def close(self) -> None:
        """End all children."""
        for child in self._children:
            child.close()

    def _take(self, waits: bool, patient: bool) -> "Child":
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            if patient:
                return self._next_idle(_PATIENCE_S)
            if waits:
                return self._wait()
        raise ClassifierBusy("no permit is free")

    def _wait(self) -> "Child":
        if not self._waiting.acquire(blocking=False):
            raise ClassifierBusy("the queue for a permit is full")
        try:
            return self._next_idle(self._max_wait_s)
        finally:
            self._waiting.release()

    def _next_idle(self, max_wait_s: float) -> "Child":
        try:
            return self._idle.get(timeout=max_wait_s)
        except queue.Empty:
            raise ClassifierBusy(f"no permit came free within {max_wait_s} s") from None


class Child:
    """One child process. One that crashed or was stopped for taking too long is replaced."""

    def __init__(
        self,
        model: ModelFile,
        load_model: Callable[[], ModelFile],
        max_pixels: int,
        max_memory: int,
    ) -> None:
        self._model, self._load_model = model, load_model
        self._max_pixels, self._max_memory = max_pixels, max_memory
        self._image = _shared_memory()
        self._ready = False
        self._start()

    def ask(self, request: bytes, data: bytes) -> Answer:
        """Return the child's answer to a request of `ml_models.child` about an image.

        Raises ImageError; DecodeError when the image took two children down. One may have been
        killed for another reason: by the kernel for lack of memory, by a person.
        """
        if not self.is_running():  # ended while idle: no image is to blame
            self._replace()
        try:
            answer = self._answer(request, data)
        except _ChildLost:
            answer = self._last_answer(request, data)
        error = answer.facts.get("error")
        if error is not None:
            raise IMAGE_ERRORS[error](*answer.facts["arguments"])
        return answer

    def _last_answer(self, request: bytes, data: bytes) -> Answer:
        try:
            return self._answer(request, data)
        except _ChildLost as error:
            raise DecodeError(f"the decoder crashed: {error}") from error

    def _answer(self, request: bytes, data: bytes) -> Answer:
        self.wait_until_ready()
        try:
            os.pwrite(self._image.fileno(), data, 0)  # a third of what it costs through the socket
            self._connection.send_bytes(requests.framed(request, len(data)))
            answer = self._receive()
            if len(data) > _KEPT_BYTES:
                self._image.truncate(0)
            return answer
        except BlockingIOError as error:
            self._replace()
            raise DecodeError(f"not decoded within {_ANSWER_LIMIT_S} s") from error
        except (EOFError, OSError, ValueError) as error:  # gone, or no JSON: what more would come?
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
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process for good."""
        self.stop()
        self._image.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            # In the kernel, because Connection.poll costs more than the rest of the call.
            ours.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", _ANSWER_LIMIT_S, 0))
        inherited = (theirs.fileno(), self._image.fileno())
        command = [sys.executable, "-m", "ml_models.child", *map(str, inherited)]
        command += [str(self._model.path.resolve()), str(self._model.spec.input_size_px)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, str(self._max_pixels), str(self._max_memory)],
                pass_fds=inherited,
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

    def _receive(self) -> Answer:
        """Raises EOFError when the child is gone, BlockingIOError at the limit."""
        facts: dict[str, Any] = json.loads(self._connection.recv_bytes(_MAX_ANSWER_BYTES))
        if "picture_follows" not in facts:
            return Answer(facts)
        return Answer(facts, self._connection.recv_bytes(_MAX_PICTURE_BYTES))


def _shared_memory() -> BinaryIO:
    """A file without a name; in memory, where the system has such files."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("image", os.MFD_CLOEXEC), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _child_environment() -> dict[str, str]:
    """What a child needs; not the keys and database address that our own environment may hold."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"GLIBC_TUNABLES": _KEEP_MEMORY}
