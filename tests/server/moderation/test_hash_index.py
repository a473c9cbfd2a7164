"""The index of hashes gives what comparing with each of them one by one gives."""

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.moderation.hash_index import HashIndex


def by_brute_force(known, wanted, max_distance):
    distances = [(int(pdq, 16) ^ int(wanted, 16)).bit_count() for _, pdq in known]
    return min((d for d in distances if d <= max_distance), default=None)


def near(rng, pdq, bits):
    """The hash with up to so many bits flipped."""
    flips = sum(1 << place for place in rng.sample(range(256), bits))
    return f"{int(pdq, 16) ^ flips:064x}"


def small_index():
    """Of blocks so small that a handful of hashes fills several."""
    return HashIndex(block_size=7)


def index_of(known):
    index = small_index()
    index.add([entry_id for entry_id, _ in known], [pdq for _, pdq in known])
    return index


@settings(deadline=None)
@given(seed=st.integers(), size=st.integers(0, 40), max_distance=st.integers(0, 256))
def test_nearest_is_that_of_brute_force(seed, size, max_distance):
    rng = random.Random(seed)
    wanted = f"{rng.getrandbits(256):064x}"
    known = [(f"entry{n}", near(rng, wanted, rng.randrange(257))) for n in range(size)]
    index = index_of(known)
    expected = by_brute_force(known, wanted, max_distance)
    found = index.nearest(wanted, max_distance)
    assert (found and found.distance) == expected
    if found is not None:
        assert by_brute_force([(i, h) for i, h in known if i == found.entry_id], wanted, 256) == (
            found.distance
        )


@settings(deadline=None)
@given(seed=st.integers(), size=st.integers(1, 40))
def test_entries_are_found_in_order_of_distance_until_all_are_dropped(seed, size):
    rng = random.Random(seed)
    wanted = f"{rng.getrandbits(256):064x}"
    known = [(f"entry{n}", near(rng, wanted, rng.randrange(257))) for n in range(size)]
    index, distances, ids = index_of(known), [], []
    while (found := index.nearest(wanted, 256)) is not None:
        distances.append(found.distance)
        ids.append(found.entry_id)
        index.drop(found)
    assert distances == sorted(distances)
    assert sorted(ids) == sorted(entry_id for entry_id, _ in known)
    assert len(index) == 0


def test_opposite_hash_is_256_bits_away():
    index = index_of([("opposite", "f" * 64)])
    assert index.nearest("0" * 64, 255) is None
    assert index.nearest("0" * 64, 256).distance == 256


def test_hashes_come_in_several_batches_and_after_drops():
    index = small_index()
    for number in range(20):
        index.add([f"entry{number}"], [f"{number:064x}"])
    index.drop(index.nearest(f"{3:064x}", 0))
    index.add(["late", "later"], ["e" * 64, "d" * 64])
    assert len(index) == 21
    assert index.nearest(f"{3:064x}", 0) is None
    for number in (2, 4, 19):
        assert index.nearest(f"{number:064x}", 0).entry_id == f"entry{number}"
    assert index.nearest("d" * 64, 0).entry_id == "later"


def test_what_was_found_before_another_thread_dropped_it_is_dropped_once():
    index = index_of([("one", "0" * 64), ("other", "f" * 64)])
    found = index.nearest("0" * 64, 0)
    index.drop(found)
    index.drop(found)
    assert len(index) == 1


def test_index_of_nothing_finds_nothing():
    assert HashIndex().nearest("0" * 64, 256) is None


@settings(deadline=None)
@given(seed=st.integers(), size=st.integers(0, 40), max_distance=st.integers(0, 256))
def test_all_within_a_distance_are_those_of_brute_force_nearest_first(seed, size, max_distance):
    rng = random.Random(seed)
    wanted = f"{rng.getrandbits(256):064x}"
    known = [(f"entry{n}", near(rng, wanted, rng.randrange(257))) for n in range(size)]
    found = index_of(known).within(wanted, max_distance, limit=1000)
    distances = {name: (int(pdq, 16) ^ int(wanted, 16)).bit_count() for name, pdq in known}
    expected = {name: distance for name, distance in distances.items() if distance <= max_distance}
    assert {each.entry_id: each.distance for each in found} == expected
    assert [each.distance for each in found] == sorted(expected.values())
    assert index_of(known).within(wanted, max_distance, limit=3) == found[:3]


# Fills an index with a million, prints by how many megabytes the process grew, and for some hashes
# what was found and what comparing with each says. In a process of its own, which did nothing else.
MILLION = """
import numpy as np, psutil
from server.moderation.hash_index import HashIndex

SIZE, BATCH = 1_000_000, 5000
rng = np.random.default_rng(1)
words = rng.integers(0, 2**64, (SIZE, 4), np.uint64)
rows = [words[start:start + BATCH].tobytes().hex() for start in range(0, SIZE, BATCH)]
before = psutil.Process().memory_info().rss
index = HashIndex()
for batch, row in enumerate(rows):
    hashes = [row[at:at + 64] for at in range(0, len(row), 64)]
    index.add([f"{batch * BATCH + n:024d}" for n in range(BATCH)], hashes)
print((psutil.Process().memory_info().rss - before) // 2**20)
for place in (0, 65535, 65536, 777_777, SIZE - 1):
    wanted = words[place] ^ np.array([0b111, 0, 0, 1 << 63], np.uint64)
    for sought in (wanted, rng.integers(0, 2**64, 4, np.uint64)):
        distances = np.bitwise_count(words ^ sought).sum(axis=1)
        found = index.nearest(sought.tobytes().hex(), 255)
        assert found.distance == distances.min(), (found, distances.min())
        assert distances[int(found.entry_id)] == found.distance, found
    near = index.within(wanted.tobytes().hex(), 31, 10)
    assert [(int(each.entry_id), each.distance) for each in near] == [(place, 4)], near
    index.drop(near[0])
    assert index.within(wanted.tobytes().hex(), 31, 10) == []
"""


@pytest.mark.slow
def test_a_million_hashes_take_less_than_100_mb_and_are_all_found():
    done = subprocess.run(
        [sys.executable, "-c", MILLION], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100
