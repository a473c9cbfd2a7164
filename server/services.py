"""What the routes work with, joined once for each process by `server.wiring`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloud.code import RequestContext
from cloud.moderation.classification import ClassificationService
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.pipeline import ModerationPipeline
from config import Settings
from ml_models.classifier import NsfwClassifier
from ml_models.errors import ModelError
from server.auth import Caller
from server.dispatch.swept import SweptDispatch
from server.files.placeholders import Placeholders
from server.idempotency import Idempotency
from server.jobs.runner import JobRunner
from server.jobs.scheduler import JobScheduler
from server.live_query.bus import Bus
from server.mail.queue import MailQueue
from server.moderation.memory import StoredMemory
from server.objects.roles import Roles
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.panel.retention import RetentionKeeper
from server.parse_config import ParseConfig
from server.rate_limits import RateLimits
from server.storage.port import Database
from server.telemetry.measured import Telemetry
from server.webhooks.deliverer import Deliverer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """One process's services."""

    settings: Settings
    database: Database
    schemas: Schemas
    objects: ParseObjects
    roles: Roles
    parse_config: ParseConfig
    classifier: NsfwClassifier
    placeholders: Placeholders
    moderation: ClassificationService
    jobs: JobRunner
    idempotency: Idempotency
    rate_limits: RateLimits
    scheduler: JobScheduler
    pipeline: ModerationPipeline
    memory: StoredMemory
    dispatch: SweptDispatch
    webhooks: Deliverer
    retention: RetentionKeeper
    mails: MailQueue | None
    bus: Bus
    context_of: Callable[[Caller, dict[str, Any]], RequestContext]
    """What cloud code may use in one call."""
    telemetry: Telemetry

    def warm_up(self) -> None:
        """Load the model, look for the database, and begin to read what is remembered; what is
        missing is reported, not fatal."""
        for name, prepare in [("model", self.classifier.warm_up), ("database", self.database.ping)]:
            try:
                prepare()
            except (ModelError, StoreUnavailable) as error:
                logger.warning("the %s is not ready, images have to wait: %s", name, error)
        self.memory.start()

    def start(self) -> None:
        """Be ready, and begin what a server does beside its requests; after forking."""
        self.warm_up()
        self.jobs.watch()
        self.scheduler.start()
        self.dispatch.start_sweeping()
        self.webhooks.start()
        self.retention.start()

    def close(self) -> None:
        """Let what runs in the background come to its end, whether or not it was started."""
        self.dispatch.close()
        self.webhooks.close()
        self.retention.close()
        if self.mails is not None:
            self.mails.close()
        self.scheduler.close()
        self.jobs.close()
        self.classifier.close()
        self.database.close()
