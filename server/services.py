"""What the routes work with, joined once for each process by `server.app`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloud.code import RequestContext
from cloud.moderation.classification import ClassificationService
from config import Settings
from ml_models.classifier import NsfwClassifier
from server.auth import Caller
from server.dispatch.local import LocalDispatch
from server.jobs import JobRunner
from server.objects.roles import Roles
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.parse_config import ParseConfig
from server.storage.port import Database


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
    moderation: ClassificationService
    jobs: JobRunner
    dispatch: LocalDispatch
    context_of: Callable[[Caller, dict[str, Any]], RequestContext]
    """What cloud code may use in one call."""
