"""The composition root: settings in, a Flask app out. Holds the wiring and nothing else."""

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from admin.panel import add_panel
from cloud.code import RequestContext
from cloud.moderation.appeals import Appeals
from cloud.moderation.classification import ClassificationService
from cloud.moderation.pipeline import ModerationPipeline
from config import Settings, SettingsError
from ml_models import pretrained
from ml_models.classifier import NsfwClassifier, PatientClassifier
from server.auth import Caller
from server.cloud_code import load_cloud_code
from server.dispatch.wiring import make_dispatch
from server.fetch.address import parse_allowed_hosts
from server.fetch.http import PinnedFetcher
from server.files.placeholders import Placeholders
from server.guarded_answers import GuardedAnswers
from server.idempotency import Idempotency
from server.jobs.runner import JobRunner
from server.jobs.scheduler import JobScheduler
from server.live_query.publishing import PublishingDatabase
from server.live_query.wiring import make_bus
from server.live_query.writes import PublishedClasses
from server.mail.wiring import make_mail_queue
from server.moderation.category_words import OwnersWords
from server.moderation.checks import StoredChecks
from server.moderation.classifications import StoredClassifications
from server.moderation.memory import ENTRY, StoredMemory
from server.moderation.memory_lists import memory_class
from server.moderation.near_copies import NearCopies
from server.moderation.placeholders import PlaceholderColumns
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import PolicyChanges
from server.moderation.saves import ModeratedFiles, check_moderated, moderated_class
from server.moderation.subjects import StoredSubjects
from server.moderation.unowned import UnownedImages
from server.objects.accounts import make_accounts
from server.objects.cloud_access import cloud_context
from server.objects.roles import Roles
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.triggers import Triggers
from server.panel.retention import RetentionKeeper
from server.panel.wiring import make_panel_services, panel_secret
from server.parse_config import ParseConfig
from server.parse_face import ParseFace
from server.paths import CaseInsensitivePrefixes
from server.rate_limits import RateLimits
from server.routes.account_pages import account_pages_blueprint
from server.routes.answers import add_cors, answer_of_error, json_answer
from server.routes.files import files_blueprint
from server.routes.health import health_blueprint
from server.routes.image_api import image_blueprint
from server.routes.openapi import openapi_blueprint
from server.services import Services
from server.storage.port import Database
from server.storage.wiring import open_database
from server.telemetry.measured import (
    CountedItems,
    MeasuredClassifier,
    MeasuredFetcher,
    MeasuredRecords,
    Telemetry,
)
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.wiring import make_deliverer, make_webhook_door, webhook_receivers
from server.welcome import what_to_try

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_ORIGINALS_MOUNT = "/1"


def create_app(settings: Settings) -> Flask:
    """Join the services and routes of one process. Raises SettingsError for what cannot work.

    Reaches out to nothing: the database and the model are waited for at the first request that
    needs them. Call it after forking.
    """
    load_cloud_code(settings.cloud_code_main)
    services = make_services(settings)
    from server.routes.metrics import metrics_blueprint  # no sooner: see server.telemetry.metrics

    mounts = mounts_of(settings)
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


def mounts_of(settings: Settings) -> list[str]:
    """Where Parse's routes lie: as the settings say, and as in the original."""
    return list(dict.fromkeys([settings.parse_mount, _ORIGINALS_MOUNT]))


def check_settings(settings: Settings) -> None:
    """Raise SettingsError for what only `create_app` would find, before any worker is forked."""
    make_fetcher(settings)
    webhook_receivers(settings)
    make_webhook_door(settings)
    make_rate_limits(settings)
    check_moderated_files(settings)
    open_database(settings).close()
    load_cloud_code(settings.cloud_code_main)


def make_services(settings: Settings) -> Services:
    """Make one process's services."""
    check_moderated_files(settings)
    stored = open_database(settings)
    schemas = Schemas(stored.schemas, clients_make_classes=settings.allow_client_class_creation)
    bus = make_bus(settings)
    database = PublishingDatabase(
        stored, schemas, PublishedClasses(settings.live_query_classes), bus
    )
    parse_config = ParseConfig(
        database.objects,
        PolicyVersions(database, schemas),
        PolicyChanges(database, schemas),
        cache_s=settings.config_cache_ms / 1000,
    )
    telemetry = Telemetry()
    classifier = _classifier(settings, telemetry)
    items = CountedItems(database, schemas, telemetry)
    fetcher = MeasuredFetcher(make_fetcher(settings), telemetry)
    records = MeasuredRecords(StoredClassifications(database.objects, schemas), telemetry)
    reviews = UnownedImages(database, schemas, items)
    limits = {"max_in_flight": settings.max_in_flight, "max_image_bytes": settings.max_image_bytes}
    # Two, so that callers who take all the room of one leave the other to uploads.
    moderation, uploads = (
        ClassificationService(
            fetcher, MeasuredClassifier(by, telemetry), records, parse_config, reviews, **limits
        )
        for by in (classifier, PatientClassifier(classifier))
    )
    deliveries = StoredDeliveries(database, schemas, webhook_receivers(settings))
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
    appeals = Appeals(
        items, subjects, pipeline, settings.moderated_files, OwnersWords(parse_config)
    )
    mails = make_mail_queue(settings)

    def context_of(caller: Caller, context: dict[str, Any]) -> RequestContext:
        return cloud_context(objects, database.files, moderation, appeals, caller, context)

    objects = ParseObjects(
        database,
        schemas,
        Triggers(context_of),
        session_length_s=settings.session_length,
        accounts=make_accounts(settings, database.objects, schemas, panel_secret(settings), mails),
        special=[
            moderated_class(
                name, columns, ModeratedFiles(columns, items, pipeline, dispatch, placeholders)
            )
            for name, columns in settings.moderated_files.items()
        ]
        + [memory_class()],
    )
    jobs = JobRunner(database, schemas)
    as_master = Caller(master=True, ip="127.0.0.1")
    return Services(
        settings=settings,
        database=database,
        schemas=schemas,
        objects=objects,
        roles=Roles(database),
        parse_config=parse_config,
        classifier=classifier,
        placeholders=Placeholders(classifier, permits=settings.worker_permits),
        moderation=moderation,
        jobs=jobs,
        scheduler=JobScheduler(database, jobs, lambda: context_of(as_master, {})),
        rate_limits=make_rate_limits(settings),
        idempotency=Idempotency(
            database,
            schemas,
            paths=settings.idempotency_paths,
            ttl_s=settings.idempotency_ttl,
        ),
        pipeline=pipeline,
        memory=memory,
        dispatch=dispatch,
        webhooks=make_deliverer(settings, deliveries),
        retention=RetentionKeeper(
            database,
            schemas,
            settings.retention_days,
            webhook_log_days=settings.webhook_log_days,
        ),
        mails=mails,
        bus=bus,
        context_of=context_of,
        telemetry=telemetry,
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


def make_fetcher(settings: Settings) -> PinnedFetcher:
    """Open the one door to the outside as far as the settings allow."""
    try:
        allowed = parse_allowed_hosts(settings.image_fetch_allow)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return PinnedFetcher(
        timeout_s=settings.image_fetch_timeout,
        max_bytes=settings.max_image_bytes,
        allowed=allowed,
    )


def make_rate_limits(settings: Settings) -> RateLimits:
    """Count calls as the settings say; reaches out to no store yet."""
    try:
        return RateLimits(settings)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def check_moderated_files(settings: Settings) -> None:
    """Raise SettingsError for file columns that cannot be moderated."""
    try:
        check_moderated(settings.moderated_files)
    except ValueError as error:
        raise SettingsError(f"MODERATED_FILES: {error}") from None


def _answer_error(error: Exception) -> Response:
    answer = answer_of_error(error, request.method, request.path)
    response = json_answer(answer.body, answer.status)
    response.headers.update(answer.headers)
    return response
