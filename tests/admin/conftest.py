"""The panel in front of a database of the test's own."""

import pytest
from panel_client import PanelInstallation

from config import load_settings
from server.app import create_app


@pytest.fixture
def make_panel(tmp_path, compiled_templates):
    """Make an installation; keyword arguments are settings."""
    made = []

    def make(**settings):
        settings = {"data_dir": tmp_path, "config_cache_ms": 0, **settings}
        app = create_app(load_settings(_env_file=None, **settings))
        app.jinja_env.bytecode_cache = compiled_templates
        made.append(app.extensions["parsewarden"])
        return PanelInstallation(app)

    yield make
    for services in made:
        services.close()


@pytest.fixture
def panel(make_panel):
    """An installation where alice is an admin and bob a moderator."""
    installation = make_panel()
    installation.moderator("alice", admin=True)
    installation.moderator("bob")
    return installation
