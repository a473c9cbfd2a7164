"""What one process takes in, and the time that it has for it."""

from dataclasses import dataclass

MOST_CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process takes in, and how long it waits for it."""

    max_body_bytes: int
    large_bodies: int
    """Bodies over 64 KB at once."""
    head_s: float = 15.0
    """For a request's line and headers, and on top of the time that a body may take, either way."""
    min_bytes_per_s: float = 8 * 1024
    """Slower than any mobile network that can show a picture."""
    progress_s: float = 10.0
    """A body that has a place must have come on by as much in each such span."""
    connections: int = MOST_CONNECTIONS
    """Open at once, WebSockets included."""
    unread_bytes: int = 128 * 1024 * 1024
    """Of answers that wait for clients who do not read them."""
    unsent_bytes: int = 128 * 1024 * 1024
    """Of bodies that wait for their rest, those with a place aside."""

    def patience_s(self, size: int) -> float:
        """How long so many bytes may take, either way."""
        return self.head_s + size / self.min_bytes_per_s
