"""The composition root: settings in, a Flask app out. Holds the wiring and nothing else."""

import logging
import runpy
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from limits.errors import ConfigurationError
from werkzeug.middleware.proxy_fix import ProxyFix

import cloud.functions
import cloud.moderation_functions  # noqa: F401 - defines moderationStatus and moderationAppeal
from admin.panel import add_panel
from cloud.code import RequestContext
from cloud.moderation.appeals import Appeals
from cloud.moderation.classification import ClassificationService
from cloud.moderation.pipeline import ModerationPipeline
from config import Settings, SettingsError
from ml_models import pretrained
from ml_models.classifier import NsfwClassifier, PatientClassifier
from server.auth import Caller
from server.dispatch.local import LocalDispatch
from server.dispatch.swept import SweptDispatch
from server.fetch.address import parse_allowed_hosts
from server.fetch.http import PinnedFetcher
from server.files.placeholders import Placeholders
from server.guarded_answers import GuardedAnswers
from server.idempotency import Idempotency
from server.jobs.runner import JobRunner
from server.jobs.scheduler import JobScheduler
from server.live_query.bus import Bus
from server.live_query.publishing import PublishingDatabase
from server.live_query.redis_carrier import RedisCarrier
from server.live_query.socket_carrier import SocketCarrier
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
from server.storage.mongo.database import MongoDatabase
from server.storage.port import Database
from server.storage.sqlite.database import SqliteDatabase
from server.telemetry.measured import (
    CountedItems,
    MeasuredClassifier,
    MeasuredFetcher,
    MeasuredRecords,
    Telemetry,
)
from server.webhooks.deliverer import Deliverer, DeliveryQueue
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import Receiver, parse_receivers
from server.webhooks.sender import SignedSender
from server.welcome import what_to_try

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

_ORIGINALS_MOUNT = "/1"
_WEBHOOK_TIMEOUT_S = 10.0
_CLOUD_CODE = Path(__file__).parent.parent / "cloud" / "main.py"


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
    bus = _bus(settings)
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
    receivers = webhook_receivers(settings)
    deliveries = StoredDeliveries(database, schemas, receivers)
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
    door, secret = make_webhook_door(settings), settings.moderation_webhook_secret
    webhooks = Deliverer(
        [
            DeliveryQueue(deliveries, receiver, SignedSender(door, receiver, secret))
            for receiver in receivers
        ]
    )
    dispatch = _dispatch(settings, pipeline)
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
        webhooks=webhooks,
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


def _dispatch(settings: Settings, pipeline: ModerationPipeline) -> SweptDispatch:
    """Workers where there is a broker, threads of this process where there is none."""
    if not settings.celery_broker_url:
        return LocalDispatch(pipeline, threads=settings.worker_permits)
    from server.dispatch.celery import CeleryDispatch  # 0.2 s and 12 MB that others are spared

    return CeleryDispatch(pipeline, settings.celery_broker_url)


def _bus(settings: Settings) -> Bus:
    """By Redis where there is one, and otherwise between the processes of this machine."""
    if settings.live_query_redis:
        return Bus(RedisCarrier(settings.live_query_redis, settings.app_id))
    return Bus(SocketCarrier(settings.data_dir / "live-query"))


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


def webhook_receivers(settings: Settings) -> tuple[Receiver, ...]:
    """Who is told of decisions."""
    try:
        return parse_receivers(settings.moderation_webhook_urls)
    except ValueError as error:
        raise SettingsError(f"MODERATION_WEBHOOK_URLS: {error}") from None


def make_webhook_door(settings: Settings) -> PinnedFetcher:
    """Open the one door to the outside for webhooks, as far as WEBHOOK_ALLOW does."""
    try:
        allowed = parse_allowed_hosts(settings.webhook_allow, "WEBHOOK_ALLOW")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return PinnedFetcher(
        timeout_s=_WEBHOOK_TIMEOUT_S, max_bytes=1, allowed=allowed, allowed_by="WEBHOOK_ALLOW"
    )


def make_rate_limits(settings: Settings) -> RateLimits:
    """Count calls as the settings say; reaches out to no store yet."""
    try:
        return RateLimits(settings)
    except (ValueError, ConfigurationError) as error:
        raise SettingsError(f"RATE_LIMIT_...: {error}") from None


def check_moderated_files(settings: Settings) -> None:
    """Raise SettingsError for file columns that cannot be moderated."""
    try:
        check_moderated(settings.moderated_files)
    except ValueError as error:
        raise SettingsError(f"MODERATED_FILES: {error}") from None


def open_database(settings: Settings) -> Database:
    """The MongoDB of DATABASE_URI, or the embedded database under DATA_DIR."""
    if not settings.database_uri:
        return SqliteDatabase(settings.data_dir)
    try:
        return MongoDatabase(settings.database_uri)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def load_cloud_code(name: str) -> None:
    """Run the operator's cloud code; what it defines replaces ours of the same name.

    Raises SettingsError for code that does not load.
    """
    path = cloud_code_path(name)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that it can import its neighbours
    try:
        runpy.run_path(str(path), run_name="cloud_code_main")
    except (Exception, SystemExit) as error:  # cloud code is the user's and may raise anything
        where = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.line]
        line = f", line {where[-1].lineno} of {where[-1].filename}" if where else ""
        problem = f"{type(error).__name__}: {error}{line}"
        raise SettingsError(f"CLOUD_CODE_MAIN: {path} cannot be loaded: {problem}") from error


def cloud_code_path(name: str) -> Path:
    """The file of CLOUD_CODE_MAIN. Raises SettingsError when there is none."""
    path = Path(name)
    if path.suffix == ".js":
        logger.warning("CLOUD_CODE_MAIN %s is JavaScript; cloud/main.py is loaded instead", name)
        path = _CLOUD_CODE
    if not path.is_file():
        raise SettingsError(f"CLOUD_CODE_MAIN: there is no file {path}")
    return path


def _answer_error(error: Exception) -> Response:
    answer = answer_of_error(error, request.method, request.path)
    response = json_answer(answer.body, answer.status)
    response.headers.update(answer.headers)
    return response
