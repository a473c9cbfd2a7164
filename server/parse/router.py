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
from server.parse.errors import COMMAND_UNAVAILABLE, ParseError


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised Parse call."""

    caller: Caller
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    context: Mapping[str, Any]
    path: Mapping[str, str] = field(default_factory=dict)
    """What the route's variables stand for, such as `name` in `/functions/<name>`."""

    def require_master(self) -> None:
        """Raise ParseError 403 unless the call came with the master key."""
        if not self.caller.master:
            raise ParseError(None, "unauthorized: master key is required", 403)


Handler = Callable[[Call], Any]


class ParseRouter:
    """Finds the handler of a method and path below the mount."""

    def __init__(self) -> None:
        self._map = Map(strict_slashes=False, merge_slashes=False)

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer `method` on `path`, a werkzeug rule, with what `handler` returns."""
        self._map.add(Rule(path, methods=[method], endpoint=handler))

    def match(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """Return the handler and the path's variables. Raises ParseError 404.

        The first word of the path may be in any case, as in Express.
        """
        route, slash, rest = path.removeprefix("/").partition("/")
        adapter = self._map.bind("", default_method="GET")
        try:
            handler, variables = adapter.match(f"/{route.lower()}{slash}{rest}", method=method)
        except HTTPException:
            message = f"cannot route {method} {path}"
            raise ParseError(COMMAND_UNAVAILABLE, message, 404) from None
        return handler, variables
