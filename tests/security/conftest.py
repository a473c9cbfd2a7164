"""Hostile input: what was tried, what was refused, what was survived.

By default a share of it runs, in seconds; `make security` runs all of it and prints the table.
"""

import os
from collections import Counter, defaultdict

import pytest
from panel_client import PanelInstallation

from cloud.code import cloud
from config import load_settings
from server.app import create_app

IS_FULL = bool(os.environ.get("SECURITY_FULL"))
_TALLIES = defaultdict(Counter)


class Tally:
    """Counts the cases of one kind of attack. What failed is the test's to say."""

    def __init__(self, what):
        self._counts = _TALLIES[what]

    def refused(self, number=1):
        """An error of ours, said in a sentence."""
        self._counts["refused"] += number

    def survived(self, number=1):
        """Taken as what it is, and answered."""
        self._counts["survived"] += number


@pytest.fixture
def tally(request):
    """The tally of this test's module, under the first words of its docstring."""
    return Tally(request.module.__doc__.partition(":")[0])


@pytest.fixture(scope="session")
def is_full():
    """Whether all of it is to be tried."""
    return IS_FULL


@pytest.fixture(scope="module")
def make_app(tmp_path_factory, models_dir):
    """Make installations of their own; keyword arguments are settings."""
    made = []

    def make(**settings):
        folder = tmp_path_factory.mktemp("installation")
        ours = {"data_dir": folder, "models_dir": models_dir, "config_cache_ms": 0}
        made.append(create_app(load_settings(_env_file=None, **{**ours, **settings})))
        return made[-1]

    yield make
    for app in made:
        app.extensions["parsewarden"].close()


@pytest.fixture
def app(make_app):
    """An installation as a stranger finds it."""
    return make_app()


@pytest.fixture
def cloud_code(monkeypatch):
    """The registry of cloud code, emptied of what a test defines once it is over."""
    for registered in ("_functions", "_triggers", "_jobs"):
        monkeypatch.setattr(cloud, registered, dict(getattr(cloud, registered)))
    return cloud


@pytest.fixture
def make_panel(make_app):
    """Make an installation with its panel; keyword arguments are settings."""
    return lambda **settings: PanelInstallation(make_app(**settings))


def pytest_collection_modifyitems(config, items):
    """What downloads, or takes minutes, is for `make security` alone."""
    if not IS_FULL:
        left_out = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter):
    if not _TALLIES:
        return
    failed = len(terminalreporter.stats.get("failed", [])) + len(
        terminalreporter.stats.get("error", [])
    )
    write = terminalreporter.write_line
    write("")
    write(f"{'attack':40} {'cases':>8} {'refused':>8} {'survived':>8}")
    for what, counts in sorted(_TALLIES.items()):
        refused, survived = counts["refused"], counts["survived"]
        write(f"{what:40} {refused + survived:>8} {refused:>8} {survived:>8}")
    write(f"failed: {failed}")
