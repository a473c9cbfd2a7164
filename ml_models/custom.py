"""Models that are not ours: behind a URL, or in a file or folder of the operator.

Owns which files make up a model in each accepted format, and how to tell that they have changed.
Refuses to know HTTP (the `Download` does) and what is inside the files (`tfjs` and `convert` do).
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from ml_models import tfjs
from ml_models.cache import Workspace, sha256
from ml_models.errors import ModelUnsupported

_SINGLE_FILES = (".tflite", ".keras", ".h5")


@dataclass(frozen=True, slots=True)
class UrlModel:
    """A tfjs model.json, the folder that holds one, or a single file, behind an http(s) URL."""

    url: str
    version = None  # only the files can tell, and the size too
    input_size_px = None

    @property
    def name(self) -> str:
        return _folder_name(urlsplit(self.url).path, self.url)

    @property
    def shown(self) -> str:
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"

    def fingerprint(self) -> None:
        """Nothing local to look at: what was fetched once stays."""

    def gather(self, space: Workspace, sources: Path) -> Path:
        """Download the files that no earlier run has finished."""
        last = urlsplit(self.url).path.rpartition("/")[2]
        if last.lower().endswith(_SINGLE_FILES):
            return space.fetch(self.url, sources / f"model{Path(last).suffix.lower()}")
        model_json = self.url if last.endswith(".json") else _beside(self.url, tfjs.MODEL_FILE)
        names = tfjs.shard_names(space.fetch(model_json, sources / tfjs.MODEL_FILE))
        for number, name in enumerate(names, 1):
            space.say(f"Weights file {number} of {len(names)}:")
            space.fetch(_beside(self.url, quote(name)), sources / name)
        return sources


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A file or folder of the operator, by its absolute path. It is read where it lies."""

    path: Path
    version = None
    input_size_px = None

    @property
    def name(self) -> str:
        return _folder_name(self.path.as_posix(), self.path.as_posix())

    @property
    def shown(self) -> str:
        return str(self.path)

    def fingerprint(self) -> str | None:
        """Tell quickly what the files look like now.

        None when they were taken away, which does not spoil the copy that was made of them.
        """
        if not self.path.exists():
            return None
        states = [(file.name, file.stat()) for file in _files(self.path) if file.exists()]
        text = "\n".join(f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states)
        return hashlib.sha256(text.encode()).hexdigest()

    def gather(self, space: Workspace, sources: Path) -> Path:
        """Raise ModelUnsupported if the path is no model; copy nothing."""
        _files(self.path)
        return self.path


def content_version(gathered: Path) -> str:
    """Derive a version from the content of every file of the model."""
    hashes = "".join(sha256(file) for file in _files(gathered))
    return f"sha256-{hashlib.sha256(hashes.encode()).hexdigest()[:12]}"


def _folder_name(path: str, identity: str) -> str:
    """Name a model after the last part of its path; the hash keeps namesakes apart."""
    parts = [part for part in path.split("/") if part not in ("", tfjs.MODEL_FILE)]
    slug = re.sub(r"[^a-z0-9]+", "-", (parts or [""])[-1].lower())[:40].strip("-")
    return f"custom-{slug or 'model'}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def _beside(url: str, name: str) -> str:
    """Address a file of the model's folder; the query (a signature) stays, as in tfjs."""
    parts = urlsplit(url)
    folder = re.sub(r"/([^/]*\.json)?$", "", parts.path)
    return parts._replace(path=f"{folder}/{name}").geturl()


def _files(path: Path) -> list[Path]:
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
