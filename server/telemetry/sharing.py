"""One set of figures for all web processes: a folder where each keeps its own and reads all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# What prometheus_client looks for when it is imported, so before any process makes its app.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_figures(processes: int) -> Iterator[None]:
    """Let so many processes, forked within this block, share their figures."""
    if processes == 1:
        os.environ.pop(SHARED_FOLDER, None)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="parsewarden-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        yield


def forget_process(pid: int) -> None:
    """Drop what stood only for a process that ended; its counts stay."""
    if SHARED_FOLDER in os.environ:
        from prometheus_client.multiprocess import mark_process_dead  # not before, see above

        mark_process_dead(pid)  # type: ignore[no-untyped-call]
