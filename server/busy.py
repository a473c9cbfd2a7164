"""What a server that cannot take one more request says at once, by the face that was asked."""

from collections.abc import Callable, Sequence

from server.front.wsgi import WsgiAnswer
from server.parse.encode import to_json
from server.parse.errors import REQUEST_LIMIT_EXCEEDED
from server.routes.answers import CORS_HEADERS, JSON

_SENTENCE = "The server is busy. Try again shortly."
_RETRY_AFTER_S = "1"


def busy_answers(mounts: Sequence[str]) -> Callable[[str], WsgiAnswer]:
    """Return what answers a path: 400 and Parse's code below the mounts, since SDKs repeat every
    5xx at once, and 503 with Retry-After elsewhere."""
    parse = tuple(f"{mount}/".lower() for mount in (*mounts, "/functions"))
    parse_body = to_json({"code": REQUEST_LIMIT_EXCEEDED, "error": _SENTENCE}).encode()
    plain_body = to_json({"error": _SENTENCE}).encode()
    headers = {"Content-Type": JSON, **CORS_HEADERS}

    def busy(path: str) -> WsgiAnswer:
        if path.lower().startswith(parse):
            return WsgiAnswer(400, list(headers.items()), parse_body)
        later = {**headers, "Retry-After": _RETRY_AFTER_S}
        return WsgiAnswer(503, list(later.items()), plain_body)

    return busy
