"""How every route answers: Parse's JSON with the content type that SDKs expect, CORS, errors."""

import logging
from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from server.parse.encode import to_json
from server.parse.errors import INTERNAL_SERVER_ERROR, ParseError, as_parse_error
from server.rate_limits import TooManyRequests
from server.routes.router import Answer

logger = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"

# Parse Server's list and what it leaves out: without the client key Flutter Web fails its
# preflight. SDKs in JavaScript split the exposed names on ", ".
CORS_HEADERS = {
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
            "X-Parse-Maintenance-Key", "X-Parse-File-Max-Upload-Size",
        ]
    ),
    "Access-Control-Expose-Headers": "X-Parse-Job-Status-Id, X-Parse-Push-Status-Id",
}  # fmt: skip


def json_answer(body: Any, status: int = 200) -> Response:
    """Encode `body`. Raises TypeError for what Parse has no form for."""
    return Response(to_json(body), status, content_type=JSON)


def add_cors(app: Flask, *, closed: Sequence[str]) -> None:
    """Let browsers of any origin call: on every answer, and on every preflight without a key.

    What lies below `closed` is for pages of this site alone.
    """
    folders = tuple(f"{path}/" for path in closed)

    def is_open() -> bool:
        return not f"{request.path}/".startswith(folders)

    @app.before_request
    def answer_preflight() -> Response | None:
        is_preflight = request.method == "OPTIONS" and is_open()
        return Response("OK", mimetype="text/plain") if is_preflight else None

    @app.after_request
    def allow_every_origin(response: Response) -> Response:
        if is_open():
            response.headers.update(CORS_HEADERS)
        return response


def answer_of_error(error: Exception, method: str, path: str) -> Answer:
    """The one place where an error becomes an answer; what nobody raised on purpose is logged."""
    parse_error = as_parse_error(error)
    if parse_error is not None:
        logger.info("%s %r refused: %s", method, path, error)
        headers = {}
        if isinstance(error, TooManyRequests):
            headers["Retry-After"] = str(error.retry_after_s)
        return Answer(error_body(parse_error), parse_error.status, headers)
    if isinstance(error, HTTPException):
        return Answer({"error": error.description or error.name}, error.code or 500)
    logger.error("%s %r failed", method, path, exc_info=error)
    return Answer({"code": INTERNAL_SERVER_ERROR, "message": "Internal server error."}, 500)


def error_body(error: ParseError) -> dict[str, Any]:
    """Say an error as Parse does."""
    code = {} if error.code is None else {"code": error.code}
    return {**code, "error": error.message}
