"""The official JavaScript SDK, and node to run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import REPOSITORY

_HERE = Path(__file__).parent
_BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def sdk():
    """The folder of the SDK that package-lock.json pins; installed once, and again when it
    changes."""
    folder = REPOSITORY / "data" / "sdk"
    lock, installed = _HERE / "package-lock.json", folder / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, folder)
        # npm looks for node on the path.
        path = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
        command = [_BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=folder, env=path, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.fail(f"npm cannot install the Parse SDK into {folder}:\n{done.stderr[-2000:]}")
        shutil.copy(lock, installed)
    return folder / "node_modules"
