"""The official JavaScript SDK against a running server: its Node build and its React Native build.

The cases are in cases.js; node runs them all at once for each build, and each is a test here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gaps import GAPS
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
_PLACES = "finds by place (geometry)"
_NEEDS = {
    "signing up with a taken name is 202, in any case": "texts in any case of letters (collations)",
    "every type comes back as it was saved": "arrays in arrays",
    "query containsAllStartingWith": "regular expressions in `$all`",
    "query containedBy": "`$containedBy` (`$nin` in `$elemMatch`)",
    "query matches with options": "regular expressions with the option `x`",
    "query aggregate": "`/aggregate`: plain stages, operators and accumulators",
    "query near brings the nearest first": _PLACES,
    "query withinKilometers": _PLACES,
    "query withinMiles, unsorted": _PLACES,
    "query withinRadians is counted": _PLACES,
    "query withinGeoBox": _PLACES,
    "query withinPolygon": _PLACES,
    "query polygonContains": _PLACES,
    "query explain and hint are for who may": "a `hint` of an index that is not there is refused",
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
    if request.node.callspec.params["outcomes"][1] == "mongodb" and case in _NEEDS:
        lacks = GAPS[_NEEDS[case]].get(request.getfixturevalue("mongodb_name"))
        if lacks:
            request.applymarker(pytest.mark.xfail(reason=lacks, strict=True))
    assert outcomes[case]["ok"], outcomes[case]["error"]


def test_there_are_cases():
    assert len(_CASES) > 50
