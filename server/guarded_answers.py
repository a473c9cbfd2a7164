"""What every answer tells browsers, whoever made it: not to sniff, frame, run or refer anything."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]

# For what is no page: pages and files have stricter or finer ones of their own.
_ALWAYS: Headers = [
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
# A year, of this host alone: what else there is below its name is not ours to say.
_BEHIND_TLS: Headers = [*_ALWAYS, ("Strict-Transport-Security", "max-age=31536000")]


class GuardedAnswers:
    """WSGI middleware: adds these headers where an answer does not have them.

    Whether a request came by TLS is what the environment's scheme says.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        ours = _BEHIND_TLS if environ["wsgi.url_scheme"] == "https" else _ALWAYS

        def start(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
            present = {name.lower() for name, _ in headers}
            missing = [header for header in ours if header[0].lower() not in present]
            return start_response(status, [*headers, *missing], exc_info)

        return self._app(environ, start)
