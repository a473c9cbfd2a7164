"""The Parse mount: every request below it is read, authorised, routed and answered here."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from cloud.errors import SCRIPT_FAILED
from server.auth import Caller, authorise
from server.body import read_form_at_once, whole_body
from server.files import Upload, public_mount_url, read_upload
from server.parse.errors import ParseError
from server.parse.request import ParseRequest, parse_body, parse_request
from server.parse.router import Answer, Call, ParseRouter
from server.routes import (
    batch,
    classes,
    config,
    files,
    functions,
    jobs,
    schemas,
    server_info,
    users,
)
from server.routes.answers import json_answer
from server.services import Services

_UPLOADS = re.compile(r"/files(/|\Z)", re.IGNORECASE)
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]

# Parse Server's list and what it leaves out: without the client key Flutter Web fails its
# preflight. SDKs in JavaScript split the exposed names on ", ".
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET,PUT,POST,DELETE,OPTIONS",
    "Access-Control-Allow-Headers": ", ".join(
        [
            "X-Parse-Master-Key", "X-Parse-REST-API-Key", "X-Parse-Javascript-Key",
            "X-Parse-Application-Id", "X-Parse-Client-Version", "X-Parse-Session-Token",
            "X-Requested-With", "X-Parse-Revocable-Session", "X-Parse-Request-Id", "Content-Type",
            "Pragma", "Cache-Control", "X-Parse-Client-Key", "X-Parse-Installation-Id",
            "X-Parse-Windows-Key", "X-Parse-Cloud-Context", "X-Parse-Upload-Mode",
            "X-Parse-File-Directory", "X-Parse-File-Metadata", "X-Parse-File-Tags",
            "X-Parse-Maintenance-Key",
        ]
    ),
    "Access-Control-Expose-Headers": "X-Parse-Job-Status-Id, X-Parse-Push-Status-Id",
}  # fmt: skip


def add_cors(app: Flask) -> None:
    """Let browsers of any origin call: on every answer, and on every preflight without a key."""

    @app.before_request
    def answer_preflight() -> Response | None:
        return Response("OK") if request.method == "OPTIONS" else None

    @app.after_request
    def allow_every_origin(response: Response) -> Response:
        response.headers.update(_CORS_HEADERS)
        return response


def parse_blueprint(services: Services, mounts: list[str]) -> Blueprint:
    """Serve Parse's routes below each mount, and its functions at the root as well."""
    router = parse_router(services, mounts)
    blueprint = Blueprint("parse", __name__)

    def answer(path: str) -> Response:
        return _dispatch(router, services, f"/{path}", mounts)

    def answer_function(name: str) -> Response:
        return answer(f"functions/{name}")

    for mount in mounts:
        blueprint.add_url_rule(f"{mount}/<path:path>", view_func=answer, methods=_METHODS)
        blueprint.add_url_rule(
            f"{mount}/", "mount", view_func=answer, methods=_METHODS, defaults={"path": ""}
        )
    blueprint.add_url_rule("/functions/<name>", view_func=answer_function, methods=_METHODS)
    return blueprint


def parse_router(services: Services, mounts: list[str]) -> ParseRouter:
    """Every Parse route there is."""
    router = ParseRouter()
    functions.add_routes(router, services)
    jobs.add_routes(router, services)
    users.add_routes(router, services)
    classes.add_routes(router, services)
    files.add_routes(router, services)
    config.add_routes(router, services)
    schemas.add_routes(router, services)
    server_info.add_routes(router)
    batch.add_routes(router, services.settings, mounts)
    return router


def _dispatch(router: ParseRouter, services: Services, path: str, mounts: list[str]) -> Response:
    """Read, authorise, route, answer: every Parse call takes these steps."""
    settings = services.settings
    wire, upload = _read_request(settings.app_id, path)
    caller = _caller(services, wire, path)
    handler, variables = router.match("GET" if wire.method == "HEAD" else wire.method, path)
    mount = next((m for m in mounts if request.path.startswith(f"{m}/")), mounts[0])
    call = Call(
        caller=caller,
        params=wire.params,
        context=wire.context,
        mount_url=public_mount_url(settings, request.scheme, request.host, mount),
        path=variables,
        upload=upload,
    )
    return _answer(handler(call))


def _read_request(app_id: str, path: str) -> tuple[ParseRequest, Upload | None]:
    """Read the body as what it is: the bytes of a file where a header names the app, else JSON."""
    if request.mimetype == "multipart/form-data":
        read_form_at_once(request)
        return _wire(app_id, dict(request.form)), None
    data, content_type = whole_body(request), request.content_type or ""
    if request.method != "POST" or not _UPLOADS.match(path):
        return _wire(app_id, parse_body(data, content_type)), None
    wire = _wire(app_id, {})
    if wire.credentials.app_id == app_id:
        return wire, read_upload(True, content_type, data, None)
    parsed = _json_or_nothing(data)
    wire = _wire(app_id, parsed)
    return wire, read_upload(False, content_type, data, parsed)


def _json_or_nothing(data: bytes) -> dict[str, Any]:
    """The JSON around an upload; bytes without an app id are refused for that, not for bad JSON."""
    try:
        return parse_body(data, "")
    except ParseError:
        return {}


def _wire(app_id: str, body: Mapping[str, Any]) -> ParseRequest:
    return parse_request(request.method, request.headers, request.args, body, app_id)


def _caller(services: Services, wire: ParseRequest, path: str) -> Caller:
    """Check the keys, then the session; the master key is nobody's session, a login has none yet.

    Raises ParseError 403, and 209 on every route for a token that stands for nobody.
    """
    caller = authorise(wire.credentials, request.remote_addr or "", services.settings)
    headers = {name.lower(): value for name, value in request.headers.items()}
    token = wire.credentials.session_token
    if token is None or path.strip("/").lower() == "login":
        return replace(caller, headers=headers)
    if caller.master:
        return replace(caller, headers=headers, session_token=token)
    return replace(
        caller,
        headers=headers,
        user=services.objects.sessions.user_of(token),
        session_token=token,
        find_role_names=services.roles.names_of,
    )


def _answer(result: Any) -> Response:
    answer = result if isinstance(result, Answer) else Answer(result)
    try:
        response = json_answer(answer.body, answer.status)
    except TypeError as error:
        current_app.logger.error("an answer cannot be encoded: %s", error)
        raise ParseError(SCRIPT_FAILED, "Script failed. The server's log says why.") from error
    response.headers.update(answer.headers)
    return response


def parse_error_response(error: ParseError) -> Response:
    """Say an error as Parse does."""
    body = {"error": error.message} if error.code is None else {"code": error.code}
    return json_answer(body | {"error": error.message}, error.status)
