"""What every way of delivery does beside: it looks again and again for what was lost on the way."""

from typing import Protocol

from cloud.moderation.item_ports import Dispatch

SWEEP_EVERY_S = 2.0


class SweptDispatch(Dispatch, Protocol):
    """A Dispatch as a process runs it: made after forking, swept, and closed at the end."""

    def start_sweeping(self) -> None:
        """Bring back what is pending past its lease, and settle what is unsettled, from now on."""

    def close(self) -> None:
        """Take nothing more and let what runs come to its end."""
