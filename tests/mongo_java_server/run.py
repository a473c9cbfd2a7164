"""Run a command with TEST_DATABASE_URI naming a mongo-java-server of its own.

`python tests/mongo_java_server/run.py make test`. Needs Java 17 and Maven, which obtains the
server once, into `data/mongo_java_server`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_TESTS = _HERE.parent
sys.path.append(str(_TESTS))

from running_server import free_port, wait_for_port  # noqa: E402 - which lies beside us

_JARS = _TESTS.parent / "data" / "mongo_java_server"


def main(command):
    obtain()
    port = free_port()
    program = ["java", "-cp", f"{_JARS}/*", _HERE / "MongoJavaServer.java", str(port)]
    with subprocess.Popen(program) as server:
        try:
            wait_for_port(port, server, timeout_s=60)
            uri = f"mongodb://127.0.0.1:{port}"
            environment = os.environ | {"TEST_DATABASE_URI": uri}
            return subprocess.run(command, env=environment, check=False).returncode
        finally:
            server.kill()


def obtain():
    """Let Maven copy the jars, unless those of this pom.xml are there."""
    pom, done = _HERE / "pom.xml", _JARS / "pom.xml"
    if done.exists() and done.read_bytes() == pom.read_bytes():
        return
    shutil.rmtree(_JARS, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={_JARS}"]
    subprocess.run(["mvn", "-q", "-B", "-f", pom, *goal], check=True)
    shutil.copy(pom, done)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
