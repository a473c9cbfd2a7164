"""How a command of ours is called, for every sentence that tells somebody to call one."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def own_command(arguments: str) -> str:
    """Write `python -m server <arguments>` as it works when pasted where this process was started.

    That is with the Python that runs us, which is seldom the first one in the PATH: after
    `make run` it is .venv/bin/python, and any other lacks our packages.
    """
    return f"{_python()} -m server {arguments}"


def _python() -> str:
    ours = Path(sys.executable).absolute()  # not resolved: a venv's is a link to the system's
    for name in ("python", "python3"):
        found = shutil.which(name)
        if found is not None and Path(found).absolute() == ours:
            return name
    is_below = ours.is_relative_to(Path.cwd())
    return shlex.quote(os.path.relpath(ours) if is_below else str(ours))
