"""`python -m server purge`: remove what is older than it shall be kept; servers may run."""

from collections.abc import Iterator
from contextlib import closing

import click

from admin.ports.retention import PurgeCounts
from config import Settings, SettingsError
from server.objects.schemas import Schemas
from server.panel.retention import BY_COMMAND, RecordedPurges
from server.storage.sqlite.database import FILE_NAME
from server.storage.wiring import open_database


@click.command(
    help="Remove decided items older than DAYS, their log and what goes with them; never what "
    "waits to be judged, what is under a legal hold, or what the memory holds. After an "
    "interruption run it once more."
)
@click.option("--older-than", "days", type=click.IntRange(1, 36500), required=True, metavar="DAYS")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.pass_obj
def purge(settings: Settings, days: int, dry_run: bool) -> None:
    for line in _purge(settings, days, dry_run=dry_run):
        click.echo(line)


def _purge(settings: Settings, days: int, *, dry_run: bool) -> Iterator[str]:
    if not settings.database_uri and not (settings.data_dir / FILE_NAME).is_file():
        raise SettingsError(f"DATA_DIR: there is no {FILE_NAME} in {settings.data_dir}")
    with closing(open_database(settings)) as database:
        schemas = Schemas(database.schemas, clients_make_classes=False)
        purges = RecordedPurges(database, schemas)
        counts = purges.dry_run(days) if dry_run else purges.run(days, BY_COMMAND)
    if counts is not None:
        yield from _lines(counts, "would be removed" if dry_run else "removed")


def _lines(counts: PurgeCounts, what_became: str) -> Iterator[str]:
    for number, name in [
        (counts.items, "decided items"),
        (counts.decisions, "decisions in their logs"),
        (counts.deliveries, "webhook deliveries"),
        (counts.classifications, "classifications"),
        (counts.matches, "matches of the memory"),
        (counts.views, "moderators' days of images looked at"),
    ]:
        yield f"{number:>9,} {name} {what_became}"
    yield f"{counts.held:>9,} items stay under a legal hold"
