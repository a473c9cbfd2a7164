"""The bare model's speed on all cores: what no server around it can exceed.

One single-threaded interpreter on each core runs on the same prepared pixels for some seconds,
once all are warm. Prints images per second.
"""

import sys
import threading
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Runner(threading.Thread):
    """One core's worth of inference, between the moment all are ready and the deadline."""

    def __init__(self, path, size_px, ready, seconds):
        super().__init__()
        self.path, self.size_px = path, size_px
        self.ready, self.seconds = ready, seconds
        self.images_per_second = 0.0

    def run(self):
        interpreter = Interpreter(model_path=self.path, num_threads=1)
        interpreter.allocate_tensors()
        index = interpreter.get_input_details()[0]["index"]
        shape = (1, self.size_px, self.size_px, 3)
        pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
        interpreter.set_tensor(index, pixels)
        interpreter.invoke()
        self.ready.wait()
        started, count = time.monotonic(), 0
        while time.monotonic() - started < self.seconds:
            interpreter.set_tensor(index, pixels)
            interpreter.invoke()
            count += 1
        self.images_per_second = count / (time.monotonic() - started)


def main(path, size_px, threads, seconds):
    ready = threading.Barrier(int(threads))
    runners = [Runner(path, int(size_px), ready, float(seconds)) for _ in range(int(threads))]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    print(sum(runner.images_per_second for runner in runners))


if __name__ == "__main__":
    main(*sys.argv[1:])
