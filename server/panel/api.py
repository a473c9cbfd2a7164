"""The app's own routes, called by the panel within the process: no socket, and no key leaves."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.test import EnvironBuilder, run_wsgi_app

from admin.ports.api import ApiAnswer, ApiDoor, ApiRequest
from config import Settings
from server.files.urls import public_mount_url

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class OwnApi:
    """The Api port on the WSGI application that serves the apps."""

    def __init__(self, settings: Settings, app: "WSGIApplication") -> None:
        self._settings, self._app = settings, app

    def door(self, scheme: str, host: str) -> ApiDoor:
        settings = self._settings
        parse_url = public_mount_url(settings, scheme, host, settings.parse_mount)
        return ApiDoor(_root_of(parse_url, settings.parse_mount), parse_url, settings.app_id)

    def call(self, request: ApiRequest) -> ApiAnswer:
        mount = self._settings.parse_mount if request.is_parse else ""
        environ = EnvironBuilder(
            f"{mount}{request.path}",
            method=request.method,
            headers=list(self._keys().items()) if request.is_parse else None,
            content_type=request.content_type or None,
            data=request.body,
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        ).get_environ()
        started = time.perf_counter()
        parts, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        body = b"".join(parts)
        elapsed = timedelta(seconds=time.perf_counter() - started)
        return ApiAnswer(status, list(headers), body, elapsed)

    def _keys(self) -> dict[str, str]:
        """The app's id, and whichever key clients have: never the master key."""
        settings = self._settings
        keys = {
            "X-Parse-REST-API-Key": settings.rest_api_key,
            "X-Parse-Javascript-Key": settings.js_key,
            "X-Parse-Client-Key": settings.client_key,
        }
        configured = [(name, key) for name, key in keys.items() if key]
        return {"X-Parse-Application-Id": settings.app_id, **dict(configured[:1])}


def _root_of(parse_url: str, mount: str) -> str:
    """Where the plain routes lie: beside the mount, or at the top where SERVER_URL hides it."""
    if parse_url.endswith(mount):
        return parse_url.removesuffix(mount)
    parts = urlsplit(parse_url)
    return f"{parts.scheme}://{parts.netloc}"
