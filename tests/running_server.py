"""The server as a process of its own, as its operator runs it."""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
CLOCKED = REPOSITORY / "tests" / "faults" / "clocked.py"
CLASSIFY = "/api/image/classify"


# Below those that Linux gives to outgoing connections: one of them may take a port that was free,
# and who waits for a server there may even be connected with himself.
_PORTS = iter(random.SystemRandom().sample(range(10_000, 32_000), 22_000))


def free_port():
    for port in _PORTS:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    pytest.fail("no port is free")


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


def bare_environment():
    """What a server needs to run in any folder, where it finds no `.env` of the operator's."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "CLOUD_CODE_MAIN": str(REPOSITORY / "cloud" / "main.py"),
    }


def program(clock=None):
    """The command line's beginning; with the path of a `clock` the program's clock follows it."""
    return [sys.executable, *(["-m"] if clock is None else [CLOCKED, clock]), "server"]


def run_command(folder, *arguments, **settings):
    """Run `python -m server ...` in a folder to its end, with these settings and no others."""
    environment = {name: str(value) for name, value in settings.items()}
    return subprocess.run(
        [*program(), *arguments],
        env=bare_environment() | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


class Server:
    """A `python -m server run` in a process group of its own, as from a terminal."""

    def __init__(self, data_dir, models_dir, *, clock=None, **settings):
        self.port, self.data_dir = int(settings.setdefault("PORT", free_port())), data_dir
        self.log = data_dir.with_suffix(".log")
        environment = {**bare_environment(), "DATA_DIR": data_dir, "MODELS_DIR": models_dir}
        environment |= {name: str(value) for name, value in settings.items()}
        with self.log.open("a") as log:
            self.process = psutil.Popen(
                [*program(clock), "run"],
                env=environment,
                cwd=data_dir.parent,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_healthy(self, expected=200):
        wait_for_port(self.port, self.process)
        deadline = time.monotonic() + 30
        while self.request("GET", "/health")[0] != expected:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return self

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or "null")
        finally:
            connection.close()

    def classify(self, image):
        return self.request("POST", CLASSIFY, image)

    def family(self):
        return [self.process, *self.process.children(recursive=True)]

    def classifiers(self):
        """The processes that decode and classify."""
        return [p for p in self.family() if "ml_models.child" in p.cmdline()]

    def stop(self):
        for process in self.family():
            process.kill()
        self.process.wait()
