"""One server for each data folder: who holds its lock, and at which port."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


class CannotServe(Exception):
    """The server cannot start; `str(error)` says why and what to do."""


@contextmanager
def sole_instance(data_dir: Path, port: int | None = None) -> Iterator[bool]:
    """Hold the data folder's lock, and say whether who held it before was cut short. Others may
    read there who holds it, and at which port.

    The kernel lets go of it once this process and its workers end, who notice within a second when
    this one was killed.
    """
    with _lock_file(data_dir) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            process = (lock.read().split() or ["unknown"])[0]
            raise CannotServe(
                f"another server (process {process}) is running on "
                f"{data_dir.resolve()}; stop it, or set another DATA_DIR and PORT"
            ) from None
        lock.seek(0)
        was_cut_short = bool(lock.read())
        with suppress(OSError):  # a full disk has no room even for that
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"{os.getpid()} {port or ''}".strip().encode())
        yield was_cut_short
        with suppress(OSError):
            os.ftruncate(lock.fileno(), 0)


def _lock_file(data_dir: Path) -> TextIO:
    try:
        return (data_dir / "server.lock").open("a+")
    except OSError as error:
        raise CannotServe(f"DATA_DIR {data_dir} cannot be written to: {error.strerror}") from None


def is_served(data_dir: Path) -> bool:
    """Say whether a server of this machine is running on the data folder."""
    try:
        with (data_dir / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def served_port(data_dir: Path) -> int | None:
    """Return the port of the server of this machine that is running on the data folder."""
    if not is_served(data_dir):
        return None
    _, _, port = (data_dir / "server.lock").read_text().partition(" ")
    return int(port) if port.isdigit() else None
