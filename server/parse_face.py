"""The Parse mounts: every request below them is read, authorised, routed and answered here.

A WSGI application in front of Flask's, which serves everything else: at thousands of small calls a
second, Flask's contexts and second routing were the greatest part of a call.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from werkzeug.wrappers import Request

from cloud.errors import SCRIPT_FAILED
from server.auth import Caller, authorise
from server.body import whole_body
from server.files.uploads import Upload, json_upload, raw_upload
from server.files.urls import public_mount_url
from server.front.header_names import header_of
from server.parse.encode import to_json
from server.parse.errors import ParseError
from server.parse.request import ParseRequest, parse_body, parse_request
from server.routes import (
    absent,
    aggregate,
    batch,
    classes,
    config,
    files,
    functions,
    job_schedules,
    jobs,
    schemas,
    server_info,
    users,
)
from server.routes.answers import CORS_HEADERS, JSON, answer_of_error, logger
from server.routes.router import Answer, Call, ParseRouter
from server.services import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_UPLOADS = re.compile(r"/files(/|\Z)", re.IGNORECASE)
# What needs no key, and is Flask's: the health of the server, files to be read, and the pages that
# mails lead to.
_HEALTH = re.compile(r"/health/?\Z", re.IGNORECASE)
_DOWNLOAD = re.compile(r"/files/[^/]+/.", re.IGNORECASE)
_PAGE = re.compile(r"/apps/", re.IGNORECASE)
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_CORS = list(CORS_HEADERS.items())


def parse_router(services: Services, mounts: list[str]) -> ParseRouter:
    """Every Parse route there is."""
    router = ParseRouter()
    functions.add_routes(router, services)
    jobs.add_routes(router, services)
    job_schedules.add_routes(router, services)
    users.add_routes(router, services)
    classes.add_routes(router, services)
    aggregate.add_routes(router, services)
    files.add_routes(router, services)
    config.add_routes(router, services)
    schemas.add_routes(router, services)
    server_info.add_routes(router)
    absent.add_routes(router)
    batch.add_routes(router, services, mounts)
    return router


class ParseFace:
    """Answers below the mounts, and `/functions/` at the root; the rest goes `elsewhere`."""

    def __init__(self, services: Services, mounts: list[str], elsewhere: "WSGIApplication") -> None:
        self._services, self._mounts, self._elsewhere = services, mounts, elsewhere
        self._router = parse_router(services, mounts)
        words = "|".join(map(re.escape, sorted(mounts, key=len, reverse=True)))
        self._path = re.compile(
            rf"(?P<mount>{words})(?P<path>/.*)?\Z|(?P<root>/functions/.*)", re.I | re.S
        )

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Every (method, path) that is answered below a mount."""
        return self._router.routes

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        full_path = _path_of(environ)
        match = self._path.match(full_path)
        method = environ["REQUEST_METHOD"]
        path = (match["path"] or match["root"] or "/") if match else ""
        is_download = method in ("GET", "HEAD") and _DOWNLOAD.match(path)
        if match is None or is_download or _HEALTH.match(path) or _PAGE.match(path):
            return self._elsewhere(environ, start_response)
        if method == "OPTIONS":
            return _respond(start_response, method, 200, "OK", "text/plain", [])
        try:
            answer = self._answer(environ, match["mount"] or self._mounts[0], path)
            body = _encoded(answer)
        except Exception as error:  # the one handler of these routes
            answer = answer_of_error(error, method, full_path)
            body = to_json(answer.body)
        headers = list(answer.headers.items())
        return _respond(start_response, method, answer.status, body, JSON, headers)

    def _answer(self, environ: "WSGIEnvironment", mount: str, path: str) -> Answer:
        """Read, authorise, route, answer: every Parse call takes these steps."""
        settings = self._services.settings
        headers = _headers_of(environ)
        wire, upload = self._read_request(environ, headers, path)
        caller = self._caller(wire, headers, environ.get("REMOTE_ADDR") or "", path)
        method = "GET" if wire.method == "HEAD" else wire.method
        handler, variables = self._router.match(method, path)
        self._services.rate_limits.check(caller, method, path)
        self._services.idempotency.claim(method, path, wire.request_id)
        host = headers.get("host") or environ["SERVER_NAME"]
        result = handler(
            Call(
                caller=caller,
                body=wire.body,
                params=wire.params,
                context=wire.context,
                mount_url=public_mount_url(settings, environ["wsgi.url_scheme"], host, mount),
                path=variables,
                upload=upload,
            )
        )
        return result if isinstance(result, Answer) else Answer(result)

    def _read_request(
        self, environ: "WSGIEnvironment", headers: dict[str, str], path: str
    ) -> tuple[ParseRequest, Upload | None]:
        """Read the body: the bytes of a file where a header names the app, JSON everywhere else."""
        settings = self._services.settings
        content_type = environ.get("CONTENT_TYPE") or ""
        query = _query_of(environ)
        method, app_id = environ["REQUEST_METHOD"], settings.app_id

        def wire(body: dict[str, Any]) -> ParseRequest:
            return parse_request(method, headers, query, body, app_id)

        if content_type.startswith("multipart/form-data"):
            return wire(_form_of(environ, settings.max_body_bytes)), None
        data = whole_body(environ, settings.max_body_bytes)
        if method != "POST" or not _UPLOADS.match(path):
            return wire(parse_body(data, content_type)), None
        bare = wire({})
        if bare.credentials.app_id == app_id:
            return bare, raw_upload(data, content_type, headers)
        parsed = _json_or_nothing(data)
        return wire(parsed), json_upload(parsed)

    def _caller(self, wire: ParseRequest, headers: dict[str, str], ip: str, path: str) -> Caller:
        """Check the keys, then the session: a login has none yet, nor has who reads all.

        Raises ParseError 403, and 209 on every route for a token that stands for nobody.
        """
        services = self._services
        caller = authorise(wire.credentials, ip, headers, services.settings)
        token, route = wire.credentials.session_token, path.strip("/").lower()
        if route == "login":
            return replace(caller, find_role_names=services.roles.names_of)
        if token is None:
            return caller
        if caller.reads_all:
            return replace(caller, session_token=token)
        sessions = services.objects.sessions
        is_legacy = route == "upgradetorevocablesession" and not token.startswith("r:")
        return replace(
            caller,
            user=sessions.user_of_legacy(token) if is_legacy else sessions.user_of(token),
            session_token=token,
            find_role_names=services.roles.names_of,
        )


def _path_of(environ: "WSGIEnvironment") -> str:
    path: str = environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


def _query_of(environ: "WSGIEnvironment") -> dict[str, str]:
    query: str = environ.get("QUERY_STRING", "")
    return dict(parse_qsl(query, keep_blank_values=True)) if query else {}


def _headers_of(environ: "WSGIEnvironment") -> dict[str, str]:
    """The request's headers by lower-case name."""
    headers = {name: value for key, value in environ.items() if (name := header_of(key))}
    if "CONTENT_TYPE" in environ:
        headers["content-type"] = environ["CONTENT_TYPE"]
    return headers


def _form_of(environ: "WSGIEnvironment", max_bytes: int) -> dict[str, Any]:
    form = Request(environ)
    form.max_content_length = max_bytes
    return dict(form.form)


def _json_or_nothing(data: bytes) -> dict[str, Any]:
    """The JSON around an upload; bytes without an app id are refused for that, not for bad JSON."""
    try:
        return parse_body(data, "")
    except ParseError:
        return {}


def _encoded(answer: Answer) -> str:
    try:
        return to_json(answer.body)
    except TypeError as error:
        logger.error("an answer cannot be encoded: %s", error)
        raise ParseError(SCRIPT_FAILED, "Script failed. The server's log says why.") from error


def _respond(
    start_response: "StartResponse",
    method: str,
    status: int,
    body: str,
    content_type: str,
    headers: list[tuple[str, str]],
) -> list[bytes]:
    data = body.encode("utf-8")
    length = ("Content-Length", str(len(data)))
    start_response(
        _STATUS_LINES[status], [("Content-Type", content_type), length, *_CORS, *headers]
    )
    return [] if method == "HEAD" else [data]
