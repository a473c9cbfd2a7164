"""How long one search among a million remembered hashes takes, and how much memory they take.

PYTHONPATH=. .venv/bin/python bench/memory.py
"""

import os
import statistics
import time

import numpy as np
import psutil

from server.moderation.hash_index import HashIndex

HASHES = 1_000_000
BATCH = 5000
SEARCHES = 200
MOST_MS, MOST_MB = 20, 100


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, as promised
    process, rng = psutil.Process(), np.random.default_rng(1)
    before = process.memory_info().rss
    index = filled(rng)
    megabytes = (process.memory_info().rss - before) / 1e6
    milliseconds = sorted(search(index, rng) for _ in range(SEARCHES))
    median, p95 = statistics.median(milliseconds), milliseconds[int(SEARCHES * 0.95)]
    print(f"{HASHES:,} hashes: a search takes {median:.1f} ms (p95 {p95:.1f}), {megabytes:.0f} MB")
    if p95 > MOST_MS or megabytes > MOST_MB:
        raise SystemExit(f"more than {MOST_MS} ms or {MOST_MB} MB")


def filled(rng):
    index = HashIndex()
    for start in range(0, HASHES, BATCH):
        data = rng.bytes(32 * BATCH).hex()
        hashes = [data[i : i + 64] for i in range(0, len(data), 64)]
        index.add([f"{start + number:024d}" for number in range(BATCH)], hashes)
    return index


def search(index, rng):
    wanted = rng.bytes(32).hex()
    started = time.perf_counter()
    index.nearest(wanted, 31)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
