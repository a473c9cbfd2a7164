"""Which handler answers which Parse method and path.

A router of our own rather than Flask's, because Parse routes by a method that may stand in the
body, checks keys before it looks whether a route exists, and takes whole lists of requests in one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from server.auth import Caller
from server.files import Upload
from server.parse.errors import COMMAND_UNAVAILABLE, ParseError


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised Parse call."""

    caller: Caller
    params: Mapping[str, Any]
    context: dict[str, Any]
    mount_url: str
    """Scheme, host and path below which this call's client finds Parse's routes."""
    path: Mapping[str, str] = field(default_factory=dict)
    """What the route's variables stand for, such as `name` in `/functions/<name>`."""
    upload: Upload | None = None
    """The file that was sent, on the route that takes files."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler returns when it needs more than a body and 200."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Any]
"""Returns an Answer, or the body of one with status 200."""


class ParseRouter:
    """Finds the handler of a method and path below the mount."""

    def __init__(self) -> None:
        self._map = Map(strict_slashes=False, merge_slashes=False)
        self._routes: list[tuple[str, str]] = []

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Every (method, path) that is answered."""
        return tuple(self._routes)

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer `method` on `path`, a werkzeug rule, with what `handler` returns."""
        self._map.add(Rule(_with_lower_head(path), methods=[method], endpoint=handler))
        self._routes.append((method, path))

    def match(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """Return the handler and the path's variables. Raises ParseError 404.

        The first word of the path may be in any case, as in Express.
        """
        adapter = self._map.bind("", default_method="GET")
        try:
            handler, variables = adapter.match(_with_lower_head(path), method=method)
        except HTTPException:
            message = f"cannot route {method} {path}"
            raise ParseError(COMMAND_UNAVAILABLE, message, 404) from None
        return handler, variables


def _with_lower_head(path: str) -> str:
    head, slash, rest = path.removeprefix("/").partition("/")
    return f"/{head.lower()}{slash}{rest}"
