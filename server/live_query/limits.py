"""What clients of LiveQuery may cost one process."""

import time
from dataclasses import dataclass

from server.storage.regex import Budget

MAX_MESSAGE_BYTES = 64 * 1024
PING_EVERY_S = 10.0
MAX_SUBSCRIPTIONS_OF_CLIENT = 100
MAX_SUBSCRIPTIONS = 50_000
# Of one write, what the patterns of one client may take together, and those of all: an honest one
# takes microseconds. The next write waits for them.
PATTERNS_OF_CLIENT_S, PATTERNS_OF_WRITE_S = 0.05, 0.5
# Nothing stops a search that has begun, and so many steps take up to 50 ms.
_MAX_PATTERN_STEPS = 10_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a test would have to wait long for."""

    clients: int = 5_000
    connect_s: float = 10.0
    """How soon a client has to say who it is."""
    waiting_messages: int = 1_000
    """What may wait for a client that does not read; then it is disconnected."""
    waiting_characters: int = 4 * 1024 * 1024
    waiting_characters_of_all: int = 128 * 1024 * 1024
    """Of more, who has been behind longest is disconnected."""


def pattern_budget(within: Budget | None = None) -> Budget:
    """What the patterns of one client may take of one write: of the processor, for whose turn an
    honest one may have to wait longer than that."""
    return Budget(
        PATTERNS_OF_CLIENT_S, max_steps=_MAX_PATTERN_STEPS, within=within, clock=time.thread_time
    )
