"""What headers are called: on the wire, in WSGI's environment, and in lower case for Parse."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Name = TypeVar("Name", str, bytes)
Other = TypeVar("Other")

_LONGEST_KNOWN = 64


def _remembered(function: Callable[[Name], Other]) -> Callable[[Name], Other]:
    """Look the same few names up once. Clients choose them: neither many nor long ones are kept."""
    known = lru_cache(maxsize=512)(function)

    @wraps(function)
    def look_up(name: Name) -> Other:
        return known(name) if len(name) <= _LONGEST_KNOWN else function(name)

    return look_up


@_remembered
def variable_of(name: bytes) -> str | None:
    """The key in the environment; None with an underscore, which would pass for a hyphen there."""
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"


@_remembered
def header_of(variable: str) -> str | None:
    """The header that a key of the environment stands for, in lower case; None if for none.

    Without the two of the body, which have no prefix.
    """
    is_header = variable.startswith("HTTP_")
    return variable[5:].replace("_", "-").lower() if is_header else None
