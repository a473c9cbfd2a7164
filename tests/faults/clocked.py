"""Run one of our programs with a clock that a file sets: `clocked.py FILE MODULE ARGUMENT...`.

The file holds by how many seconds the wall clock is wrong. Every process of the program follows it
within a fraction of a second, while it runs. Clocks that cannot be set (`time.monotonic`, and what
waits in the kernel) go on as ever, as they do where an operator or NTP sets the clock.
"""

import os
import runpy
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import time_machine

LOOK_EVERY_S = 0.05


class Follower:
    """Keeps a process's clock as wrong as the file says."""

    def __init__(self, path):
        self.path, self.wrong_by_s = path, 0.0
        self.traveller = time_machine.travel(timedelta(), tick=True).start()
        time.time()  # from this call on it ticks
        self.follow_once()
        self.start()
        os.register_at_fork(after_in_child=self.start)

    def start(self):
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            time.sleep(LOOK_EVERY_S)
            self.follow_once()

    def follow_once(self):
        wanted_s = float(self.path.read_text())
        if wanted_s != self.wrong_by_s:
            self.traveller.shift(wanted_s - self.wrong_by_s)
            self.wrong_by_s = wanted_s


def main(path, module, *arguments):
    Follower(Path(path))
    sys.argv = [module, *arguments]
    sys.path[0] = ""  # as with `python -m`
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
