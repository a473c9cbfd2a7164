"""The API as its clients meet it, for the console to call."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ApiDoor:
    """Where clients find the API, and the app's id, which is no secret. Its keys are not told."""

    root_url: str
    """The server's address, without a slash at its end."""
    parse_url: str
    """What SDKs call the server URL."""
    app_id: str


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What a client would send."""

    method: str
    path: str
    """Below the root, or with `is_parse` below Parse's mount, with its query."""
    is_parse: bool = False
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What a client would be answered."""

    status: str
    """`200 OK`."""
    headers: Sequence[tuple[str, str]]
    body: bytes = field(repr=False)
    elapsed: timedelta
    """What the server took; a network's time comes on top."""


class Api(Protocol):
    """The routes that are open to apps."""

    def door(self, scheme: str, host: str) -> ApiDoor:
        """Say where a client finds the API that finds this site at this scheme and host."""

    def call(self, request: ApiRequest) -> ApiAnswer:
        """Have the routes answer a request as they answer an app's, with a client's key.

        It is a real call: what apps may not reach, it does not reach either, and what their calls
        leave behind, it does too. Whatever goes wrong is an answer.
        """
