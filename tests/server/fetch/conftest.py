"""Fixtures of the one door's tests: hostile servers and a certificate."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hostile_hosts import Certificate, Handler, HostileServer


@pytest.fixture
def serve() -> Iterator[Callable[..., HostileServer]]:
    """Start hostile servers; they stop with the test."""
    servers: list[HostileServer] = []

    def start(*scripts: bytes | Handler, **options: Any) -> HostileServer:
        servers.append(HostileServer(scripts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is missing; it makes the certificate for this test")
    path = tmp_path_factory.mktemp("tls") / "images.test.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=images.test",
         "-addext", "subjectAltName=DNS:images.test,IP:127.0.0.9",
         "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return Certificate(path)
