"""How often a function or trigger may be called. Pure: who counts is the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Zone(StrEnum):
    """Whose calls are counted together."""

    IP = "ip"
    USER = "user"
    SESSION = "session"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Parse's `rateLimit`: at most `request_count` calls in each `request_time_window`.

    The window is whole seconds. Who is not logged in counts by address, whatever the zone is but
    global. Calls with the master key are counted only with `include_master_key`, those from this
    machine only with `include_internal_requests`; `request_methods` are the methods that are, all
    where none is named. What is beyond is refused with `error_response_message`.
    """

    request_count: int
    request_time_window: timedelta
    zone: Zone | str = Zone.IP
    error_response_message: str = "Too many requests."
    request_methods: Sequence[str] = ()
    include_master_key: bool = False
    include_internal_requests: bool = False

    def __post_init__(self) -> None:
        if self.request_count < 1 or self.request_time_window < timedelta(seconds=1):
            raise ValueError("a rate limit is at least one request in at least one second")
        if isinstance(self.request_methods, str):  # whose letters would count one by one
            raise TypeError('request_methods is a list, such as ["POST"]')
        Zone(self.zone)
