"""What the server's tests run against: real databases, a real model, a real image host."""

import hashlib
import os
import threading
from http.server import ThreadingHTTPServer

import pytest
from gaps import GAPS
from image_host import ImageHost
from parse_app import ParseApp

from cloud.code import cloud
from config import load_settings
from server.app import create_app
from server.moderation.classifications import StoredClassifications
from server.storage.mongo.database import MongoDatabase
from server.storage.sqlite.database import SqliteDatabase

STORES = ["sqlite", "nx", *(["mongodb"] if os.environ.get("TEST_DATABASE_URI") else [])]


@pytest.fixture(params=STORES)
def database_uri(request, tmp_path, mongo_uri):
    """DATABASE_URI for each store in turn, with a database of the test's own; empty is SQLite."""
    return "" if request.param == "sqlite" else mongo_uri(request.param, tmp_path.name)


@pytest.fixture
def database(database_uri, tmp_path):
    """Each Database in turn, empty."""
    opened = MongoDatabase(database_uri) if database_uri else SqliteDatabase(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def store_name(request):
    """The store that the test runs on: sqlite, or what tests/gaps.py calls a MongoDB server."""
    [store] = {value for value in request.node.callspec.params.values() if value in STORES}
    return request.getfixturevalue("mongodb_name") if store == "mongodb" else store


@pytest.fixture
def needs(request, store_name):
    """Say what a test needs: `needs("text search")` expects its failure where that is a gap."""

    def expect_failure(feature):
        if store_name in GAPS[feature]:
            lacks = f"{feature}: {GAPS[feature][store_name]}"
            request.applymarker(pytest.mark.xfail(reason=lacks, strict=True))

    return expect_failure


@pytest.fixture(scope="session")
def image_host():
    """The address of an image host that the app is allowed to fetch from."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ImageHost)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def make_app(tmp_path, models_dir, image_host, compiled_templates):
    """Make an app of its own data folder; keyword arguments are settings."""
    apps = []

    def make(**overrides):
        settings = load_settings(
            _env_file=None,
            **{
                "data_dir": tmp_path,
                "models_dir": models_dir,
                "image_fetch_allow": image_host.removeprefix("http://"),
                "image_fetch_timeout": 1.0,
                "max_image_bytes": 1_000_000,
                "config_cache_ms": 0,
                **overrides,
            },
        )
        app = create_app(settings)
        app.jinja_env.bytecode_cache = compiled_templates
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions["parsewarden"].close()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def recorded(app):
    """Look up what is recorded of an image's bytes."""
    services = app.extensions["parsewarden"]

    def look_up(data):
        records = StoredClassifications(services.database.objects, services.schemas)
        return records.find(hashlib.sha256(data).hexdigest(), services.classifier.model)

    return look_up


@pytest.fixture
def make_parse(make_app):
    """Make a ParseApp whose clients may make classes; keyword arguments are settings."""

    def make(**settings):
        return ParseApp(make_app(**{"allow_client_class_creation": True, **settings}))

    return make


@pytest.fixture
def parse(make_parse):
    """A ParseApp on SQLite."""
    return make_parse()


@pytest.fixture
def parse_on_each(make_parse, database_uri):
    """A ParseApp on each database in turn."""
    return make_parse(database_uri=database_uri)


@pytest.fixture
def cloud_code(monkeypatch):
    """The registry of cloud code, emptied of what a test defines once it is over."""
    for registered in ("_functions", "_triggers", "_jobs"):
        monkeypatch.setattr(cloud, registered, dict(getattr(cloud, registered)))
    return cloud
