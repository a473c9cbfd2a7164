"""Fingerprints of images as stored columns."""

from collections.abc import Mapping
from typing import Any

from ml_models.types import Fingerprint

HASH, QUALITY = "pdqHash", "pdqQuality"


def to_columns(fingerprint: Fingerprint | None) -> dict[str, Any]:
    """`{"pdqHash": ..., "pdqQuality": ...}`; no columns for none."""
    if fingerprint is None:
        return {}
    return {HASH: fingerprint.pdq, QUALITY: fingerprint.quality}


def from_columns(document: Mapping[str, Any]) -> Fingerprint | None:
    """The reverse. Raises ValueError for a hash that is none."""
    if HASH not in document:
        return None
    return Fingerprint(document[HASH], int(document[QUALITY]))


def differing_bits(one: str, other: str) -> int:
    """In how many of their 256 bits two hashes differ: how far apart two pictures are."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
