"""The few aggregate figures that the panel shows; SQL on one database, pipelines on the other."""

from typing import Protocol


class Figures(Protocol):
    """Counts, by day, state, class and moderator."""
