"""What clients and server say to each other in LiveQuery, as values. Pure.

Lenient in what it reads, because SDKs differ by age: unknown members and nulls are ignored, and
`fields` is an older word for `keys`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.parse.encode import to_json
from server.parse.errors import ParseError
from server.parse.request import Credentials, read_json_text

# What codes mean here, and only here (Parse Server's ParseLiveQueryServer).
BAD_MESSAGE = 1
NOT_THERE = 2
WRONG_KEY = 4

# Far more than an app asks for.
_MAX_NAMES = 100

_KEYS = {
    "app_id": "applicationId",
    "master_key": "masterKey",
    "rest_api_key": "restAPIKey",
    "javascript_key": "javascriptKey",
    "client_key": "clientKey",
    "windows_key": "windowsKey",
    "session_token": "sessionToken",
    "installation_id": "installationId",
}


class BadMessage(Exception):
    """What a client sent is no message; `str(error)` is for the client."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Who a client is; nobody has checked it yet."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A query to hear of; `watch` are the columns whose change is of interest, None all."""

    request_id: int
    class_name: str
    where: Mapping[str, Any]
    keys: tuple[str, ...] | None = None
    watch: tuple[str, ...] | None = None
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """The end of a subscription."""

    request_id: int


Message = Connect | Subscribe | Unsubscribe


def read_message(text: str) -> Message:
    """Read one frame; `update` is a Subscribe, which replaces what has its number. Raises
    BadMessage."""
    try:
        message = read_json_text(text)
    except ParseError:
        raise BadMessage("The message is not valid JSON.") from None
    if not isinstance(message, dict):
        raise BadMessage("Invalid type: (expected object)")
    match message.get("op"):
        case "connect":
            return Connect(Credentials(**{k: _text(message, n) for k, n in _KEYS.items()}))
        case "subscribe" | "update":
            return _subscribe(message)
        case "unsubscribe":
            return Unsubscribe(_request_id(message))
        case None:
            raise BadMessage("Missing required property: op")
        case other:
            raise BadMessage(f"No enum match for: {json.dumps(other)[:100]}")


def _subscribe(message: Mapping[str, Any]) -> Subscribe:
    query = message.get("query")
    if not isinstance(query, Mapping):
        raise BadMessage("Missing required property: query")
    class_name, where = _text(query, "className"), query.get("where")
    if class_name is None:
        raise BadMessage("Missing required property: className")
    if not isinstance(where, Mapping | None):
        raise BadMessage("Invalid type: where (expected object)")
    keys = _names(query, "keys")
    return Subscribe(
        _request_id(message),
        class_name,
        where or {},
        _names(query, "fields") if keys is None else keys,
        _names(query, "watch"),
        _text(message, "sessionToken"),
    )


def _request_id(message: Mapping[str, Any]) -> int:
    number = message.get("requestId")
    if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
        raise BadMessage("Invalid type: requestId (expected number)")
    return int(number)


def _text(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    if not isinstance(value, str | None):
        raise BadMessage(f"Invalid type: {name} (expected string)")
    return value or None


def _names(query: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """Read a list of names, or names with commas; a list of none is as good as no list."""
    value = query.get(name)
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | None) or not all(isinstance(n, str) for n in names or ()):
        raise BadMessage(f"Invalid type: {name} (expected array)")
    if names is not None and len(names) > _MAX_NAMES:
        raise BadMessage(f"{name} has more than {_MAX_NAMES} names")
    return tuple(n.strip() for n in names if n.strip()) or None if names else None


@dataclass(frozen=True, slots=True)
class Voice:
    """How the server speaks to one client: everything that it says names the client."""

    client_id: str
    installation_id: str | None = None

    def say(self, op: str, request_id: int | None = None, **parts: Any) -> str:
        """Write a message; parts that are None are left out."""
        said: dict[str, Any] = {
            "op": op,
            "clientId": self.client_id,
            "installationId": self.installation_id,
        }
        said |= {"requestId": request_id, **parts}
        return to_json({name: value for name, value in said.items() if value is not None})

    def tell(self, op: str, request_id: int, parts: Mapping[str, str]) -> str:
        """Write a message with parts that are JSON already."""
        texts = "".join(f',"{name}":{text}' for name, text in parts.items())
        return self.say(op, request_id)[:-1] + texts + "}"


def error_message(
    code: int | None, sentence: str, request_id: int | None = None, *, reconnect: bool = False
) -> str:
    """Write an error; with `reconnect` the SDK tries again on a new connection."""
    error = {"op": "error", "error": sentence, "code": code}
    return to_json({**error, "reconnect": reconnect, "requestId": request_id})
