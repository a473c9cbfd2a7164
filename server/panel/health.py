"""Whether model, database, broker and workers are there; may take seconds to say that not."""

import time
from datetime import timedelta

from admin.ports.figures import Broker, Health
from ml_models.errors import ModelError
from server.dispatch.workers import WorkerBook
from server.services import Services


def health_of(services: Services) -> Health:
    """Look at each part. Raises StoreUnavailable where there is no database."""
    started = time.perf_counter()
    services.database.ping()
    took = timedelta(seconds=time.perf_counter() - started)
    model, problem = _model(services)
    return Health(model, problem, took, _broker(services))


def _model(services: Services) -> tuple[str | None, str | None]:
    try:
        services.classifier.check()
        model = services.classifier.model
    except ModelError as error:
        return None, error.public_message
    return f"{model.name} {model.version}", None


def _broker(services: Services) -> Broker | None:
    url = services.settings.celery_broker_url
    if not url:
        return None
    from server.dispatch.celery import messages_waiting  # 0.2 s and 12 MB that others are spared

    workers = WorkerBook(services.database, services.schemas).read()
    return Broker(messages_waiting(url), workers.alive, workers.heard_at)
