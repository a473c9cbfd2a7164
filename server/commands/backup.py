"""`python -m server db backup`: the embedded database and its files, while a server runs."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from server.storage.copy import CannotCopy
from server.storage.sqlite.database import FILE_NAME, FILES_FOLDER

_PAGES_AT_ONCE = 1024  # others write between two steps


def back_up(data_dir: Path, target: Path) -> Iterator[str]:
    """Copy a data folder's database and files into an empty folder, which then is a data folder.

    The database's copy is that of one moment. Files never change, and those that an object names
    are there before the object is, so that what the copy names is copied after it; but for what is
    deleted meanwhile. Yields what was done, line by line. Raises CannotCopy.
    """
    source = data_dir / FILE_NAME
    if not source.is_file():
        raise CannotCopy(f"there is no {FILE_NAME} in {data_dir}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise CannotCopy(f"{target} is not empty: name a new folder for each backup")
        yield _copy_database(source, target / FILE_NAME)
        yield _copy_files(data_dir / FILES_FOLDER, target / FILES_FOLDER)
    except (OSError, sqlite3.Error) as error:
        raise CannotCopy(f"the backup in {target} is not whole: {error}") from error


def _copy_database(source: Path, target: Path) -> str:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy, pages=_PAGES_AT_ONCE, sleep=0.001)
        (count,) = copy.execute("SELECT count(*) FROM objects").fetchone()
        (state,) = copy.execute("PRAGMA quick_check").fetchone()
    if state != "ok":
        raise CannotCopy(f"the database is damaged: {state}")
    return f"{count:>9,} objects"


def _copy_files(source: Path, target: Path) -> str:
    count = 0
    for path in source.rglob("*") if source.is_dir() else ():
        if not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(path, place)
        except FileNotFoundError:  # deleted, or finished under its own name, a moment ago
            continue
        count += 1
    return f"{count:>9,} files"
