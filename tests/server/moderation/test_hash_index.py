"""The index of hashes gives what comparing with each of them one by one gives."""

import random

from hypothesis import given
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
