"""The Parse mount: every request below it is read, authorised, routed and answered here."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from cloud.code import SCRIPT_FAILED
from server.auth import Caller, authorise
from server.body import read_form_at_once, whole_body
from server.parse.errors import ParseError
from server.parse.request import parse_body, parse_request
from server.parse.router import Call, ParseRouter
from server.routes import config, functions
from server.routes.answers import json_answer
from server.services import Services

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
    router = ParseRouter()
    functions.add_routes(router, services)
    config.add_routes(router, services)
    blueprint = Blueprint("parse", __name__)

    def answer(path: str) -> Response:
        return _result_answer(_dispatch(router, services, f"/{path}"))

    def answer_function(name: str) -> Response:
        return answer(f"functions/{name}")

    for mount in mounts:
        blueprint.add_url_rule(f"{mount}/<path:path>", view_func=answer, methods=_METHODS)
        blueprint.add_url_rule(
            f"{mount}/", "mount", view_func=answer, methods=_METHODS, defaults={"path": ""}
        )
    blueprint.add_url_rule("/functions/<name>", view_func=answer_function, methods=_METHODS)
    return blueprint


def _dispatch(router: ParseRouter, services: Services, path: str) -> Any:
    settings = services.settings
    wire = parse_request(request.method, request.headers, request.args, _body(), settings.app_id)
    caller: Caller = authorise(wire.credentials, request.remote_addr or "", settings)
    handler, variables = router.match("GET" if wire.method == "HEAD" else wire.method, path)
    headers: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
    return handler(Call(caller, wire.params, headers, wire.context, variables))


def _body() -> dict[str, Any]:
    if request.mimetype == "multipart/form-data":
        read_form_at_once(request)
        return dict(request.form)
    return parse_body(whole_body(request), request.content_type or "")


def _result_answer(result: Any) -> Response:
    try:
        return json_answer(result)
    except TypeError as error:
        current_app.logger.error("an answer cannot be encoded: %s", error)
        raise ParseError(SCRIPT_FAILED, "Script failed. The server's log says why.") from error


def parse_error_response(error: ParseError) -> Response:
    """Say an error as Parse does."""
    body = {"error": error.message} if error.code is None else {"code": error.code}
    return json_answer(body | {"error": error.message}, error.status)
