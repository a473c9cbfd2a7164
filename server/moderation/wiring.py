"""Joins what judges images in one process, out of the settings."""

from dataclasses import dataclass

from cloud.moderation.appeals import Appeals
from cloud.moderation.classification import ClassificationService
from cloud.moderation.pipeline import ModerationPipeline
from config import Settings, SettingsError
from ml_models import pretrained
from ml_models.classifier import NsfwClassifier, PatientClassifier
from server.dispatch.swept import SweptDispatch
from server.dispatch.wiring import make_dispatch
from server.fetch.wiring import make_fetcher
from server.moderation.category_words import OwnersWords
from server.moderation.checks import StoredChecks
from server.moderation.classifications import StoredClassifications
from server.moderation.memory import ENTRY, StoredMemory
from server.moderation.memory_lists import memory_class
from server.moderation.near_copies import NearCopies
from server.moderation.placeholders import PlaceholderColumns
from server.moderation.saves import ModeratedFiles, check_moderated, moderated_class
from server.moderation.subjects import StoredSubjects
from server.moderation.unowned import UnownedImages
from server.objects.save import SpecialClass
from server.objects.schemas import Schemas
from server.parse_config import ParseConfig
from server.storage.port import Database
from server.telemetry.measured import (
    CountedItems,
    MeasuredClassifier,
    MeasuredFetcher,
    MeasuredRecords,
    Telemetry,
)
from server.webhooks.deliveries import StoredDeliveries


@dataclass(frozen=True, slots=True)
class Moderation:
    """What judges images, and what asks it to."""

    classifier: NsfwClassifier
    classifications: ClassificationService
    """For callers, who wait for the answer."""
    pipeline: ModerationPipeline
    memory: StoredMemory
    dispatch: SweptDispatch
    appeals: Appeals
    special_classes: list[SpecialClass]
    """Whose saves make items, and that of what is remembered."""


def make_moderation(
    settings: Settings,
    database: Database,
    schemas: Schemas,
    parse_config: ParseConfig,
    deliveries: StoredDeliveries,
    telemetry: Telemetry,
) -> Moderation:
    """Join it; `parse_config` holds the policy, `deliveries` tells of decisions."""
    classifier = _classifier(settings, telemetry)
    items = CountedItems(database, schemas, telemetry)
    fetcher = MeasuredFetcher(make_fetcher(settings), telemetry)
    records = MeasuredRecords(StoredClassifications(database.objects, schemas), telemetry)
    reviews = UnownedImages(database, schemas, items)
    limits = {"max_in_flight": settings.max_in_flight, "max_image_bytes": settings.max_image_bytes}
    # Two, so that callers who take all the room of one leave the other to uploads.
    calls, uploads = (
        ClassificationService(
            fetcher, MeasuredClassifier(by, telemetry), records, parse_config, reviews, **limits
        )
        for by in (classifier, PatientClassifier(classifier))
    )
    subjects = StoredSubjects(database)
    memory = StoredMemory(database, schemas, _near_copies(settings, database))
    pipeline = ModerationPipeline(
        items,
        subjects,
        uploads,
        parse_config,
        deliveries,
        memory,
        StoredChecks(database, schemas),
        max_matches_per_hour=settings.memory_max_matches_per_hour,
    )
    dispatch = make_dispatch(settings, pipeline)
    placeholders = PlaceholderColumns(database.files, schemas)
    files, words = settings.moderated_files, OwnersWords(parse_config)
    moderated_classes = [
        moderated_class(
            name, columns, ModeratedFiles(columns, items, pipeline, dispatch, placeholders)
        )
        for name, columns in files.items()
    ]
    return Moderation(
        classifier,
        calls,
        pipeline,
        memory,
        dispatch,
        Appeals(items, subjects, pipeline, files, words),
        [*moderated_classes, memory_class()],
    )


def check_moderated_files(settings: Settings) -> None:
    """Raise SettingsError for file columns that cannot be moderated."""
    try:
        check_moderated(settings.moderated_files)
    except ValueError as error:
        raise SettingsError(f"MODERATED_FILES: {error}") from None


def _classifier(settings: Settings, telemetry: Telemetry) -> NsfwClassifier:
    return NsfwClassifier(
        lambda: pretrained.load(
            settings.tf_model_url, settings.models_path, settings.tf_model_input_shape_size
        ),
        permits=settings.worker_permits,
        max_waiting=settings.classify_max_waiting,
        max_wait_s=settings.classify_max_wait,
        max_pixels=settings.max_image_pixels,
        max_memory=settings.max_image_memory,
        on_stage=telemetry.took,
    )


def _near_copies(settings: Settings, database: Database) -> NearCopies | None:
    if not settings.memory_enabled:
        return None
    return NearCopies(
        database.objects,
        ENTRY,
        max_distance=settings.memory_distance,
        min_quality=settings.memory_min_quality,
    )
