"""`python -m server doctor`: look at everything an installation needs, and say what to do."""

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.policy import InvalidPolicy, read_policy
from config import DEVELOPMENT_KEYS, Settings, SettingsError, usable_cores
from ml_models import pretrained
from ml_models.errors import ModelError
from server.commands.policy_check import stored_params
from server.env_file import neglected_lines
from server.files.urls import doubt_of_server_url
from server.moderation.queues import waiting
from server.moderation.saves import may_be_moderated
from server.storage.port import ClassSchema, Database
from server.storage.sqlite.database import FILE_NAME
from server.storage.sqlite.layout import is_outdated
from server.storage.wiring import open_database
from server.webhooks.failures import failures
from server.webhooks.wiring import webhook_receivers
from server.wiring import check_settings

_ENOUGH_DISK_BYTES = 2 * 1024**3
_ENOUGH_FILES = 4096
_MAX_CLOCK_DIFFERENCE_S = 5.0
_LONG_WAIT_MINUTES = 5
_MOST_NAMED = 10
# What a classifier takes before the first image, and may keep of images before.
_IDLE_CLASSIFIER_BYTES = 250_000_000


class Verdict(StrEnum):
    """How a finding is to be taken."""

    FINE = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    verdict: Verdict
    sentence: str


@click.command(
    help="Look at settings, folders, database, model, broker, clock and limits, and say what to "
    "do. The server may run meanwhile. Exit status 1 if something cannot work."
)
@click.pass_obj
def doctor(settings: Settings) -> None:
    findings = []
    for finding in examine(settings):
        findings.append(finding)
        click.echo(f"{finding.verdict:>8}  {finding.what}: {finding.sentence}")
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        raise SystemExit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after the other; none that fails keeps the next from being looked at."""
    yield from _settings(settings)
    yield _folder(settings.data_dir)
    yield _disk(settings.data_dir)
    yield from _database(settings)
    yield _model(settings)
    yield from _broker(settings)
    yield _open_files()
    yield _memory(settings)


def _fine(what: str, sentence: str) -> Finding:
    return Finding(what, Verdict.FINE, sentence)


def _warning(what: str, sentence: str) -> Finding:
    return Finding(what, Verdict.WARNING, sentence)


def _problem(what: str, sentence: str) -> Finding:
    return Finding(what, Verdict.PROBLEM, sentence)


def _settings(settings: Settings) -> Iterator[Finding]:
    try:
        check_settings(settings)
    except SettingsError as error:
        yield _problem("settings", str(error))
    else:
        neglected = neglected_lines()
        yield from (_warning("settings", sentence) for sentence in neglected)
        if not neglected:
            yield _fine("settings", "can be used")
    if settings.master_key == DEVELOPMENT_KEYS["master_key"]:
        yield _warning(
            "keys", "the development keys: good on this machine alone; set your own before others "
            "can call (cp .env.example .env)",
        )  # fmt: skip
    doubt = doubt_of_server_url(settings)
    if doubt is not None:
        yield _warning("SERVER_URL", doubt)
    if settings.trusted_proxies and not settings.server_url:
        yield _warning(
            "SERVER_URL", "not set, but a proxy is trusted: URLs of files follow its Host"
        )


def _folder(folder: Path) -> Finding:
    what, found = "data folder", _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=found) as file:
            file.write(b"x")
    except OSError as error:
        return _problem(
            what, f"{found} cannot be written to ({error.strerror}): make it writable "
            "for this user, or set DATA_DIR",
        )  # fmt: skip
    if found != folder:
        return _warning(
            what, f"there is no folder {folder.resolve()}: a start makes it; if there should be "
            "one, DATA_DIR is not right",
        )  # fmt: skip
    return _fine(what, f"{folder.resolve()} can be written to")


def _nearest(folder: Path) -> Path:
    """The folder, or what there is of the way to it that this user may look at."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(_nearest(folder)).free
    except OSError as error:
        return _problem("disk", f"cannot be looked at: {error.strerror}")
    sentence = f"{free / 1024**3:.1f} GB free"
    if free < _ENOUGH_DISK_BYTES:
        return _warning("disk", f"{sentence}: uploads are refused when it is full; make room")
    return _fine("disk", sentence)


def _database(settings: Settings) -> Iterator[Finding]:
    file = settings.data_dir / FILE_NAME
    if not settings.database_uri and not file.is_file():
        yield _warning("database", f"there is no {file.resolve()} yet: a start makes it")
        return
    if not settings.database_uri and is_outdated(file):
        yield _warning("database", "is an older version's: a start brings it up to date")
        return
    try:
        database = open_database(settings)
    except SettingsError as error:
        yield _problem("database", str(error))
        return
    with closing(database):
        try:
            yield from _look_into(database, settings)
        except (StoreUnavailable, OSError) as error:
            yield _problem("database", f"{error}. Is it running, and does DATABASE_URI name it?")


def _look_into(database: Database, settings: Settings) -> Iterator[Finding]:
    began = time.perf_counter()
    database.ping()
    yield _fine("database", f"answers within {(time.perf_counter() - began) * 1000:.0f} ms")
    damages = database.damages()
    if damages:
        yield _problem("database", f"is damaged ({damages[0]}): restore a backup")
    yield _clock(database)
    yield from _moderation(database)
    yield _files(database.schemas.all(), settings.moderated_files)
    yield from _webhooks(database, settings)


def _clock(database: Database) -> Finding:
    difference = abs((database.now() - utc_now()).total_seconds())
    if difference > _MAX_CLOCK_DIFFERENCE_S:
        return _problem(
            "clock", f"differs from the database's by {difference:.0f} s: leases and sessions end "
            "too early or late; run a time service (chrony, systemd-timesyncd) on both",
        )  # fmt: skip
    return _fine("clock", f"agrees with the database's to {difference:.1f} s")


def _moderation(database: Database) -> Iterator[Finding]:
    yield _policy(stored_params(database))
    waits = waiting(database.objects, "pending")
    minutes = (waits.oldest_s or 0.0) / 60
    if minutes > _LONG_WAIT_MINUTES:
        yield _problem(
            "queue", f"{waits.count} images wait to be judged, the oldest for {minutes:.0f} "
            "minutes: is a server running, and, with CELERY_BROKER_URL, a worker?",
        )  # fmt: skip
    else:
        yield _fine("queue", f"{waits.count} images wait to be judged")


def _policy(params: Mapping[str, Any]) -> Finding:
    """By what is stored: to be asked for its number, a policy would have to be recorded."""
    try:
        policy = read_policy(params.get("moderationScores"), params.get("moderationAutomation"))
    except InvalidPolicy as error:
        return _problem(
            "policy", f"what is stored is invalid ({error}), and the last valid one stays: mend it "
            "on the panel's policy page or with PUT /config",
        )  # fmt: skip
    if not policy.thresholds:
        return _warning(
            "policy", "there are no moderationScores: every image goes to a moderator. Set them "
            "on the panel's policy page or with PUT /config",
        )  # fmt: skip
    if not policy.automation_enabled:
        return _warning("policy", "moderationAutomation is off: every image goes to a moderator")
    labels = ", ".join(label.value for label in policy.thresholds)
    return _fine("policy", f"thresholds for {labels} decide")


def _files(schemas: Iterable[ClassSchema], moderated: Mapping[str, Sequence[str]]) -> Finding:
    """Any save of a client can make a column of files, and one that is misspelt is a new one."""
    unseen = sorted(
        f"{schema.class_name}.{column}"
        for schema in schemas
        if may_be_moderated(schema.class_name)
        for column, kind in schema.columns.items()
        if kind.kind == "File" and column not in moderated.get(schema.class_name, ())
    )
    if not unseen:
        return _fine("files", "every column of files is moderated")
    more = f" and {len(unseen) - _MOST_NAMED} more" if len(unseen) > _MOST_NAMED else ""
    return _warning(
        "files", f"nobody judges those of {', '.join(unseen[:_MOST_NAMED])}{more}: name in "
        "MODERATED_FILES what holds users' pictures",
    )  # fmt: skip


def _webhooks(database: Database, settings: Settings) -> Iterator[Finding]:
    with suppress(SettingsError):  # which are told among the settings
        for each in failures(database.objects, webhook_receivers(settings)):
            yield _warning(
                "webhooks", f"posts to {each.url} fail, {each.posts} wait to be sent again; the "
                f"last: {each.problem}",
            )  # fmt: skip


def _model(settings: Settings) -> Finding:
    try:
        model = pretrained.load(
            settings.tf_model_url, settings.models_path, settings.tf_model_input_shape_size
        )
    except ModelError as error:
        return _problem("model", str(error).rstrip("."))
    return _fine("model", f"{model.spec.name} {model.spec.version} is whole")


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.celery_broker_url:
        return
    from server.dispatch.celery import messages_waiting  # brings Celery

    count = messages_waiting(settings.celery_broker_url)
    if count is None:
        yield _problem(
            "broker", "does not answer: images wait in the database. Is it running, and does "
            "CELERY_BROKER_URL name it?",
        )  # fmt: skip
    else:
        yield _fine("broker", f"answers; {count} messages wait for workers")


def _open_files() -> Finding:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _ENOUGH_FILES:
        return _warning("open files", f"at most {most}: each connection is one; raise ulimit -n")
    return _fine("open files", f"up to {most if most != resource.RLIM_INFINITY else 'any number'}")


def _memory(settings: Settings) -> Finding:
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needs = settings.classify_permits * (settings.max_image_memory + _IDLE_CLASSIFIER_BYTES)
    sentence = (
        f"{has / 1024**3:.0f} GB; {settings.classify_permits} classifiers on {usable_cores()} "
        f"cores take up to {needs / 1024**3:.1f} GB for the largest images"
    )
    if needs > has * 0.8:
        return _warning("memory", f"{sentence}: lower MAX_IMAGE_MEMORY or CLASSIFY_PERMITS")
    return _fine("memory", sentence)
