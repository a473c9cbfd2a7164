"""The bare model's speed on all cores: what no server around it can exceed.

One single-threaded interpreter on each core runs on the same prepared pixels for some seconds.
Prints images per second.
"""

import sys
import threading
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def _run(path, size_px, deadline, counts, place):
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    index = interpreter.get_input_details()[0]["index"]
    pixels = np.random.default_rng(0).random((1, size_px, size_px, 3), dtype=np.float32)
    while time.monotonic() < deadline:
        interpreter.set_tensor(index, pixels)
        interpreter.invoke()
        counts[place] += 1


def images_per_second(path, size_px, threads, seconds):
    counts = [0] * threads
    started = time.monotonic()
    workers = [
        threading.Thread(target=_run, args=(str(path), size_px, started + seconds, counts, n))
        for n in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.monotonic() - started)


if __name__ == "__main__":
    path, size_px, threads, seconds = sys.argv[1:]
    print(images_per_second(Path(path), int(size_px), int(threads), float(seconds)))
