"""Which handler answers which Parse method and path.

A router of our own rather than Flask's, because Parse routes by a method that may stand in the
body, checks keys before it looks whether a route exists, and takes whole lists of requests in one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.auth import Caller
from server.files.uploads import Upload
from server.parse.errors import COMMAND_UNAVAILABLE, ParseError


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised Parse call."""

    caller: Caller
    body: Mapping[str, Any]
    params: Mapping[str, Any]
    """The body and, above it, what stands in the URL's query."""
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


@dataclass(frozen=True, slots=True)
class _Route:
    steps: tuple[str, ...]
    """Words that must stand there, in lower case, and variables as `<name>`."""
    handler: Handler

    def variables(self, steps: list[str]) -> dict[str, str] | None:
        """What the variables stand for on a path of these steps; None if it is another path."""
        if self.steps[-1].startswith("<path:"):
            kept = len(self.steps) - 1
            steps = [*steps[:kept], *(["/".join(steps[kept:])] if steps[kept:] else [])]
        if len(self.steps) != len(steps):
            return None
        found = {}
        for expected, step in zip(self.steps, steps, strict=True):
            if expected[0] == "<":
                found[expected[1:-1].removeprefix("path:")] = step
            elif expected != step.lower():
                return None
        return found


class ParseRouter:
    """Finds the handler of a method and path below the mount.

    Words may be in any case and a slash may trail, as in Express; of two routes that fit, the one
    added first counts. A variable stands for one step, `<path:name>` at the end for all the rest.
    """

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], list[_Route]] = {}

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Every (method, path) that is answered."""
        return tuple(
            (method, "/" + "/".join(route.steps))
            for (method, _), routes in self._routes.items()
            for route in routes
        )

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer `method` on `path`, such as `/functions/<name>`, with what `handler` returns."""
        steps = [step if step[0] == "<" else step.lower() for step in path.strip("/").split("/")]
        self._routes.setdefault((method, steps[0]), []).append(_Route(tuple(steps), handler))

    def match(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """Return the handler and the path's variables. Raises ParseError 404."""
        steps = path.removeprefix("/").removesuffix("/").split("/")
        for route in self._routes.get((method, steps[0].lower()), ()):
            variables = route.variables(steps)
            if variables is not None and all(variables.values()):
                return route.handler, variables
        raise ParseError(COMMAND_UNAVAILABLE, f"cannot route {method} {path}", 404)
