"""Retention as the operator meets it: the command, and a server that has RETENTION_DAYS."""

import subprocess
import sys
import time
from datetime import timedelta

import pytest
from item_rows import ItemRows
from running_server import bare_environment

from cloud.clock import utc_now
from cloud.moderation.items import State
from server.moderation.items import ITEM
from server.panel.retention import BY_COMMAND, BY_SETTING, RecordedPurges
from server.storage.port import Query
from server.storage.sqlite.database import SqliteDatabase


@pytest.fixture
def rows(tmp_path):
    """Two images of 40 days ago, one of them in review, and one of today."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    made = ItemRows(SqliteDatabase(data_dir))
    old = utc_now() - timedelta(days=40)
    made.item("old", State.REJECTED, at=old)
    made.item("waits", State.REVIEW, at=old)
    made.item("new", at=utc_now())
    yield made
    made.database.close()


def ids(rows):
    return sorted(row["objectId"] for row in rows.objects.find(ITEM, Query()))


def purge(data_dir, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "server", "purge", *arguments],
        env={**bare_environment(), "DATA_DIR": str(data_dir)},
        cwd=data_dir.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dry_run_says_what_would_go_and_the_run_what_went(rows, tmp_path):
    data_dir = tmp_path / "data"
    dry = purge(data_dir, "--older-than", "30", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "        1 decided items would be removed\n" in dry.stdout
    assert "        1 decisions in their logs would be removed\n" in dry.stdout
    assert ids(rows) == ["new", "old", "waits"]
    done = purge(data_dir, "--older-than", "30")
    assert done.returncode == 0, done.stderr
    assert "        1 decided items removed\n" in done.stdout
    assert "        0 items stay under a legal hold\n" in done.stdout
    assert ids(rows) == ["new", "waits"]
    (run,) = RecordedPurges(rows.database, rows.schemas).last(9)
    assert (run.by, run.counts.items, run.finished_at is not None) == (BY_COMMAND, 1, True)


@pytest.mark.parametrize("arguments", [(), ("--older-than", "0"), ("--older-than", "x")])
def test_it_purges_nothing_without_a_number_of_days(rows, tmp_path, arguments):
    assert purge(tmp_path / "data", *arguments).returncode == 2
    assert ids(rows) == ["new", "old", "waits"]


def test_where_there_is_no_database_it_says_so(tmp_path):
    (tmp_path / "none").mkdir()
    refused = purge(tmp_path / "none", "--older-than", "30")
    assert refused.returncode == 1
    assert "DATA_DIR: there is no" in refused.stderr
    assert list((tmp_path / "none").iterdir()) == []


@pytest.mark.slow
def test_a_server_purges_by_itself_where_it_is_told_to(rows, tmp_path, start_server):
    server = start_server(tmp_path / "data", RETENTION_DAYS=30)
    server.wait_until_healthy()
    deadline = time.monotonic() + 20
    while "old" in ids(rows):
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)
    assert ids(rows) == ["new", "waits"]
    (run,) = RecordedPurges(rows.database, rows.schemas).last(9)
    assert run.by == BY_SETTING
