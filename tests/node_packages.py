"""Packages from npm that tests need, as a package-lock.json pins them."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import REPOSITORY

BIN = Path(sys.executable).parent
PATH = f"{BIN}{os.pathsep}{os.environ['PATH']}"
"""npm looks for node here; both come from PyPI."""


def installed(source: Path, name: str) -> Path:
    """Install what `source` pins into `data/NAME`, once and again when the lock changes; return
    the folder of the modules. Tests of several processes wait for each other."""
    folder = REPOSITORY / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "install.lock").open("w") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        _install(source, folder, name)
    return folder / "node_modules"


def _install(source: Path, folder: Path, name: str) -> None:
    lock, done_lock = source / "package-lock.json", folder / "installed-lock.json"
    if not done_lock.exists() or done_lock.read_bytes() != lock.read_bytes():
        for file_name in ("package.json", "package-lock.json"):
            shutil.copy(source / file_name, folder)
        command = [BIN / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": PATH},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"npm cannot install {name} into {folder}:\n{done.stderr[-2000:]}")
        shutil.copy(lock, done_lock)
