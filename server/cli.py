"""The command line: `python -m server run`, `worker`, `moderate`, `db copy` and others."""

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import requests

from cloud.moderation.errors import ModerationError, StoreUnavailable
from cloud.moderation.policy import InvalidPolicy
from config import Settings, SettingsError, load_settings
from ml_models import pretrained
from ml_models.errors import MlModelsError, ModelUnavailable
from ml_models.own_commands import inherited
from server.commands.backup import back_up
from server.commands.demo import demo
from server.commands.doctor import doctor
from server.commands.memory import memory
from server.commands.moderate import moderate_class
from server.commands.moderators import create_moderator
from server.commands.policy_check import check_policy
from server.commands.purge import purge
from server.env_file import only_in_environment
from server.fetch.wiring import make_fetcher
from server.moderation.backlog import UNDONE, Fate
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import ParseError
from server.serve import serve
from server.sole_instance import CannotServe, served_port, sole_instance
from server.storage.copy import CannotCopy, copy_database, open_source, open_target
from server.storage.port import Refused
from server.telemetry import logs

# A model may be far larger than an image, and its host slower.
_MODEL_MAX_BYTES = 1024**3
_MODEL_TIMEOUT_S = 600.0
# A worker's heart beats every 5 seconds.
_HEARTBEAT_LIMIT_S = 20.0
_ON_PURPOSE = (
    CannotCopy, CannotServe, InvalidPolicy, MlModelsError, ParseError, Refused, StoreUnavailable
)  # fmt: skip
_FILE = click.Path(dir_okay=False, path_type=Path)


class _Commands(click.Group):
    """Says what went wrong on purpose in a sentence, without a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except SettingsError as error:
            raise click.ClickException(f"the settings cannot be used.\n{error}") from None
        except _ON_PURPOSE as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Commands, help="Parsewarden: self-hosted image moderation that speaks Parse.")
@click.pass_context
def main(context: click.Context) -> None:
    os.umask(0o077)  # what is kept is for this user alone
    logs.set_up("text")  # until the settings say how
    context.obj = load_settings()
    logs.set_up(context.obj.log_format)
    context.with_resource(inherited(only_in_environment()))


main.add_command(memory)
main.add_command(purge)
main.add_command(create_moderator)
main.add_command(demo)
main.add_command(doctor)


@main.command(help="Serve until interrupted.")
@click.pass_obj
def run(settings: Settings) -> None:
    serve(settings)


@main.command(help="Judge uploaded images for servers with the same CELERY_BROKER_URL.")
@click.option("--heartbeat", type=_FILE, help="A file to touch while the broker is there.")
@click.pass_obj
def worker(settings: Settings, heartbeat: Path | None) -> None:
    from server.worker import work  # brings Celery, which the other commands are spared

    raise SystemExit(work(settings, heartbeat))


@main.command(help="Ask the server on this machine whether it is healthy; exit status 1 if not.")
@click.option("--heartbeat", type=_FILE, help="Look at this file of a worker instead.")
@click.pass_obj
def health(settings: Settings, heartbeat: Path | None) -> None:
    if heartbeat is None:
        _ask_server(settings)
    else:
        _check_heartbeat(heartbeat)


def _check_heartbeat(heartbeat: Path) -> None:
    try:
        age_s = time.time() - heartbeat.stat().st_mtime
    except OSError as error:
        raise click.ClickException(f"no heartbeat at {heartbeat}: {error.strerror}") from None
    if age_s > _HEARTBEAT_LIMIT_S:
        raise click.ClickException(f"the last heartbeat at {heartbeat} is {age_s:.0f} s ago")
    click.echo("the worker is hearing from the broker")


def _ask_server(settings: Settings) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind_host, settings.bind_host)  # noqa: S104
    session = requests.Session()
    session.trust_env = False  # no proxy stands between this machine and itself
    port = served_port(settings.data_dir) or settings.port
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/health"
    try:
        answer = session.get(url, timeout=4)
    except requests.ConnectionError:
        raise click.ClickException(f"nothing answers at {url}; PORT says where to ask") from None
    except requests.RequestException as error:
        raise click.ClickException(f"no answer from {url}: {error}") from None
    click.echo(answer.text.strip())
    if not answer.ok:
        raise SystemExit(1)


@main.group(help="Obtain the models that classify.")
def models() -> None:
    pass


@models.command(help="Obtain and convert models: by default the one that TF_MODEL_URL names.")
@click.argument("sources", nargs=-1)
@click.option("--all", "every", is_flag=True, help="The three models of nsfwjs.")
@click.pass_obj
def fetch(settings: Settings, sources: tuple[str, ...], every: bool) -> None:
    fetcher = make_fetcher(settings)

    def download(url: str, destination: Path) -> None:
        try:
            fetcher.download(
                url, destination, max_bytes=_MODEL_MAX_BYTES, timeout_s=_MODEL_TIMEOUT_S
            )
        except ModerationError as error:
            raise ModelUnavailable(
                f"the model could not be fetched: {error}. A host that is not public must be in "
                "IMAGE_FETCH_ALLOW"
            ) from error

    for source in pretrained.known_names() if every else sources or (settings.tf_model_url,):
        size_px = settings.tf_model_input_shape_size if source == settings.tf_model_url else None
        model = pretrained.obtain(
            source,
            settings.models_path,
            input_size_px=size_px,
            download=download,
            progress=sys.stderr.isatty(),
        )
        click.echo(f"{model.spec.name} {model.spec.version} is ready in {model.path.parent}")


@main.group(help="Look after the database.")
def db() -> None:
    pass


@db.command(
    "copy",
    help="Copy everything from one database to another, empty one. Each is a MongoDB URI or a data "
    "folder. Stop the servers that use them first.",
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    with ExitStack() as stack:
        opened_source, opened_target = open_source(source), open_target(target)
        stack.callback(opened_source.close)
        stack.callback(opened_target.close)
        for folder in {Path(place).resolve() for place in (source, target)}:
            if folder.is_dir():
                stack.enter_context(sole_instance(folder))
        for copied in copy_database(opened_source, opened_target, SYSTEM_CLASSES):
            click.echo(f"{copied.count:>9,} {copied.what}")


@db.command(
    help="Copy the embedded database and its files, as of one moment, into a new folder; the "
    "server may run. The copy is a data folder: to go back to it, stop the server and set DATA_DIR."
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def backup(settings: Settings, folder: Path) -> None:
    if settings.database_uri:
        raise CannotCopy("DATABASE_URI names a MongoDB, which has a tool for that: mongodump")
    for line in back_up(settings.data_dir, folder):
        click.echo(line)


@main.group(help="Try the rules of moderation.")
def policy() -> None:
    pass


@policy.command(
    help="Say what a policy, a JSON file with moderationScores and moderationAutomation, would "
    "have done: every recorded prediction judged by it and by the policy in force."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def check(settings: Settings, file: Path) -> None:
    for line in check_policy(settings, file):
        click.echo(line)


@main.command(
    help="Classify the images that were in a class before moderation. What is done already is not "
    "done again: after an interruption run it once more. Exit status 1 if files are missing or "
    "images are left pending."
)
@click.argument("class_name", metavar="CLASS")
@click.option("--where", default="{}", help="A Parse query, as JSON, that chooses the objects.")
@click.option("--all", "rejudge", is_flag=True, help="Also what was judged before moderation.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def moderate(settings: Settings, class_name: str, where: str, rejudge: bool, dry_run: bool) -> None:
    fates = moderate_class(settings, class_name, where, rejudge=rejudge, dry_run=dry_run)
    for fate in Fate:
        if fates[fate]:
            click.echo(f"{fates[fate]:>9,} {fate}")
    click.echo(f"{fates.total():>9,} images of {class_name}")
    if any(fates[fate] for fate in UNDONE):
        raise SystemExit(1)
