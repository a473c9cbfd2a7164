"""Run a command with TEST_DATABASE_URI naming a FerretDB of its own, which `make ferretdb` builds.

`python tests/ferretdb/run.py python -m pytest -k mongodb tests/server/storage`.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_TESTS = Path(__file__).resolve().parents[1]
sys.path.append(str(_TESTS))

from named_database import run_on  # noqa: E402 - which lies above us
from running_server import free_port  # noqa: E402

_BUILT = _TESTS.parent / "data" / "ferretdb" / "server"


def main(command):
    port = free_port()
    with TemporaryDirectory() as folder:
        return run_on([_BUILT, str(port), f"{folder}/"], port, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
