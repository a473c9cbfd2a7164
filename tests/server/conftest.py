"""What the server's tests run against: real databases, on disk and over a socket."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymongo import MongoClient

from server.storage.mongo import MongoStore
from server.storage.sqlite import SqliteStore


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for_port(port, process, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the process on port {port} ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.2):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"nothing listens on port {port} after {timeout_s} s")


@pytest.fixture(scope="session")
def nx_uri(tmp_path_factory):
    """A MongoDB server over a socket that comes from PyPI; no MongoDB, see the marked gaps."""
    folder, port = tmp_path_factory.mktemp("nx"), free_port()
    command = [
        Path(sys.executable).with_name("nx-27017"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
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


def mongo_store(uri, tmp_path):
    database = "test_" + "".join(c for c in tmp_path.name if c.isalnum())[-40:]
    return MongoStore(f"{uri.rstrip('/')}/{database}"), f"{uri.rstrip('/')}/{database}"


@pytest.fixture(params=["sqlite", "nx", "mongodb"])
def store(request, tmp_path):
    """Each ObjectStore in turn; `mongodb` is the server of TEST_DATABASE_URI."""
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.sqlite3")
        yield opened
        opened.close()
        return
    uri = os.environ.get("TEST_DATABASE_URI") if request.param == "mongodb" else None
    if request.param == "mongodb" and not uri:
        pytest.skip("TEST_DATABASE_URI names no MongoDB")
    opened, database_uri = mongo_store(uri or request.getfixturevalue("nx_uri"), tmp_path)
    yield opened
    opened.close()
    if uri:
        with MongoClient(database_uri) as client:
            client.drop_database(client.get_default_database().name)


@pytest.fixture
def gap_of_nx(request):
    """Mark what nx-27017 cannot do: `gap_of_nx("...")` expects the failure there alone."""

    def expect_failure(reason):
        if request.node.callspec.params.get("store") == "nx":
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    return expect_failure
