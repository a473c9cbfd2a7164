"""The models folder: what lies where, who may write, and when a file is believed.

Owns the layout, the lock, the records and the rule that a file under its own name is whole:

    nsfwjs-4.4.0.tgz            the npm package that carries the known models
    <name>/model.tflite         what the classifier loads
    <name>/about.json           its record, written last: without it there is no model
    <name>/sources/             what a download has finished so far; gone after conversion
    *.part                      a file that is being written; the next run starts it anew

Refuses to know what a model is, and where one comes from.
"""

import fcntl
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from ml_models.errors import ModelDamaged, ModelMissing
from ml_models.own_commands import own_command
from ml_models.types import ModelSpec

log = logging.getLogger(__name__)

# (url, destination): fetch the URL whole into the file, or raise ModelUnavailable. The server
# passes its own door to the outside, which refuses private addresses and bounds size and time.
Download = Callable[[str, Path], None]

MODEL, ABOUT, SOURCES = "model.tflite", "about.json", "sources"


def how_to_fetch() -> str:
    """The end of a sentence that says what is missing."""
    return f"run `{own_command('models fetch')}`"


# --- Writing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Workspace:
    """The models folder in the hands of the one process that may write to it.

    `lock` is the open file that holds the lock; `models_dir` is absolute, because npm is run in
    another directory.
    """

    models_dir: Path
    download: Download
    progress: bool
    lock: int

    def say(self, text: str) -> None:
        """Tell the operator what happens: on stderr when he wants progress, else in the log."""
        if self.progress:
            tqdm.write(text, file=sys.stderr)
        else:
            log.info(text)

    def fetch(self, url: str, target: Path) -> Path:
        """Download one file, unless an earlier run has finished it."""
        if not target.exists():
            self.say(f"Fetching {target.name} ...")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.download(url, part_of(target))
            keep(part_of(target), target)
        return target


@contextmanager
def workspace(models_dir: Path, download: Download, progress: bool) -> Iterator[Workspace]:
    """Make the folder and wait for its lock. The kernel frees the lock of a dead process."""
    models_dir.mkdir(parents=True, exist_ok=True)
    with (models_dir / ".lock").open("wb") as file:
        space = Workspace(models_dir.resolve(), download, progress, file.fileno())
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            space.say("Another process is at work in the models folder; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield space


def part_of(path: Path) -> Path:
    """Name the file to write to until all of it is there."""
    return path.with_name(f"{path.name}.part")


def write(path: Path, content: bytes) -> None:
    """Write a file that is either absent or whole, even after a power failure."""
    part_of(path).write_bytes(content)
    keep(part_of(path), path)


def keep(finished: Path, path: Path) -> None:
    """Give a finished file its name; it is whole on disk before, so a name means a whole file."""
    with finished.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(finished, path)


def remove_unfinished(folder: Path) -> None:
    """Take away what a failed download began, and the folders in which that leaves nothing.

    What it finished stays, for the next run.
    """
    for part in folder.glob(f"{SOURCES}/**/*.part"):
        part.unlink()
    for path in (*sorted((folder / SOURCES).glob("**/"), reverse=True), folder):
        with suppress(OSError):  # not empty, or never made
            path.rmdir()


# --- Records ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """What about.json says of the model beside it. `source` bears no credentials."""

    name: str
    version: str
    input_size_px: int
    source: str
    sha256: str
    converted_with: str
    fingerprint: str | None

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(self.name, self.version, self.input_size_px)


def read_record(folder: Path, shown: str) -> Record:
    """Read the record of the model called `shown`. Raises ModelMissing and ModelDamaged."""
    try:
        return Record(**json.loads((folder / ABOUT).read_bytes()))
    except OSError as error:
        raise ModelMissing(
            f"The model {shown} is not in {folder} ({error.strerror}): {how_to_fetch()}."
        ) from error
    except (TypeError, ValueError) as error:
        raise ModelDamaged(
            f"{folder / ABOUT} is no record of a model: {how_to_fetch()}."
        ) from error


def publish(folder: Path, record: Record) -> None:
    """Replace the model by its finished part, and the record.

    The record goes first and comes last, so it never speaks of another file than the one beside it.
    """
    (folder / ABOUT).unlink(missing_ok=True)
    keep(part_of(folder / MODEL), folder / MODEL)
    write(folder / ABOUT, json.dumps(asdict(record), indent=1).encode())


# --- Hashes -------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Hash a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, expected: str) -> None:
    """Raise ModelMissing or ModelDamaged unless the file is there with the expected sha256."""
    try:
        found = sha256(path)
    except FileNotFoundError as error:
        raise ModelMissing(f"{path} is missing: {how_to_fetch()}.") from error
    compare(str(path), expected, found)


def verify_or_remove(path: Path, expected: str) -> None:
    """Verify a file that would fail every later run in the same way if it stayed."""
    try:
        verify(path, expected)
    except ModelDamaged:
        path.unlink()
        raise


def compare(what: str, expected: str, found: str) -> None:
    """Raise ModelDamaged with both hashes unless they are the same."""
    if found != expected:
        raise ModelDamaged(
            f"{what} is damaged: its sha256 is {found}, expected was {expected}. To get it anew, "
            f"{how_to_fetch()}."
        )
