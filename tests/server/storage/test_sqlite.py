"""What is particular to the embedded store: one file, several processes, kill -9."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from cloud.moderation.errors import StoreUnavailable
from server.storage.port import Increment
from server.storage.sqlite import SqliteStore


def _count(path, times):
    store = SqliteStore(path)
    for _ in range(times):
        store.update("Thing", "abc", {"n": Increment(1)}, upsert=True)
    store.close()


def test_eight_processes_share_a_new_file_without_a_locked_database(tmp_path):
    path = tmp_path / "store.sqlite3"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_count, args=(path, 25)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    store = SqliteStore(path)
    assert store.get("Thing", "abc")["n"] == 200
    store.close()


def test_acknowledged_writes_survive_kill_9(tmp_path):
    program = textwrap.dedent("""
        import itertools, sys
        from pathlib import Path
        from server.storage.port import Set
        from server.storage.sqlite import SqliteStore
        store = SqliteStore(Path(sys.argv[1]))
        for n in itertools.count():
            store.update("Thing", "abc", {"n": Set(n)}, upsert=True)
            print(n, flush=True)
    """)
    path = tmp_path / "store.sqlite3"
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True
        ) as writer:
            acknowledged = [int(writer.stdout.readline()) for _ in range(50)][-1]
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        store = SqliteStore(path)
        assert store.get("Thing", "abc")["n"] >= acknowledged
        store.close()


def test_writes_are_fully_synchronised(tmp_path):
    store = SqliteStore(tmp_path / "store.sqlite3")
    connection = store._connection()
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    store.close()


def test_damaged_file_is_reported_not_overwritten(tmp_path):
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"this is no database" * 1000)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="not a database"):
        store.get("Thing", "abc")
    store.close()
    assert path.read_bytes() == b"this is no database" * 1000


def test_failed_write_leaves_the_connection_usable(tmp_path):
    store = SqliteStore(tmp_path / "store.sqlite3")
    with pytest.raises(TypeError):
        store.insert("Thing", {"objectId": "abc", "bad": object()})
    store.insert("Thing", {"objectId": "abc"})
    with sqlite3.connect(tmp_path / "store.sqlite3") as other:
        assert other.execute("SELECT count(*) FROM objects").fetchone()[0] == 1
    other.close()
    store.close()
