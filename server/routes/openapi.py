"""`GET /openapi.json`: every route, in OpenAPI 3.1, made from the routers themselves.

What a route takes and answers in general is said for all of its kind; `docs/parse-compatibility.md`
and Parse's own REST guide have the details.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from flask import Blueprint, Response

from server.parse.encode import to_json
from server.routes.answers import JSON

Json = dict[str, Any]

_OBJECT: Json = {"type": "object"}
_JSON_OBJECT: Json = {"application/json": {"schema": _OBJECT}}
_VARIABLE = re.compile(r"<(?:path:)?(\w+)>")
_NO_KEY: list[Json] = [{}]
_KEYS: list[Json] = [
    {"appId": [], "restKey": []},
    {"appId": [], "restKey": [], "session": []},
    {"appId": [], "masterKey": []},
]
_FIND: Mapping[str, Json] = {
    "where": {"type": "string", "description": "a query as JSON"},
    "order": {"type": "string"},
    "limit": {"type": "integer", "minimum": 0},
    "skip": {"type": "integer", "minimum": 0},
    "count": {"type": "integer", "enum": [0, 1]},
    "keys": {"type": "string"},
    "excludeKeys": {"type": "string"},
    "include": {"type": "string"},
}
_LISTS = re.compile(r"/(classes/<class_name>|users|roles|sessions|installations)")
_BODIES: Mapping[str, Json] = {
    "/login": {"username": {"type": "string"}, "password": {"type": "string"}},
    "/verifypassword": {"username": {"type": "string"}, "password": {"type": "string"}},
    "/users": {
        "username": {"type": "string"},
        "password": {"type": "string"},
        "email": {"type": "string"},
        "authData": _OBJECT,
    },
    "/requestpasswordreset": {"email": {"type": "string"}},
    "/verificationemailrequest": {"email": {"type": "string"}},
    "/batch": {"requests": {"type": "array", "items": _OBJECT}},
    "/config": {"params": _OBJECT, "masterKeyOnly": _OBJECT},
    "/jobs": {"jobName": {"type": "string"}},
}
_PREDICTIONS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["className", "probability"],
        "properties": {
            "className": {"enum": ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"]},
            "probability": {"type": "number", "minimum": 0, "maximum": 1},
        },
    },
}
_IMAGE: Json = {
    "properties": {
        "url": {"type": "string", "format": "uri"},
        "base64": {"type": "string", "contentEncoding": "base64"},
        "image": {"$ref": "#/components/schemas/File"},
    },
    "type": "object",
}
_COMPONENTS: Json = {
    "securitySchemes": {
        name: {"type": "apiKey", "in": "header", "name": f"X-Parse-{header}"}
        for name, header in [
            ("appId", "Application-Id"),
            ("restKey", "REST-API-Key"),
            ("masterKey", "Master-Key"),
            ("session", "Session-Token"),
        ]
    },
    "schemas": {
        "File": {
            "type": "object",
            "properties": {"__type": {"const": "File"}, "name": {"type": "string"}},
        },
        "Error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "error": {"type": "string"}},
        },
    },
    "responses": {
        "Error": {
            "description": "An error: Parse's code where it has one, and a sentence that says why",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    },
}


def openapi_blueprint(mount: str, routes: Iterable[tuple[str, str]]) -> Blueprint:
    """Describe these Parse routes below `mount`, and the plain ones; no key needed."""
    blueprint, described = Blueprint("openapi", __name__), tuple(routes)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return Response(_encoded(mount, described), content_type=JSON)

    return blueprint


@cache
def _encoded(mount: str, routes: tuple[tuple[str, str], ...]) -> str:
    """The document as it is sent: made once, at the first request for it."""
    return to_json(describe(mount, routes))


def describe(mount: str, routes: Iterable[tuple[str, str]]) -> Json:
    """The document of these (method, path) of Parse, and of the plain routes."""
    paths: dict[str, Json] = _plain_paths()
    for method, path in routes:
        written = mount + _VARIABLE.sub(r"{\1}", path)
        paths.setdefault(written, {})[method.lower()] = _parse_operation(method, path)
    classify = _parse_operation("POST", "/functions/<name>")
    classify["requestBody"] = {"content": {"application/json": {"schema": _IMAGE}}}
    classify["parameters"] = []
    classify["responses"]["200"] = _answer({"properties": {"result": _PREDICTIONS}})
    paths[f"{mount}/functions/nsfwImageClassify"] = {"post": classify}
    info = {"title": "Parsewarden", "version": "0.1.0", "license": {"name": "Apache-2.0"}}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": _COMPONENTS}


def _parse_operation(method: str, path: str) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(path)
    ]
    if method == "GET" and _LISTS.fullmatch(path):
        parameters += [
            {"name": name, "in": "query", "schema": schema} for name, schema in _FIND.items()
        ]
    operation: Json = {
        "security": _KEYS,
        "parameters": parameters,
        "responses": {"2XX": _answer(_OBJECT), "default": {"$ref": "#/components/responses/Error"}},
    }
    if path == "/files/<path:name>" and method == "POST":
        octets = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"] = {"content": {"image/jpeg": octets, **_JSON_OBJECT}}
    elif method in ("POST", "PUT"):
        schema = {"type": "object", "properties": _BODIES.get(path, {})}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _plain_paths() -> dict[str, Json]:
    url = {"name": "url", "in": "query", "required": True, "schema": {"type": "string"}}
    octets = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"file": octets["schema"]}}}
    body = {
        "content": {
            "image/jpeg": octets,
            "multipart/form-data": form,
            "application/json": {"schema": _IMAGE},
        }
    }
    verdict = {
        "properties": {
            "predictions": _PREDICTIONS,
            "isSafe": {"type": "boolean"},
            "isToxic": {"type": "boolean"},
        }
    }
    paths: dict[str, Json] = {}
    for name, schema in [("classify", _PREDICTIONS), ("is_safe", verdict)]:
        shared = {"security": _NO_KEY, "responses": {"200": _answer(schema), **_plain_errors()}}
        paths[f"/api/image/{name}"] = {
            "get": {**shared, "parameters": [url]},
            "post": {**shared, "requestBody": body},
        }
    for path in ("/health", "/health/live", "/health/ready"):
        answers = {"200": _answer(_OBJECT), "503": _answer(_OBJECT)}
        paths[path] = {"get": {"security": _NO_KEY, "responses": answers}}
    return paths


def _plain_errors() -> Json:
    error = {"$ref": "#/components/responses/Error"}
    return {str(status): error for status in (400, 404, 408, 413, 415, 422, 429, 502, 503, 504)}


def _answer(schema: Json) -> Json:
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}
