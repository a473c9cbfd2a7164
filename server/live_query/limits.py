"""What clients of LiveQuery may cost one process."""

from dataclasses import dataclass

MAX_MESSAGE_BYTES = 64 * 1024
PING_EVERY_S = 10.0
MAX_SUBSCRIPTIONS_OF_CLIENT = 100
MAX_SUBSCRIPTIONS = 50_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a test would have to wait long for."""

    clients: int = 5_000
    connect_s: float = 10.0
    """How soon a client has to say who it is."""
    waiting_messages: int = 1_000
    """What may wait for a client that does not read; then it is disconnected."""
    waiting_characters: int = 4 * 1024 * 1024
