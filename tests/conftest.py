"""The real models, obtained once and shared by all tests, and servers that run on them."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from gaps import FERRETDB, JAVA
from jinja2 import FileSystemBytecodeCache
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from running_broker import Redis, Worker
from running_server import Server, free_port, wait_for_port

from config import Settings
from ml_models import pretrained
from ml_models.errors import ModelUnavailable
from server.objects import passwords

for _name in Settings.model_fields:
    os.environ.pop(_name.upper(), None)  # the operator's settings are not for tests
os.environ.pop("MONGODB_URI", None)

# A busy machine makes nothing wrong: what takes long is for `bench/`.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")

# No test cuts the power: where there is room in memory, SQLite's writes wait for no disk.
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own in it
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

_REPOSITORY = Path(__file__).resolve().parents[1]
NX_SERVER = _REPOSITORY / "tests" / "server" / "nx_server.py"


def _no_download(url: str, destination: Path) -> None:
    raise ModelUnavailable(f"The known models need no URL, but {url} was asked for.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Two more than there are cores: tests wait for servers and clocks much of their time."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(autouse=True)
def quick_passwords(request, monkeypatch):
    """Hashes of passwords cost a sixtieth of production's, for tests that need them in passing."""
    if "real_passwords" not in request.keywords:
        monkeypatch.setattr(passwords, "_COST", 4)
        monkeypatch.setattr(passwords, "_NOBODYS", passwords._NOBODYS.replace("$10$", "$04$"))


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory):
    """Where an app finds what another one has made of the same template."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


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


@pytest.fixture(scope="session")
def nx_uri(tmp_path_factory):
    """A MongoDB server over a socket that comes from PyPI; no MongoDB, see the marked gaps."""
    folder, port = tmp_path_factory.mktemp("nx"), free_port()
    command = [sys.executable, NX_SERVER, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--data-dir", folder / "data", "--log-file", folder / "log"]
    with subprocess.Popen(
        [*command, "--pid-file", folder / "pid"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    ) as process:
        wait_for_port(port, process)
        yield f"mongodb://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="session")
def mongo_uri(request):
    """Make the URI of a new database on a MongoDB server: `mongo_uri("nx", name)`."""
    made = []

    def make(server_name, name):
        is_nx = server_name == "nx"
        server = request.getfixturevalue("nx_uri") if is_nx else os.environ["TEST_DATABASE_URI"]
        unique = "".join(c for c in name if c.isalnum())[-30:]
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # several use one server at once
        made.append((server, f"test_{unique}_{worker}{len(made)}"))
        return f"{server.rstrip('/')}/{made[-1][1]}"

    yield make
    for server, name in made:
        if "TEST_DATABASE_URI" in os.environ and server == os.environ["TEST_DATABASE_URI"]:
            # mongo-java-server stumbles over its own indexes; it keeps nothing anyway.
            with MongoClient(server) as client, suppress(OperationFailure):
                client.drop_database(name)


@pytest.fixture(scope="session")
def mongodb_name():
    """What TEST_DATABASE_URI names, as tests/gaps.py calls it, or mongodb for a real one."""
    with MongoClient(os.environ["TEST_DATABASE_URI"]) as client:
        about = client.server_info()
    if "ferretdbVersion" in about:
        return FERRETDB
    return JAVA if "mongo-java-server" in about["version"] else "mongodb"


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
