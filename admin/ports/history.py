"""Past decisions, searched."""

from typing import Protocol


class History(Protocol):
    """Searches items and decisions."""
