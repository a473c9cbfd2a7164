"""A database of the test's own."""

import pytest

from server.storage.sqlite.database import SqliteDatabase


@pytest.fixture
def database(tmp_path):
    opened = SqliteDatabase(tmp_path)
    yield opened
    opened.close()
