"""A Parse Server from npm and our server, on one database."""

import os
from pathlib import Path

import psutil
import pytest
from node_packages import BIN, PATH, installed
from parse_client import Client
from running_server import Server, free_port, wait_for_port

_HERE = Path(__file__).parent
_SERVERS = ["nx", *(["mongodb"] if os.environ.get("TEST_DATABASE_URI") else [])]


def pytest_collection_modifyitems(items):
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=_SERVERS)
def shared_uri(request, mongo_uri):
    """The URI of the database that both servers use, on each MongoDB server in turn."""
    return mongo_uri(request.param, "beside")


@pytest.fixture(scope="session")
def theirs(shared_uri, tmp_path_factory):
    """A Parse Server."""
    folder, port = tmp_path_factory.mktemp("parse_server"), free_port()
    modules = installed(_HERE, "beside")
    command = [BIN / "node", _HERE / "parse_server.cjs", str(port), shared_uri]
    environment = os.environ | {"PATH": PATH, "NODE_PATH": str(modules)}
    with (folder / "log").open("w") as log:
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    wait_for_port(port, process, timeout_s=60)
    yield Client("Parse Server", port)
    for one in [*process.children(recursive=True), process]:  # PyPI's node is a wrapper
        one.terminate()
    process.wait()


@pytest.fixture(scope="session")
def ours(shared_uri, theirs, tmp_path_factory, models_dir):
    """Our server; the second to come to the database."""
    server = Server(
        tmp_path_factory.mktemp("ours") / "data",
        models_dir,
        DATABASE_URI=shared_uri,
        ALLOW_CLIENT_CLASS_CREATION="true",
        CONFIG_CACHE_MS=0,
    )
    server.wait_until_healthy()
    yield Client("Parsewarden", server.port)
    server.stop()


@pytest.fixture(params=["ours_writes", "theirs_writes"])
def writer_and_reader(request, ours, theirs):
    """The two clients, in either order."""
    return (ours, theirs) if request.param == "ours_writes" else (theirs, ours)


@pytest.fixture
def writer(writer_and_reader):
    return writer_and_reader[0]


@pytest.fixture
def reader(writer_and_reader):
    return writer_and_reader[1]


@pytest.fixture
def fresh(request):
    """A name that no other test uses, for a class, a user or a role: `fresh("Thing")`."""
    marks = request.node.name
    unique = "".join(letter for letter in marks.title() if letter.isalnum())

    def name(kind):
        return f"{kind}{unique}"

    return name
