"""Paths in any case: Express routes so, and clients of the Node original rely on it."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class CaseInsensitivePrefixes:
    """WSGI middleware: writes known prefixes of the path as they are defined.

    What follows a prefix stays as it came: names of classes, functions and objects have a case.
    """

    def __init__(self, app: "WSGIApplication", prefixes: Iterable[str]) -> None:
        self._app = app
        by_length = sorted(prefixes, key=len, reverse=True)
        self._canonical = {prefix.lower(): prefix for prefix in by_length}
        words = "|".join(re.escape(prefix) for prefix in by_length)
        self._pattern = re.compile(rf"({words})(?=/|\Z)", re.IGNORECASE)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        match = self._pattern.match(path)
        if match is not None:
            environ["PATH_INFO"] = self._canonical[match[1].lower()] + path[match.end() :]
        return self._app(environ, start_response)
