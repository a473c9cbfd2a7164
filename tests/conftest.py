"""The real models, obtained once and shared by all tests, and servers that run on them."""

import os
from pathlib import Path

import pytest
from running_broker import Redis, Worker
from running_server import Server

from config import Settings
from ml_models import pretrained
from ml_models.errors import ModelUnavailable

for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)  # the operator's settings are not for tests
os.environ.pop("MONGODB_URI", None)

_REPOSITORY = Path(__file__).resolve().parents[1]


def _no_download(url: str, destination: Path) -> None:
    raise ModelUnavailable(f"The known models need no URL, but {url} was asked for.")


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder that holds all known models, converted; fetches what is missing."""
    default = _REPOSITORY / "data" / "models"
    folder = Path(os.environ.get("PARSEWARDEN_TEST_MODELS") or default)
    for name in pretrained.known_names():
        pretrained.obtain(name, folder, download=_no_download)
    return folder


@pytest.fixture
def start_server(tmp_path, models_dir):
    """Start servers; by default each on the same data folder and a port of its own."""
    servers = []

    def start_one(data_dir=tmp_path / "data", **settings):
        servers.append(Server(data_dir, models_dir, **settings))
        return servers[-1]

    yield start_one
    for server in servers:
        if server.process.is_running():
            server.stop()
        server.process.wait()


@pytest.fixture
def redis():
    """A Redis of the test's own."""
    server = Redis()
    yield server
    server.stop()


@pytest.fixture
def start_worker(tmp_path, models_dir):
    """Start workers; by default on the same data folder as `start_server`'s servers."""
    workers = []

    def start_one(*arguments, **settings):
        log = tmp_path / f"worker{len(workers)}.log"
        where = {"DATA_DIR": tmp_path / "data", "MODELS_DIR": models_dir}
        workers.append(Worker(log, *arguments, **{**where, **settings}))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.stop()
