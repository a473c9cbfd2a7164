"""JPEG pictures, decoded by libjpeg-turbo in three bytes a pixel, or fewer where fewer will do.

Owns the limits that are peculiar to JPEG: the number of scans, and what it takes to hold their
coefficients.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ml_models.errors import DecodeError

# A JPEG is gone through once per scan, even an empty one: 3,000 of 49 megapixels, in a file of
# 33 KB, take 14 s. Encoders write about 10; libjpeg-turbo's own fuzzers stop at 500.
MAX_SCANS = 100

_END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = 0xDA
# ISO 10918-1, table B.1: the headers of frames, the last of a kind each time a progressive one.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Without a length behind them.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_BYTES_PER_BLOCK = 64 * 2


def refuse_scan_bomb(data: bytes) -> None:
    """Raise DecodeError when there are more scans than any encoder writes."""
    # Inside entropy-coded data 0xFF is always stuffed, so this counts true start-of-scan markers,
    # and at most a few more inside an embedded thumbnail.
    octets = np.frombuffer(data, np.uint8)  # numpy counts five times as fast as bytes.count
    scans = np.count_nonzero((octets[:-1] == 0xFF) & (octets[1:] == 0xDA))
    if scans > MAX_SCANS:
        raise DecodeError(f"JPEG with {scans} scans, more than {MAX_SCANS}")


def coefficient_bytes(data: bytes) -> int:
    """What libjpeg holds beside the pixels: all coefficients, of what comes in several scans.

    Two bytes each, so 3 bytes a pixel where colours are halved in both directions, and 6 where they
    are not. A frame that cannot be read is counted as none; libjpeg will not decode it either.
    """
    frame, is_progressive = b"", False
    for marker, segment in _segments(data):
        if marker in _FRAMES:
            frame, is_progressive = segment, marker in _PROGRESSIVE
        if marker == _START_OF_SCAN:
            is_whole = len(frame) > 5 and segment[:1] == frame[5:6]
            return 0 if is_whole and not is_progressive else _coefficients(frame)
    return 0


def _coefficients(frame: bytes) -> int:
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    factors = [(octet >> 4, octet & 15) for octet in frame[7::3][: frame[5] if frame[5:] else 0]]
    if not factors or min(map(min, factors)) == 0:
        return 0
    most_across, most_down = max(a for a, _ in factors), max(d for _, d in factors)
    units = -(-width // (8 * most_across)) * -(-height // (8 * most_down))
    return units * sum(across * down for across, down in factors) * _BYTES_PER_BLOCK


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers up to the first scan, each with what its length encloses."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        marker = data[place + 1]
        if marker in _BARE or marker in (0x00, 0xFF):  # 0xFF fills, 0x00 is a byte of something
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        yield marker, data[place + 4 : place + 2 + length]
        if marker == _START_OF_SCAN:
            return
        place += 2 + length


def decode(data: bytes, into: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Decode to RGB; libjpeg's warnings count as errors, for they mean guessed pixels."""
    try:
        return _turbojpeg(data, into)
    except ValueError as error:
        # Some cameras pad with zeros before the end marker. That alone loses no pixel.
        unpadded = data[: data.rfind(_END_OF_IMAGE)].rstrip(b"\0") + _END_OF_IMAGE
        if "extraneous bytes" not in str(error) or unpadded == data:
            raise DecodeError(f"JPEG: {error}") from error
    try:
        return _turbojpeg(unpadded, into)
    except ValueError as error:
        raise DecodeError(f"JPEG: {error}") from error


def _turbojpeg(data: bytes, into: Mapping[str, Any]) -> NDArray[np.uint8]:
    decoded: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True, **into)
    return decoded
