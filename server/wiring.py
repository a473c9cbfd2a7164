"""Joins one process's services, out of the settings; `server.app` puts the routes on top."""

from typing import Any

from cloud.code import RequestContext
from config import Settings
from server.auth import Caller
from server.cloud_code import load_cloud_code
from server.fetch.wiring import make_fetcher, make_webhook_door
from server.files.placeholders import Placeholders
from server.idempotency import Idempotency
from server.jobs.runner import JobRunner
from server.jobs.scheduler import JobScheduler
from server.live_query.publishing import PublishingDatabase
from server.live_query.wiring import make_bus
from server.live_query.writes import PublishedClasses
from server.mail.wiring import make_mail_queue
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import PolicyChanges
from server.moderation.wiring import check_moderated_files, make_moderation
from server.objects.accounts import make_accounts
from server.objects.cloud_access import cloud_context
from server.objects.roles import Roles
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.triggers import Triggers
from server.panel.retention import RetentionKeeper
from server.panel.wiring import panel_secret
from server.parse_config import ParseConfig
from server.rate_limits import RateLimits
from server.services import Services
from server.storage.wiring import open_database
from server.telemetry.measured import Telemetry
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.wiring import make_deliverer, webhook_receivers


def check_settings(settings: Settings) -> None:
    """Raise SettingsError for what only `create_app` would find, before any worker is forked."""
    make_fetcher(settings)
    webhook_receivers(settings)
    make_webhook_door(settings)
    RateLimits(settings)
    check_moderated_files(settings)
    open_database(settings).close()
    load_cloud_code(settings.cloud_code_main)


def make_services(settings: Settings) -> Services:
    """Make one process's services. Raises SettingsError. Call it after forking."""
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
    deliveries = StoredDeliveries(database, schemas, webhook_receivers(settings))
    moderation = make_moderation(settings, database, schemas, parse_config, deliveries, telemetry)
    mails = make_mail_queue(settings)

    def context_of(caller: Caller, context: dict[str, Any]) -> RequestContext:
        return cloud_context(
            objects,
            database.files,
            moderation.classifications,
            moderation.appeals,
            caller,
            context,
        )

    objects = ParseObjects(
        database,
        schemas,
        Triggers(context_of),
        session_length_s=settings.session_length,
        accounts=make_accounts(settings, database.objects, schemas, panel_secret(settings), mails),
        special=moderation.special_classes,
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
        classifier=moderation.classifier,
        placeholders=Placeholders(moderation.classifier, permits=settings.worker_permits),
        moderation=moderation.classifications,
        jobs=jobs,
        scheduler=JobScheduler(database, jobs, lambda: context_of(as_master, {})),
        rate_limits=RateLimits(settings),
        idempotency=Idempotency(
            database,
            schemas,
            paths=settings.idempotency_paths,
            ttl_s=settings.idempotency_ttl,
        ),
        pipeline=moderation.pipeline,
        memory=moderation.memory,
        dispatch=moderation.dispatch,
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
