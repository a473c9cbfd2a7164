"""The composition root: settings in, a Flask app out. Joins routes and panel to the services."""

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from admin.panel import add_panel
from config import Settings
from server.cloud_code import load_cloud_code
from server.guarded_answers import GuardedAnswers
from server.panel.wiring import make_panel_services, panel_secret
from server.parse_face import ParseFace
from server.paths import CaseInsensitivePrefixes
from server.routes.account_pages import account_pages_blueprint
from server.routes.answers import add_cors, answer_of_error, json_answer
from server.routes.files import files_blueprint
from server.routes.health import health_blueprint
from server.routes.image_api import image_blueprint
from server.routes.openapi import openapi_blueprint
from server.welcome import what_to_try
from server.wiring import make_services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def create_app(settings: Settings) -> Flask:
    """Join the services and routes of one process. Raises SettingsError for what cannot work.

    Reaches out to nothing: the database and the model are waited for at the first request that
    needs them. Call it after forking.
    """
    load_cloud_code(settings.cloud_code_main)
    services = make_services(settings)
    from server.routes.metrics import metrics_blueprint  # no sooner: see server.telemetry.metrics

    mounts = settings.parse_mounts
    app = Flask("parsewarden", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["parsewarden"] = services
    add_cors(app, closed=["/admin", *(f"{mount}/apps" for mount in mounts)])
    app.register_blueprint(health_blueprint(services, mounts))
    app.register_blueprint(metrics_blueprint(services))
    app.register_blueprint(image_blueprint(services))
    app.register_blueprint(files_blueprint(services, mounts))
    app.register_blueprint(account_pages_blueprint(services, mounts))
    app.add_url_rule("/", view_func=lambda: Response(what_to_try(settings), mimetype="text/plain"))
    add_panel(app, make_panel_services(services, app), panel_secret(settings))
    app.register_error_handler(Exception, _answer_error)
    prefixes = [f"{mount}/{name}" for mount in mounts for name in ("health", "files", "apps")]
    prefixes += ["/health", "/metrics", "/api/image/classify", "/api/image/is_safe"]
    elsewhere = CaseInsensitivePrefixes(app.wsgi_app, prefixes)
    face = ParseFace(services, mounts, elsewhere)
    app.register_blueprint(openapi_blueprint(settings.parse_mount, face.routes))
    wsgi_app: WSGIApplication = GuardedAnswers(face)
    if settings.trusted_proxies:
        # Each proxy adds to the addresses; the scheme is what the nearest one says it is.
        wsgi_app = ProxyFix(wsgi_app, x_for=settings.trusted_proxies, x_proto=1)
    app.wsgi_app = wsgi_app  # type: ignore[method-assign, assignment]
    return app


def _answer_error(error: Exception) -> Response:
    answer = answer_of_error(error, request.method, request.path)
    response = json_answer(answer.body, answer.status)
    response.headers.update(answer.headers)
    return response
