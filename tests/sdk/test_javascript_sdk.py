"""The official JavaScript SDK against a running server: its Node build and its React Native build.

The cases are in cases.js; node runs them all at once for each build, and each is a test here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import Server

pytestmark = pytest.mark.slow

_HERE = Path(__file__).parent
_CLOUD_CODE = _HERE.parent / "exchanges" / "cloud_code.py"
_BIN = Path(sys.executable).parent
_PATH = {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}  # npm looks for node there


def _node(*arguments, timeout_s, **environment):
    return subprocess.run(
        [_BIN / "node", _HERE / "run.js", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=_PATH | environment,
        check=False,
    )


_CASES = _node("list", timeout_s=30).stdout.splitlines()
_GAPS_OF_JAVA = {
    "signing up with a taken name is 202, in any case": "it ignores collations",
    "query near brings the nearest first": "it has no geometry",
    "query withinKilometers": "it has no geometry",
    "query withinMiles, unsorted": "it has no geometry",
    "query withinRadians is counted": "it has no geometry",
    "query withinGeoBox": "it has no geometry",
    "query withinPolygon": "it has no geometry",
    "query polygonContains": "it has no geometry",
    "query explain and hint are for who may": "it takes hints of indexes that there are not",
}
_RUNS = [("parse/node", "sqlite"), ("parse/react-native", "sqlite")]
if os.environ.get("TEST_DATABASE_URI"):
    _RUNS.append(("parse/node", "mongodb"))


@pytest.fixture(scope="module", params=_RUNS, ids="-".join)
def outcomes(request, sdk, models_dir, tmp_path_factory, mongo_uri):
    """What became of each case with one build of the SDK, on a server and store of its own."""
    build, store = request.param
    server = Server(
        tmp_path_factory.mktemp("sdk") / "data",
        models_dir,
        DATABASE_URI="" if store == "sqlite" else mongo_uri(store, "sdk"),
        ALLOW_CLIENT_CLASS_CREATION="true",
        CLOUD_CODE_MAIN=_CLOUD_CODE,
        LIVE_QUERY_CLASSES=".*",
    )
    try:
        server.wait_until_healthy()
        url = f"http://127.0.0.1:{server.port}/parse"
        done = _node(build, url, timeout_s=300, NODE_PATH=str(sdk))
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", _CASES)
def test_sdk(request, outcomes, case):
    on_mongodb = request.node.callspec.params["outcomes"][1] == "mongodb"
    if on_mongodb and case in _GAPS_OF_JAVA and request.getfixturevalue("mongodb_is_java"):
        request.applymarker(pytest.mark.xfail(reason=_GAPS_OF_JAVA[case], strict=True))
    assert outcomes[case]["ok"], outcomes[case]["error"]


def test_there_are_cases():
    assert len(_CASES) > 50
