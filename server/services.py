"""What the routes work with, joined once for each process by `server.app`."""

from dataclasses import dataclass

from cloud.moderation.classification import ClassificationService
from config import Settings
from ml_models.classifier import NsfwClassifier
from server.parse_config import ParseConfig
from server.storage.port import ObjectStore


@dataclass(frozen=True, slots=True)
class Services:
    """One process's services."""

    settings: Settings
    store: ObjectStore
    parse_config: ParseConfig
    classifier: NsfwClassifier
    moderation: ClassificationService
