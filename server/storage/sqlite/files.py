"""The FileStore on the disk: a folder of plain files, their metadata in the SQLite file.

A file is there from the moment its whole content, synchronised, got its name.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from cloud.moderation.errors import StoreFull, StoreUnavailable
from server.storage.port import StoredFile
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.documents import dump, load

_MAX_NAME_BYTES = 255  # what file systems allow
_UNFINISHED = ".unfinished-"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class SqliteFiles:
    """The FileStore; see the port for its contract. There is one version of a file."""

    reads_parts = True

    def __init__(self, connections: Connections, folder: Path) -> None:
        """The folder is made at the first file; the one that it stands in must exist."""
        self._connections = connections
        self._folder = folder

    def put(self, name: str, data: bytes, metadata: Mapping[str, Any]) -> None:
        """Keep a file. Raises ValueError for a name that no file can have."""
        path = self._path(name)
        with self._connections.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?)", (name, dump(dict(metadata)))
            )
        with _translated_errors():
            _make_folder(self._folder)
            _make_folder(path.parent)
            _write(path, data)

    def stat(self, name: str) -> StoredFile | None:
        with _translated_errors():
            try:
                length = self._path(name).stat().st_size
            except (FileNotFoundError, ValueError):
                return None
        with self._connections.reading() as connection:
            found = connection.execute(
                "SELECT metadata FROM files WHERE name = ?", (name,)
            ).fetchone()
        return StoredFile(name, length, load(found[0]) if found else {})

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        with _translated_errors():
            try:
                with self._path(name).open("rb") as file:
                    file.seek(start)
                    return file.read(-1 if end is None else max(0, end - start))
            except (FileNotFoundError, ValueError):
                return None

    def delete(self, name: str) -> bool:
        with _translated_errors():
            try:
                path = self._path(name)
                path.unlink()
            except (FileNotFoundError, ValueError):
                return False
            _synchronise_folder(path.parent)
        with self._connections.writing() as connection:
            connection.execute("DELETE FROM files WHERE name = ?", (name,))
        return True

    def names(self) -> Iterator[str]:
        with _translated_errors():
            paths = self._folder.glob("*/*")
            yield from (
                unquote(path.name) for path in paths if not path.name.startswith(_UNFINISHED)
            )

    def _path(self, name: str) -> Path:
        """Where the file lies: no character that means something to a file system remains."""
        plain = quote(name, safe=" @+,=")
        if plain.startswith("."):
            plain = "%2E" + plain[1:]
        if not plain or len(plain) > _MAX_NAME_BYTES:
            raise ValueError(f"no file can have the name {name!r}")
        return self._folder / plain[:2] / plain


def _make_folder(path: Path) -> None:
    with suppress(FileExistsError):
        path.mkdir()
        _synchronise_folder(path.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _synchronise_folder(path.parent)


def _synchronise_folder(path: Path) -> None:
    """Make a new or changed name in the folder survive."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in _NO_ROOM else StoreUnavailable
        raise kind(f"files: {error}") from error
