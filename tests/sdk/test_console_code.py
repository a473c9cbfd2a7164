"""The code that the panel's API console offers, pasted: cURL into bash, JavaScript into node."""

import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from running_server import REPOSITORY, Server

from admin.api_calls import ApiCall, Route, Source
from admin.ports.api import ApiDoor
from admin.snippets import JS_KEY, REST_KEY, snippets

pytestmark = pytest.mark.slow

_NODE = Path(sys.executable).parent / "node"
_KEYS = {REST_KEY: "myRestKey", JS_KEY: "myJsKey"}
_CALLS = [(route, source) for route in Route if route is not Route.STATUS for source in Source]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def pictures():
    """Where docs/astronaut.jpg is to be had."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=str(REPOSITORY / "docs"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def door(pictures, models_dir, tmp_path_factory):
    """A running server that may fetch from there."""
    folder = tmp_path_factory.mktemp("console")
    server = Server(folder / "data", models_dir, IMAGE_FETCH_ALLOW=pictures)
    server.wait_until_healthy()
    root = f"http://127.0.0.1:{server.port}"
    yield ApiDoor(root, f"{root}/parse", "myAppId")
    server.stop()


@pytest.fixture
def folder(tmp_path, sdk):
    """Where a developer pastes: a picture is at hand, and the SDK is installed."""
    (tmp_path / "picture.jpg").write_bytes((REPOSITORY / "docs" / "astronaut.jpg").read_bytes())
    (tmp_path / "node_modules").symlink_to(sdk)
    return tmp_path


def filled_in(code):
    for placeholder, key in _KEYS.items():
        code = code.replace(placeholder, key)
    return code


def run(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def call_of(route, source, pictures):
    # A query that has to be encoded well, or the host is asked for another file.
    return ApiCall(route, source, url=f"http://{pictures}/astronaut.jpg?a=1&b=$HOME'x'+%2B(y)")


def classes_in(found):
    """The predictions, wherever the route puts them."""
    if isinstance(found, dict):
        found = found.get("result", found.get("predictions"))
    return [each["className"] for each in found]


@pytest.mark.parametrize(("route", "source"), _CALLS)
def test_curl_code_classifies(door, folder, pictures, route, source):
    code = filled_in(snippets(call_of(route, source, pictures), door)["cURL"])
    found = json.loads(run(["bash", "-c", code], folder))
    assert classes_in(found)[0] == "Neutral", found


@pytest.mark.parametrize(("route", "source"), _CALLS)
def test_javascript_code_classifies(door, folder, pictures, route, source):
    code = filled_in(snippets(call_of(route, source, pictures), door)["JavaScript"])
    # As the comment in it says of node; and printed as JSON, to be read here.
    code = code.replace('from "parse";', 'from "parse/node";')
    code = re.sub(r"console\.log\((.*)\);$", r"console.log(JSON.stringify(\1));", code)
    (folder / "code.mjs").write_text(code)
    found = json.loads(run([_NODE, "code.mjs"], folder).splitlines()[-1])
    assert classes_in(found)[0] == "Neutral", found


@pytest.mark.parametrize("language", ["cURL", "JavaScript"])
def test_code_of_status_asks_for_the_object(door, folder, language):
    call = ApiCall(Route.STATUS, object_id='nobody\'s "id"')
    code = filled_in(snippets(call, door)[language])
    if language == "cURL":
        found = json.loads(run(["bash", "-c", code], folder))
        assert (found["code"], found["error"]) == (101, "Object not found.")
        return
    code = code.replace('from "parse";', 'from "parse/node";')
    (folder / "code.mjs").write_text(f"{code}\n")
    done = subprocess.run(
        [_NODE, "code.mjs"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Object not found." in done.stderr
