"""`GET /health`: whether this process can classify and record, for load balancers and people."""

from flask import Blueprint, Response, jsonify

from cloud.moderation.errors import StoreUnavailable
from ml_models.errors import ModelError
from server.services import Services


def health_blueprint(services: Services, mounts: list[str]) -> Blueprint:
    """Answer 200 `{"status": "ok"}`, or 503 with what is missing; no key needed."""
    blueprint = Blueprint("health", __name__)

    def health() -> tuple[Response, int]:
        problems = _problems(services)
        if not problems:
            return jsonify(status="ok"), 200
        response = jsonify(status="error", problems=problems)
        response.headers["Retry-After"] = "1"
        return response, 503

    for mount in ["", *mounts]:
        blueprint.add_url_rule(f"{mount}/health", view_func=health, methods=["GET", "POST"])
    return blueprint


def _problems(services: Services) -> list[str]:
    problems = []
    try:
        services.classifier.check()
    except ModelError:
        problems.append("model not ready")
    try:
        services.database.ping()
    except StoreUnavailable:
        problems.append("database not reachable")
    return problems
