"""An app with LiveQuery on a real port."""

import pytest
from live_server import LiveServer


@pytest.fixture
def make_live():
    """Serve the LiveQuery of apps: `make_live(parse)`, with Limits if they are to be others."""
    servers = []

    def make(parse, limits=None, **options):
        servers.append(LiveServer(parse.services, limits, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def parse(make_parse):
    """A ParseApp whose classes all publish."""
    return make_parse(live_query_classes=(".*",))


@pytest.fixture
def parse_on_each(make_parse, database_uri):
    """The same on each database in turn."""
    return make_parse(live_query_classes=(".*",), database_uri=database_uri)


@pytest.fixture
def live(make_live, parse):
    """The LiveQuery of `parse`."""
    return make_live(parse)
