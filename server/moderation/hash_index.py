"""PDQ hashes in memory, all compared with one in a few milliseconds a million.

Imports numpy, so import it where hashes are really searched. A million hashes with their ids take
59 MB.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORDS = 4
# A block's buffers stay in the processor's cache while its words pass through once.
_BLOCK = 65536
_ID_BYTES = 24

_HashWords = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry of the index, where it lies, and how many bits it differs in."""

    entry_id: str
    distance: int
    place: int


class _Block:
    """Some hashes: one array for each of their four words, and their ids."""

    def __init__(self, size: int) -> None:
        self.words = np.empty((_WORDS, size), np.uint64)
        self.ids = np.empty(size, f"S{_ID_BYTES}")


class HashIndex:
    """Hashes and the ids of what they belong to; thread-safe. An id may be there more than once."""

    def __init__(self, *, block_size: int = _BLOCK) -> None:
        self._block_size = block_size
        self._blocks: list[_Block] = []
        self._size = 0
        self._lock = threading.Lock()
        self._differing = np.empty(block_size, np.uint64)
        self._bits = np.empty(block_size, np.uint8)
        self._distances = np.empty(block_size, np.uint16)

    def __len__(self) -> int:
        return self._size

    def add(self, entry_ids: Sequence[str], hashes: Sequence[str]) -> None:
        """Add hashes of 64 hexadecimal digits and their ids of at most 24 letters."""
        ids = np.array([entry_id.encode() for entry_id in entry_ids], f"S{_ID_BYTES}")
        words = _words("".join(hashes))
        with self._lock:
            start = 0
            while start < len(ids):
                block, free = self._block_with_room()
                end = min(start + self._block_size - free, len(ids))
                block.words[:, free : free + end - start] = words[:, start:end]
                block.ids[free : free + end - start] = ids[start:end]
                self._size += end - start
                start = end

    def nearest(self, pdq: str, max_distance: int) -> Neighbour | None:
        """Return the entry that differs in the fewest bits, at most in `max_distance`."""
        wanted = _words(pdq)[:, 0]
        best: Neighbour | None = None
        with self._lock:
            for number, block in enumerate(self._blocks):
                count = min(self._size - number * self._block_size, self._block_size)
                distances = self._distances_in(block, wanted, count)
                place = int(distances.argmin())
                distance = int(distances[place])
                if distance <= max_distance:
                    max_distance = distance - 1
                    entry_id = block.ids[place].decode()
                    best = Neighbour(entry_id, distance, number * self._block_size + place)
        return best

    def within(self, pdq: str, max_distance: int, limit: int) -> list[Neighbour]:
        """Return the entries that differ at most in `max_distance` bits, the nearest first."""
        wanted = _words(pdq)[:, 0]
        found: list[Neighbour] = []
        with self._lock:
            for number, block in enumerate(self._blocks):
                count = min(self._size - number * self._block_size, self._block_size)
                distances = self._distances_in(block, wanted, count)
                for place in np.flatnonzero(distances <= max_distance).tolist():
                    entry_id, distance = block.ids[place].decode(), int(distances[place])
                    found.append(Neighbour(entry_id, distance, number * self._block_size + place))
        return sorted(found, key=lambda each: each.distance)[:limit]

    def drop(self, neighbour: Neighbour) -> None:
        """Remove an entry that was found, if it still lies there."""
        with self._lock:
            if neighbour.place >= self._size:
                return
            block, place = self._at(neighbour.place)
            if block.ids[place].decode() != neighbour.entry_id:
                return
            last_block, last = self._at(self._size - 1)
            block.words[:, place] = last_block.words[:, last]
            block.ids[place] = last_block.ids[last]
            self._size -= 1
            if last == 0:
                self._blocks.pop()

    def _block_with_room(self) -> tuple[_Block, int]:
        number, free = divmod(self._size, self._block_size)
        if number == len(self._blocks):
            self._blocks.append(_Block(self._block_size))
        return self._blocks[number], free

    def _at(self, place: int) -> tuple[_Block, int]:
        number, place = divmod(place, self._block_size)
        return self._blocks[number], place

    def _distances_in(self, block: _Block, wanted: _HashWords, count: int) -> NDArray[np.uint16]:
        differing, bits = self._differing[:count], self._bits[:count]
        distances = self._distances[:count]
        distances.fill(0)
        for words, word in zip(block.words, wanted, strict=True):
            np.bitwise_xor(words[:count], word, out=differing)
            np.bitwise_count(differing, out=bits)
            distances += bits
        return distances


def _words(hashes: str) -> _HashWords:
    """uint64 [4, number of hashes]."""
    return np.frombuffer(bytes.fromhex(hashes), np.uint64).reshape(-1, _WORDS).T
