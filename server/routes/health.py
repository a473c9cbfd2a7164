"""`GET /health`: whether this process can classify and record, for load balancers and people.

`/health/live` only says that the process answers: whoever restarts processes asks that. With the
database away a restart mends nothing.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Response, jsonify

from cloud.moderation.errors import StoreUnavailable
from ml_models.errors import ModelError
from server.moderation.queues import waiting
from server.services import Services

# Less than one picture and what the database writes with it.
_LEAST_FREE_BYTES = 1024 * 1024


def health_blueprint(services: Services, mounts: list[str]) -> Blueprint:
    """Answer 200 `{"status": "ok"}`, or 503 with what is missing; no key needed.

    `/health/ready` says the same, and how long the oldest image has waited to be judged.
    """
    blueprint = Blueprint("health", __name__)

    def health() -> tuple[Response, int]:
        problems = _problems(services)
        if not problems:
            return jsonify(status="ok"), 200
        response = jsonify(status="error", problems=problems)
        response.headers["Retry-After"] = "1"
        return response, 503

    def ready() -> tuple[Response, int]:
        response, status = health()
        if status == 200:
            response = jsonify(status="ok", oldestPendingSeconds=_oldest_pending_s(services))
        return response, status

    blueprint.add_url_rule("/health/live", view_func=lambda: jsonify(status="ok"), endpoint="live")
    blueprint.add_url_rule("/health/ready", view_func=ready)
    for mount in ["", *mounts]:
        blueprint.add_url_rule(f"{mount}/health", view_func=health, methods=["GET", "POST"])
    return blueprint


def health_lanes(mounts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The paths that must be answered while all else stands still.

    `/health/live` stands alone: a database that is away may hold the others for a second each.
    """
    of_all = ("/health", "/health/ready", *(f"{mount}/health" for mount in mounts))
    return ("/health/live",), of_all


def _oldest_pending_s(services: Services) -> float | None:
    """Seconds since the oldest image came that waits to be judged; None while none does."""
    oldest_s = waiting(services.database.objects, "pending").oldest_s
    return None if oldest_s is None else round(oldest_s, 1)


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
    if not services.settings.database_uri:
        problems += _problems_of_folder(services.settings.data_dir)
    return problems


def _problems_of_folder(folder: Path) -> list[str]:
    """Whether the embedded database and its files can grow."""
    if not os.access(folder, os.W_OK):
        return ["data folder not writable"]
    disk = os.statvfs(folder)
    return ["disk full"] if disk.f_bavail * disk.f_frsize < _LEAST_FREE_BYTES else []
