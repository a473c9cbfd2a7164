"""`POST /batch`: a list of calls in one, each answered or refused on its own."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from server.auth import Caller
from server.objects.sessions import Sessions
from server.parse.encode import to_json
from server.parse.errors import (
    COMMAND_UNAVAILABLE,
    INTERNAL_SERVER_ERROR,
    INVALID_JSON,
    REQUEST_LIMIT_EXCEEDED,
    ParseError,
    as_parse_error,
)
from server.rate_limits import RateLimits
from server.routes.answers import error_body
from server.routes.router import Answer, Call, Handler, ParseRouter
from server.services import Services

logger = logging.getLogger(__name__)

_METHODS = ("GET", "POST", "PUT", "DELETE")
# SDKs send at most fifty at a time.
_MAX_REQUESTS = 500


# Beyond these, what is left of a batch is answered "busy": its results are in memory together.
_MAX_ANSWER_CHARACTERS = 32_000_000
_MAX_SECONDS = 20.0


def add_routes(router: ParseRouter, services: Services, mounts: list[str]) -> None:
    """Answer lists of calls with the rights of the whole call.

    Their paths begin as the client's server URL does: with a mount, or the path of SERVER_URL.
    """
    mounts = [*mounts, urlsplit(services.settings.server_url).path.rstrip("/")]

    def batch(call: Call) -> Any:
        if call.params.get("transaction"):
            raise ParseError(COMMAND_UNAVAILABLE, "Batches as transactions are not supported yet.")
        limits = services.rate_limits
        prepared = [_prepare(router, call, item, mounts, limits) for item in _requests(call)]
        return list(_answers(prepared, services.objects.sessions))

    router.add("POST", "/batch", batch)


def _answers(
    prepared: Iterable[tuple[Handler, Call]], sessions: Sessions
) -> Iterator[dict[str, Any]]:
    characters, deadline = 0, time.monotonic() + _MAX_SECONDS
    for handler, call in prepared:
        is_full = call.caller.budget is not None and call.caller.budget.is_spent
        if is_full or characters > _MAX_ANSWER_CHARACTERS or time.monotonic() > deadline:
            busy = ParseError(
                REQUEST_LIMIT_EXCEEDED, "The batch is too large. Send the rest again."
            )
            yield {"error": error_body(busy)}
            continue
        answer = _answered(handler, call, sessions)
        characters += len(to_json(answer))
        yield answer


def _requests(call: Call) -> list[Any]:
    requests = call.params.get("requests")
    if not isinstance(requests, list):
        raise ParseError(INVALID_JSON, "requests must be an array")
    if len(requests) > _MAX_REQUESTS:
        raise ParseError(INVALID_JSON, f"requests must be at most {_MAX_REQUESTS}")
    return requests


def _prepare(
    router: ParseRouter, call: Call, item: Any, mounts: list[str], limits: RateLimits
) -> tuple[Handler, Call]:
    """Find every handler before any runs: one that can't be routed, or is one call too many,
    refuses the whole batch."""
    if not isinstance(item, Mapping):
        raise ParseError(INVALID_JSON, "each request must be an object")
    method, path, body = item.get("method"), item.get("path"), item.get("body")
    if not isinstance(method, str) or not isinstance(path, str):
        raise ParseError(INVALID_JSON, "each request needs a method and a path")
    if not isinstance(body, Mapping | None):
        raise ParseError(INVALID_JSON, "the body of each request must be an object")
    method, parts = method.upper(), _split(path)
    route = _below_mount(unquote(parts.path), mounts)
    if route is None or method not in _METHODS:
        raise ParseError(INVALID_JSON, f"cannot route batch path {path}")
    if route.strip("/").lower() == "batch" or route.lower().startswith("/files"):
        raise ParseError(INVALID_JSON, f"cannot route {method} {route} in a batch")
    try:
        handler, variables = router.match(method, route)
    except ParseError:
        raise ParseError(INVALID_JSON, f"cannot route {method} {route}") from None
    limits.check(call.caller, method, route)
    body = body or {}
    params = {**body, **dict(parse_qsl(parts.query))}
    return handler, replace(call, body=body, params=params, path=variables)


def _still(caller: Caller, sessions: Sessions) -> Caller:
    """The caller, if the session has not ended since the batch began. Raises ParseError 209."""
    if caller.user is None or caller.session_token is None:
        return caller
    return replace(caller, user=sessions.user_of(caller.session_token))


def _split(path: str) -> SplitResult:
    try:
        return urlsplit(path)
    except ValueError:  # such as "//[", which is half an IPv6 address
        raise ParseError(INVALID_JSON, f"cannot route batch path {path}") from None


def _below_mount(path: str, mounts: list[str]) -> str | None:
    for mount in sorted(filter(None, mounts), key=len, reverse=True):
        if path.lower().startswith(f"{mount.lower()}/"):
            return path[len(mount) :]
    return None


def _answered(handler: Handler, call: Call, sessions: Sessions) -> dict[str, Any]:
    try:
        result = handler(replace(call, caller=_still(call.caller, sessions)))
    except Exception as error:  # what one call raises is its own answer, not the batch's
        parse_error = as_parse_error(error)
        if parse_error is None:
            logger.exception("a call in a batch failed")
            parse_error = ParseError(INTERNAL_SERVER_ERROR, "Internal server error.")
        return {"error": error_body(parse_error)}
    return {"success": result.body if isinstance(result, Answer) else result}
