"""Connections to the one SQLite file: its settings, its transactions, its errors.

Write-ahead log with full synchronisation: a write that returned is on the disk. Several threads
and processes may write at once; those of one process queue on a lock, processes on SQLite's.
"""

import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.moderation.errors import StoreFull, StoreUnavailable
from server.storage.matching import fold
from server.storage.port import DuplicateObject
from server.storage.sqlite.layout import FOLD, prepare

# Writers queue behind each other's transactions of a few milliseconds; this is only reached when
# the disk itself stands still.
_LOCK_TIMEOUT_S = 10.0

# Each connection's own cache; the kernel's, which they share, is behind it.
_CACHE_KIB = 512

_VIOLATED_INDEX = re.compile(r"index '\w+ \w+ (\w+)")  # by the names that layout.index_name makes


class Connections:
    """A pool of connections, each used by one thread at a time; thread-safe.

    Everything done with one raises StoreUnavailable, or DuplicateObject for a unique value.
    """

    def __init__(self, path: Path) -> None:
        """The file is opened or created at the first use; its folder must exist by then."""
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._writing = threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one statement that reads, run to its end."""
        with _translated_errors():
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for one statement that writes: a transaction of its own."""
        if not self._writing.acquire(timeout=_LOCK_TIMEOUT_S):
            raise StoreUnavailable("SQLite: this process's other writers do not come to an end")
        try:
            with self.reading() as connection:
                yield connection
        finally:
            self._writing.release()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection on which nobody else writes until the block ends; all or nothing."""
        with self.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close every connection; those in use when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.create_function(FOLD, 1, _fold, deterministic=True)
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _fold(value: str | int | float | None) -> str | int | float | None:
    return fold(value) if isinstance(value, str) else value


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over. SQLite does not wait for its lock here, so we do."""
    deadline = time.monotonic() + _LOCK_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise DuplicateObject(str(error), _violated_column(str(error))) from error
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        kind = StoreFull if is_full else StoreUnavailable
        raise kind(f"SQLite: {error}") from error


def _violated_column(message: str) -> str | None:
    violated = _VIOLATED_INDEX.search(message)
    if violated:
        return violated[1]
    return "objectId" if "objects.object_id" in message else None
