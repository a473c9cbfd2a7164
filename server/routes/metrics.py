"""`GET /metrics`: the server's figures for Prometheus, for whom the operator lets read them."""

import hmac
from collections.abc import Iterator

from flask import Blueprint, Response, request
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from cloud.moderation.errors import StoreUnavailable
from config import Settings
from ml_models.errors import ModelError
from server.moderation.queues import QUEUES, waiting
from server.networks import is_address_in
from server.services import Services
from server.telemetry.metrics import CONTENT_TYPE


def metrics_blueprint(services: Services) -> Blueprint:
    """Answer callers from METRICS_IPS and those with METRICS_TOKEN; nobody else learns a thing."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def metrics() -> Response:
        if not _may_read(services.settings):
            refusal = "Not for this address: see METRICS_IPS and METRICS_TOKEN.\n"
            return Response(refusal, 403, mimetype="text/plain")
        exposition = services.telemetry.metrics.exposition(_at_the_moment(services))
        return Response(exposition, content_type=CONTENT_TYPE)

    return blueprint


def _may_read(settings: Settings) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    expected = settings.metrics_token
    if expected and hmac.compare_digest(given.encode(), expected.encode()):
        return True
    return is_address_in(request.remote_addr or "", settings.metrics_ips)


def _at_the_moment(services: Services) -> Iterator[Metric]:
    yield _is_model_ready(services)
    ready = GaugeMetricFamily("parsewarden_database_ready", "1 while the database answers")
    try:
        found = {queue: waiting(services.database.objects, queue) for queue in QUEUES}
    except StoreUnavailable:
        ready.add_metric([], 0)
        yield ready
        return
    ready.add_metric([], 1)
    yield ready
    items = GaugeMetricFamily("parsewarden_queue_items", "Images that wait", labels=["queue"])
    ages = GaugeMetricFamily(
        "parsewarden_queue_oldest_seconds", "Age of the oldest image that waits", labels=["queue"]
    )
    for queue, waits in found.items():
        items.add_metric([queue], waits.count)
        ages.add_metric([queue], waits.oldest_s or 0)
    yield items
    yield ages


def _is_model_ready(services: Services) -> Metric:
    ready = GaugeMetricFamily("parsewarden_model_ready", "1 while images can be classified")
    try:
        services.classifier.check()
    except ModelError:
        ready.add_metric([], 0)
    else:
        ready.add_metric([], 1)
    return ready
