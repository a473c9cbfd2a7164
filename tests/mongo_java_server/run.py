"""Run a command with TEST_DATABASE_URI naming a mongo-java-server of its own.

`python tests/mongo_java_server/run.py make test`. Needs Java 17 and Maven, which obtains the
server once, into `data/mongo_java_server`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_TESTS = _HERE.parent
sys.path.append(str(_TESTS))

from named_database import run_on  # noqa: E402 - which lies above us
from running_server import free_port  # noqa: E402

_JARS = _TESTS.parent / "data" / "mongo_java_server"


def main(command):
    obtain()
    port = free_port()
    program = ["java", "-cp", f"{_JARS}/*", _HERE / "MongoJavaServer.java", str(port)]
    return run_on(program, port, command)


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
