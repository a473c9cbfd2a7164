"""`GET /config` and `PUT /config`: Parse.Config, where `moderationScores` lives."""

import re
from typing import Any

from server.parse.errors import INVALID_JSON, INVALID_KEY_NAME, INVALID_NESTED_KEY, ParseError
from server.parse.router import Call, ParseRouter
from server.parse_config import REMOVED
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
        call.require_master()
        if "params" not in call.params:
            raise ParseError(INVALID_JSON, 'The body must be {"params": {...}}.')
        params = _object(call.params, "params")
        hidden = _object(call.params, "masterKeyOnly")
        for key in {**params, **hidden}:
            if not _KEY.fullmatch(key):
                raise ParseError(INVALID_KEY_NAME, f"Invalid key name: {key}")
        _refuse_nested_operators(params)
        if params:
            services.parse_config.write(
                {key: _value(value) for key, value in params.items()},
                {key: value is True for key, value in hidden.items()},
            )
        return {"result": True}

    router.add("GET", "/config", read)
    router.add("PUT", "/config", write)


def _object(body: Any, name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise ParseError(INVALID_JSON, f"{name} must be an object.")
    return value


def _value(value: Any) -> Any:
    if not isinstance(value, dict) or "__op" not in value:
        return value
    if value["__op"] == "Delete":
        return REMOVED
    raise ParseError(INVALID_JSON, f"The {value['__op']} operator is not supported in config yet.")


def _refuse_nested_operators(value: Any) -> None:
    if isinstance(value, dict):
        if any("$" in key or "." in key for key in value):
            message = "Nested keys should not contain the '$' or '.' characters"
            raise ParseError(INVALID_NESTED_KEY, message)
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            _refuse_nested_operators(member)
