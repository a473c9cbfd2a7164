"""One Parse request out of HTTP's parts: body, credentials, method. Pure.

SDKs differ: headers (Android, iOS, Flutter, REST), keys inside a text/plain JSON body with the
real method in `_method` (JavaScript), HTTP Basic (curl). Afterwards no difference is left.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from server.parse.decode import refuse_prohibited_keywords
from server.parse.errors import INVALID_JSON, ParseError, unauthorized


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys that came with a request, checked by nobody yet; an empty one is None."""

    app_id: str | None = None
    master_key: str | None = field(default=None, repr=False)
    rest_api_key: str | None = field(default=None, repr=False)
    javascript_key: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    windows_key: str | None = field(default=None, repr=False)
    maintenance_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    installation_id: str | None = None
    client_version: str | None = None


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """What was asked: `body` is without the SDKs' own keys, `params` has the query's as well."""

    method: str
    body: dict[str, Any]
    params: dict[str, Any]
    credentials: Credentials
    context: dict[str, Any]
    request_id: str | None = None
    """The same whenever the same request is sent again."""


_HEADERS = {
    "app_id": "x-parse-application-id",
    "master_key": "x-parse-master-key",
    "rest_api_key": "x-parse-rest-api-key",
    "javascript_key": "x-parse-javascript-key",
    "client_key": "x-parse-client-key",
    "windows_key": "x-parse-windows-key",
    "maintenance_key": "x-parse-maintenance-key",
    "session_token": "x-parse-session-token",
    "installation_id": "x-parse-installation-id",
    "client_version": "x-parse-client-version",
}
_BODY_KEYS = {
    "app_id": "_ApplicationId",
    "master_key": "_MasterKey",
    "javascript_key": "_JavaScriptKey",
    "maintenance_key": "_MaintenanceKey",
    "session_token": "_SessionToken",
    "installation_id": "_InstallationId",
    "client_version": "_ClientVersion",
}
# What SDKs put beside an app's own params; it never reaches them.
_SDK_KEYS = {
    *_BODY_KEYS.values(),
    "_ContentType",
    "_RevocableSession",
    "_context",
    "_method",
    "_noBody",
}


# Far beyond any app's parameters, far below what hurts; a base64 text is one value.
_MAX_JSON_PARTS = 200_000
_MAX_JSON_DEPTH = 100


def parse_request(
    method: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: Mapping[str, Any],
    app_id: str,
) -> ParseRequest:
    """Join an HTTP request's parts: headers by lower-case name; `app_id` is the one that counts.

    Query parameters win over the body's, as in Parse Server.
    Raises ParseError for keys that are no text, and for a context that is no JSON object or has a
    prohibited keyword.
    """
    credentials = _credentials_in_headers(headers)
    if credentials.app_id != app_id:
        basic = _basic_credentials(headers, app_id, credentials)
        credentials = basic or _credentials_in_body(body, credentials)
    override = body.get("_method") if method == "POST" else None
    own = {key: value for key, value in body.items() if key not in _SDK_KEYS}
    return ParseRequest(
        method=override.upper() if isinstance(override, str) else method,
        body=own,
        params=own | dict(query),
        credentials=credentials,
        context=_context(headers.get("x-parse-cloud-context"), body.get("_context")),
        request_id=headers.get("x-parse-request-id") or None,
    )


def parse_body(data: bytes, content_type: str) -> dict[str, Any]:
    """Read a body as JSON whatever its type says, or else as a form; empty is `{}`.

    curl sends JSON as a form unless told otherwise, so even there JSON is tried first. An array
    becomes an object of its indices, as in Parse Server. Raises ParseError 107.
    """
    if not data.strip():
        return {}
    is_form = content_type.startswith("application/x-www-form-urlencoded")
    if is_form and data.lstrip()[:1] not in (b"{", b"["):
        return _form(data)
    body = read_json(data)
    if isinstance(body, list):
        return {str(index): value for index, value in enumerate(body)}
    if not isinstance(body, dict):
        raise ParseError(INVALID_JSON, "The body must be a JSON object.")
    return body


def read_json_text(text: str) -> Any:
    """`read_json` of a text, which may hold half characters: they are refused as all JSON's are."""
    return read_json(text.encode("utf-8", "surrogatepass"))


def read_json(data: bytes) -> Any:
    """Read JSON within bounds: 28 MB of `[0,0,...` would become 3 GB of numbers.

    Raises ParseError 107, with a sentence about a request's body.
    """
    if sum(map(data.count, (b",", b":", b"[", b"{"))) > _MAX_JSON_PARTS:
        raise ParseError(INVALID_JSON, f"The body has more than {_MAX_JSON_PARTS} values.")
    try:
        # Strictly: json.loads lets surrogates and UTF-16 pass. Some clients begin with a mark.
        text = data.decode("utf-8-sig")
        value = _JSON.decode(text)
        if "\\ud" in text.lower():  # escaped surrogates, and perhaps half a pair
            json.dumps(value, ensure_ascii=False).encode()
        if _is_deeper(value, _MAX_JSON_DEPTH):
            raise RecursionError
    except UnicodeError:
        raise ParseError(INVALID_JSON, "The body is not valid JSON: it is not UTF-8.") from None
    except RecursionError:
        raise ParseError(INVALID_JSON, "The body is nested too deeply.") from None
    except ValueError as error:
        raise ParseError(INVALID_JSON, f"The body is not valid JSON: {error}.") from None
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def _number(text: str) -> int | float:
    """As JavaScript reads it: whole up to 2**53, a double beyond, and never infinite."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]}... is too large a number")
    is_whole = abs(value) < 2**53 and text.lstrip("-").isdigit()
    return int(text) if is_whole else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_JSON = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_refuse_constant)


def _form(data: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(data.decode("utf-8"), keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        raise ParseError(INVALID_JSON, "The body is no valid form data.") from None


def _credentials_in_headers(headers: Mapping[str, str]) -> Credentials:
    return Credentials(**{name: headers.get(header) or None for name, header in _HEADERS.items()})


def _basic_credentials(
    headers: Mapping[str, str], app_id: str, in_headers: Credentials
) -> Credentials | None:
    """`appId:masterKey` or `appId:javascript-key=KEY`; honoured for our app id alone."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    if user != app_id:
        return None
    if password.startswith("javascript-key="):
        key = password.removeprefix("javascript-key=")
        return replace(in_headers, app_id=user, javascript_key=key)
    return replace(in_headers, app_id=user, master_key=password)


def _credentials_in_body(body: Mapping[str, Any], in_headers: Credentials) -> Credentials:
    """What the body says counts before the headers, if it names the app."""
    found = {name: body[key] for name, key in _BODY_KEYS.items() if body.get(key)}
    if not all(isinstance(value, str) for value in found.values()):
        raise unauthorized("a key in the body is no text")
    return replace(in_headers, **found) if "app_id" in found else in_headers


def _context(header: str | None, in_body: Any) -> dict[str, Any]:
    context = in_body if header is None else header
    if context is None:
        return {}
    if isinstance(context, str):
        try:
            context = read_json_text(context)
        except ParseError:
            context = None
    if not isinstance(context, dict):
        raise ParseError(INVALID_JSON, "Invalid object for context.")
    refuse_prohibited_keywords(context)
    return context
