"""Pictures of items, made from the bytes that were classified."""

from typing import Protocol


class Pictures(Protocol):
    """Being written."""
