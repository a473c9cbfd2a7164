"""A running front around an app that says what it got."""

import threading

import pytest
from front_server import FrontServer


class Echo:
    """A WSGI app that answers with the size of what it got, and notes who called."""

    def __init__(self):
        self.environs, self.threads = [], set()
        self.gate = threading.Event()
        self.gate.set()
        self.passes = ()  # paths that no gate holds

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read()
        self.environs.append(environ)
        self.threads.add(threading.get_ident())
        if environ["PATH_INFO"] not in self.passes:
            self.gate.wait(10)
        answer = b"%d" % len(body)
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def start_front():
    """Start fronts around WSGI apps; all are stopped at the end."""
    started = []

    def start(app, **options):
        started.append(FrontServer(app, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def front(start_front, echo):
    return start_front(echo)
