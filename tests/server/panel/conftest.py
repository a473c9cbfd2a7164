"""What tests of the panel's side of the database share."""

import pytest
from panel_people import Clock, PanelPeople

from server.storage.sqlite.database import SqliteDatabase


@pytest.fixture
def people(database):
    """Moderators on each database in turn."""
    return PanelPeople(database, Clock())


@pytest.fixture
def here(tmp_path):
    """The same on SQLite alone, for what does not depend on the database."""
    database = SqliteDatabase(tmp_path)
    yield PanelPeople(database, Clock())
    database.close()
