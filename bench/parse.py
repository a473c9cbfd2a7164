"""Small Parse calls, beside Parse Server on the same machine and database in the same run.

Prints one Markdown table: an empty cloud function, get by id and find by id, each with one and with
two processes of either server. Parse Server is that of `tests/beside`, from npm into `data/bench`
at the first run; its MongoDB is nx-27017, and ours is measured on the same one and on the embedded
database. The ratio is ours to Parse Server's on the same row.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from bench import CORES, HERE, MODELS_DIR, REPOSITORY, free_port

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
CONCURRENCY = 8
KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
CLOUD_CODE = (
    "from cloud.code import cloud\n\n\n@cloud.define('empty')\ndef empty(request):\n    pass\n"
)


def main():
    parse_server = installed_parse_server()
    print(f"\nSmall calls, concurrency {CONCURRENCY}, requests/s; {CORES} cores, load included.\n")
    print("| call | processes | our database | Parse Server | Parsewarden | ratio |")
    print("|---|--:|---|--:|--:|--:|")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parsewarden-bench-")))
        mongo = stack.enter_context(nx(folder))
        for processes in (1, 2):
            rows(parse_server, folder / str(processes), mongo, processes)


def rows(parse_server, folder, mongo, processes):
    """All lines for one number of processes."""
    folder.mkdir()
    names = {"nx-27017": f"{mongo}/ours{processes}", "embedded": ""}
    with node_server(parse_server, f"{mongo}/theirs{processes}", processes) as theirs:
        reference_calls = calls(theirs)
        for database, uri in names.items():
            with our_server(folder, database, uri, processes) as ours:
                for name, request in calls(ours).items():
                    reference = (theirs, reference_calls[name])
                    row(f"{name} | {processes} | {database}", reference, (ours, request))


def row(name, theirs, ours):
    """Measure the two in turn, twice each, and print the line."""
    figures = {"theirs": [], "ours": []}
    for _ in range(2):
        figures["theirs"].append(load(*theirs))
        figures["ours"].append(load(*ours))
    reference, mine = (sum(figures[who]) / 2 for who in ("theirs", "ours"))
    print(
        f"| {name} | {reference:.0f} | {mine:.0f} | {mine / reference:.2f} |",
        flush=True,
    )


def load(port, request):
    command = [sys.executable, HERE / "repeat.py", str(port), str(CONCURRENCY), str(SECONDS / 2)]
    result = subprocess.run(command, input=request, check=True, stdout=subprocess.PIPE)
    measured = json.loads(result.stdout)
    if measured["errors"]:
        sys.exit(f"{measured['errors']} of {measured['requests']} requests failed")
    return measured["per_second"]


def calls(port):
    """The three requests, for an object that is made for them."""
    created = ask(port, "POST", "/parse/classes/Thing", {"name": "a thing", "n": 1})
    object_id = created["objectId"]
    where = quote(json.dumps({"objectId": object_id}))
    return {
        "empty function": wire("POST", "/parse/functions/empty", b"{}"),
        "get by id": wire("GET", f"/parse/classes/Thing/{object_id}"),
        "find by id": wire("GET", f"/parse/classes/Thing?where={where}"),
    }


def wire(method, path, body=b""):
    headers = {"Host": "localhost", **KEYS, "Content-Length": len(body)}
    if body:
        headers["Content-Type"] = "application/json"
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(port, method, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            method, path, json.dumps(body), {**MASTER, "Content-Type": "application/json"}
        )
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def installed_parse_server():
    folder = REPOSITORY / "data" / "bench" / "parse_server"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "parse_server.cjs"):
        shutil.copy(REPOSITORY / "tests" / "beside" / name, folder)
    if not (folder / "node_modules" / "parse-server").exists():
        npm = Path(sys.executable).with_name("npm")
        subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
            cwd=folder,
            check=True,
            env=os.environ | {"PATH": f"{npm.parent}:{os.environ['PATH']}"},
        )
    return folder


@contextmanager
def started(command, port, log, **options):
    """A process that listens on a port, until the end of the block."""
    with log.open("w") as output:
        process = psutil.Popen(command, stdout=output, stderr=output, **options)
    try:
        wait_for(port, process, log)
        yield
    finally:
        for one in [*process.children(recursive=True), process]:  # PyPI's node is a wrapper
            one.terminate()
        process.wait()


def wait_for(port, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.connect()
        except OSError:
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    sys.exit(f"nothing listens on port {port}: {log.read_text()}")


@contextmanager
def nx(folder):
    port = free_port()
    command = [sys.executable, REPOSITORY / "tests" / "server" / "nx_server.py"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--data-dir", folder / "nx"]
    command += ["--log-file", folder / "nx.log", "--pid-file", folder / "nx.pid"]
    with started(command, port, folder / "nx.out", cwd=folder):
        yield f"mongodb://127.0.0.1:{port}"


@contextmanager
def node_server(folder, database_uri, processes):
    port = free_port()
    node = Path(sys.executable).with_name("node")
    command = [node, "parse_server.cjs", str(port), database_uri, str(processes)]
    with started(command, port, folder / "log", cwd=folder):
        time.sleep(2)  # for the others to listen too
        yield port


@contextmanager
def our_server(folder, name, database_uri, processes):
    port, data_dir = free_port(), folder / name
    data_dir.mkdir()
    (data_dir / "main.py").write_text(CLOUD_CODE)
    environment = os.environ | {
        "PORT": str(port),
        "WEB_WORKERS": str(processes),
        "DATA_DIR": str(data_dir),
        "MODELS_DIR": str(MODELS_DIR),
        "DATABASE_URI": database_uri,
        "CLOUD_CODE_MAIN": str(data_dir / "main.py"),
    }
    command = [sys.executable, "-m", "server", "run"]
    with started(command, port, data_dir / "log", cwd=REPOSITORY, env=environment):
        yield port


if __name__ == "__main__":
    main()
