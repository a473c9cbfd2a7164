"""`GET /config` and `PUT /config`: Parse.Config, where `moderationScores` lives."""

import re
from collections.abc import Mapping
from typing import Any

from cloud.operations import Operation, Relate, Set
from server.parse.decode import decode_column
from server.parse.errors import (
    COMMAND_UNAVAILABLE,
    INCORRECT_TYPE,
    INVALID_JSON,
    INVALID_KEY_NAME,
    ParseError,
)
from server.parse.operations import read_changes
from server.routes.router import Call, ParseRouter
from server.services import Services

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def add_routes(router: ParseRouter, services: Services) -> None:
    """Read and write the app's Parse.Config."""

    def read(call: Call) -> dict[str, Any]:
        params, hidden = services.parse_config.read()
        if not call.caller.master:
            params = {key: value for key, value in params.items() if not hidden.get(key)}
            hidden = {key: False for key in hidden if key in params}
        return {"params": params, "masterKeyOnly": hidden} if params else {"params": {}}

    def write(call: Call) -> dict[str, Any]:
        call.caller.require_master()
        call.caller.require_write()
        if "params" not in call.params:
            raise ParseError(INVALID_JSON, 'The body must be {"params": {...}}.')
        params = _object(call.params, "params")
        hidden = _object(call.params, "masterKeyOnly")
        for key in {**params, **hidden}:
            if not _KEY.fullmatch(key):
                raise ParseError(INVALID_KEY_NAME, f"Invalid key name: {key}")
        changes = {key: _change(key, value) for key, value in params.items()}
        if changes:
            _write(services, changes, {key: value is True for key, value in hidden.items()})
        return {"result": True}

    router.add("GET", "/config", read)
    router.add("PUT", "/config", write)


def _object(body: Any, name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise ParseError(INVALID_JSON, f"{name} must be an object.")
    return value


def _write(
    services: Services, changes: Mapping[str, Operation], hidden: Mapping[str, bool]
) -> None:
    try:
        services.parse_config.write(changes, hidden)
    except ValueError as error:
        raise ParseError(INCORRECT_TYPE, str(error)) from error


def _change(key: str, value: Any) -> Operation:
    """A value is kept as the JSON it came in, typed ones too, as Parse Server does."""
    decode_column(key, value)  # which refuses what must not be stored
    if not isinstance(value, dict) or "__op" not in value:
        return Set(value)
    change = read_changes({"value": value}, creating=False)["value"]
    if isinstance(change, Relate):
        raise ParseError(COMMAND_UNAVAILABLE, "Config has no relations.")
    return change
