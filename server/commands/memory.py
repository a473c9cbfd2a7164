"""The commands `python -m server memory ...`: lists of images, by hand."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from config import Settings
from ml_models.errors import ImageError
from ml_models.types import Fingerprint
from server.moderation import fingerprints
from server.moderation.memory_lists import MemoryLists
from server.objects.schemas import Schemas
from server.storage.port import Document
from server.storage.wiring import open_database


@click.group(help="Images that are decided as soon as they come: look, add, forget.")
def memory() -> None:
    pass


@memory.command("list", help="Show the newest entries that hold.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1))
@click.pass_obj
def list_entries(settings: Settings, limit: int) -> None:
    with _lists(settings) as lists:
        for entry in lists.newest(limit):
            click.echo(_shown(entry))


@memory.command(
    "add",
    help="Have images approved or rejected: files, and near copies of them; or, with --as, what "
    "has one of these hashes. Added again, they change sides.",
)
@click.argument("outcome", type=click.Choice(["approved", "rejected"]))
@click.argument("images", nargs=-1, required=True)
@click.option("--as", "kind", type=click.Choice(["file", "sha256", "pdq"]), default="file")
@click.option("--note", help="Why, for those who read the list.")
@click.pass_obj
def add(
    settings: Settings, outcome: str, images: tuple[str, ...], kind: str, note: str | None
) -> None:
    known_by = [_known_by(settings, image, kind) for image in images]
    with _lists(settings) as lists:
        for image, (content_sha256, fingerprint) in zip(images, known_by, strict=True):
            entry_id = lists.add(outcome, content_sha256, fingerprint, note)
            click.echo(f"{entry_id}  {outcome}  {image}")
            if fingerprint is not None and fingerprint.quality < settings.memory_min_quality:
                click.echo("  too little detail: known by its bytes alone", err=True)


@memory.command("forget", help="Have entries hold no longer. Their rows stay, and say so.")
@click.argument("entries", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def forget(settings: Settings, entries: tuple[str, ...]) -> None:
    with _lists(settings) as lists:
        unknown = [entry_id for entry_id in entries if not lists.forget(entry_id)]
    if unknown:
        raise click.ClickException(f"no entry that holds: {', '.join(unknown)}")


@contextmanager
def _lists(settings: Settings) -> Iterator[MemoryLists]:
    if not settings.database_uri and not settings.data_dir.is_dir():
        raise click.ClickException(
            f"there is no DATA_DIR {settings.data_dir.resolve()}; run this where the server runs, "
            "or start the server once"
        )
    database = open_database(settings)
    try:
        yield MemoryLists(database, Schemas(database.schemas, clients_make_classes=False))
    finally:
        database.close()


def _known_by(settings: Settings, image: str, kind: str) -> tuple[str | None, Fingerprint | None]:
    if kind == "file":
        return _inspected(settings, Path(image))
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", image):
        raise click.BadParameter(f"{image} is not 64 hexadecimal digits")
    if kind == "sha256":
        return image.lower(), None
    return None, Fingerprint(image.lower(), 100)  # whoever lists it vouches for it


def _inspected(settings: Settings, path: Path) -> tuple[str, Fingerprint]:
    from ml_models.fingerprint import fingerprint  # brings numpy and decoders
    from ml_models.images import decode

    if path.exists() and not path.is_file():  # a device may have no end
        raise click.BadParameter(f"{path}: no file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}") from None
    content_sha256 = hashlib.sha256(data).hexdigest()
    try:
        return content_sha256, fingerprint(decode(data, settings.max_image_pixels))
    except ImageError as error:
        raise click.ClickException(
            f"{path}: {error}. Its bytes alone can be listed: --as sha256 {content_sha256}"
        ) from None


def _shown(entry: Document) -> str:
    hashes = [
        f"{label} {entry[name]}"
        for label, name in (("sha256", "contentSha256"), ("pdq", fingerprints.HASH))
        if name in entry
    ]
    words = [
        entry["objectId"],
        f"{entry['createdAt']:%Y-%m-%d %H:%M}",
        f"{entry['outcome']} by {entry['decidedBy']} ({entry['source']})",
        *hashes,
        *([entry["note"]] if "note" in entry else []),
    ]
    return "  ".join(words)
