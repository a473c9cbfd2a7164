"""The process that decodes and infers: one image at a time, in a child of the server.

Runs as `python -m ml_models.child`. A hostile image that crashes or stalls a decoder takes this
process with it and nothing else, so what comes back to the parent is JSON and the bytes of
pictures, never pickled objects.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from ml_models import requests
from ml_models.errors import ImageError
from ml_models.fingerprint import fingerprint
from ml_models.images import decode
from ml_models.memory import PixelBuffer
from ml_models.pictures import picture, placeholder
from ml_models.scaling import resize

# Below the web process, so that under full load it still accepts, answers and feeds us.
_NICENESS = 5


class SingleThreadInterpreter:
    """One LiteRT interpreter on one thread: faster in sum than one on all cores."""

    def __init__(self, model_path: str) -> None:
        self._interpreter = Interpreter(model_path=model_path, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def probabilities(self, pixels: NDArray[np.float32]) -> list[float]:
        """Run the model on float32 [S, S, 3] in 0..1; five probabilities in Label order."""
        self._interpreter.set_tensor(self._input, pixels[np.newaxis])
        self._interpreter.invoke()
        output: list[float] = self._interpreter.get_tensor(self._output)[0].tolist()
        return output


class Worker:
    """Does what `ml_models.requests` names, with one model and one buffer."""

    def __init__(
        self, model_path: str, input_size_px: int, max_pixels: int, max_memory: int
    ) -> None:
        self._input_size_px, self._max_pixels = input_size_px, max_pixels
        self._interpreter = SingleThreadInterpreter(model_path)
        self._interpreter.probabilities(np.zeros((input_size_px, input_size_px, 3), np.float32))
        self._buffer = PixelBuffer(max_memory, limit_memory)

    def answer(
        self, request: bytes, read: Callable[[], bytes]
    ) -> tuple[dict[str, Any], bytes | None]:
        """Return the facts, and the picture if one was asked for."""
        try:
            return self._answered(request, read())
        except MemoryError:  # outside of the decoder, which says so itself
            return _told(self._buffer.refusal())
        except ImageError as error:
            return _told(error)

    def _answered(self, request: bytes, data: bytes) -> tuple[dict[str, Any], bytes | None]:
        if request == requests.CLASSIFY:
            return self._classified(data), None
        if request == requests.PLACEHOLDER:
            return {"placeholder": placeholder(data, self._max_pixels, self._buffer)}, None
        rendering = requests.rendering_of(request)
        made = picture(data, self._max_pixels, rendering, self._buffer)
        return {"picture_follows": True}, made

    def _classified(self, data: bytes) -> dict[str, Any]:
        began = time.perf_counter()
        pixels = decode(data, self._max_pixels, self._buffer)
        decoded = time.perf_counter()
        seen = fingerprint(pixels)
        resized = resize(pixels, self._input_size_px)
        prepared = time.perf_counter()
        probabilities = self._interpreter.probabilities(resized)
        ended = time.perf_counter()
        del pixels  # before there are others
        on_black = self._on_black(data) if self._buffer.is_seen_through else None
        seconds = {
            "decode": decoded - began,
            "prepare": prepared - decoded,
            "model": ended - prepared,
        }
        return {
            "probabilities": probabilities,
            "on_black": on_black,
            "pdq": seen.pdq,
            "quality": seen.quality,
            "seconds": seconds,
        }

    def _on_black(self, data: bytes) -> list[float]:
        """What is blank on white may be a whole picture on a dark page."""
        pixels = decode(data, self._max_pixels, self._buffer, background="black")
        return self._interpreter.probabilities(resize(pixels, self._input_size_px))


def _told(error: ImageError) -> tuple[dict[str, Any], None]:
    """An error as an answer. Nothing may keep it: its traceback holds the pixels."""
    return {"error": type(error).__name__, "arguments": list(error.arguments)}, None


def main(
    descriptor: int,
    image: int,
    model_path: str,
    input_size_px: int,
    max_pixels: int,
    max_memory: int,
) -> None:
    """Answer requests on an inherited socket until the parent closes it or dies.

    The parent leaves each image in the file `image` before it asks.
    """
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)  # for the parent, which finishes and closes our socket
    os.nice(_NICENESS)
    parent = Connection(descriptor)
    worker = Worker(model_path, input_size_px, max_pixels, max_memory)
    try:
        _send(parent, {"ready": True})
        while True:
            request, byte_count = requests.unframed(parent.recv_bytes())
            facts, made = worker.answer(request, partial(os.pread, image, byte_count, 0))
            _send(parent, facts)
            if made is not None:
                parent.send_bytes(made)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def limit_memory(most_bytes: int) -> None:
    """Let this process have so much memory and no more; what asks for more gets a MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, hard))


def _send(parent: Connection, message: dict[str, Any]) -> None:
    parent.send_bytes(json.dumps(message).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:7]))
