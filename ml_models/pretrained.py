"""Obtains models: finds, downloads, verifies, converts and keeps them, once, under a models folder.

Owns the pinned hashes of the three known models, the meaning of TF_MODEL_URL, and the order of the
steps; each step has its own file: `npm` and `custom` gather, `converted` converts and checks,
`cache` keeps. Refuses to know HTTP (the caller's `Download` does), tensorflow (a child process
does), images and thresholds.
"""

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml_models import cache
from ml_models.cache import ABOUT, MODEL, SOURCES, Download, Record, Workspace, how_to_fetch
from ml_models.converted import check_tflite, refuse_other_size, write_tflite
from ml_models.custom import LocalModel, UrlModel, content_version
from ml_models.errors import (
    ModelDamaged,
    ModelError,
    ModelMissing,
    ModelUnavailable,
    ModelUnsupported,
)
from ml_models.npm import NpmModel
from ml_models.types import ModelSpec

__all__ = ["DEFAULT_MODEL", "Download", "ModelFile", "known_names", "load", "obtain"]

DEFAULT_MODEL = "MobileNetV2Mid"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A converted model on disk, whose content was just verified against its record."""

    spec: ModelSpec
    path: Path


# What TF_MODEL_URL can mean. `name` is also the model's folder; `shown` bears no credentials;
# `version` and `input_size_px` are None when only the files can tell. `gather` brings all files
# onto this machine and returns what to convert. `fingerprint` tells quickly what a local source
# looks like now; None when there is nothing to look at.
_Origin = NpmModel | UrlModel | LocalModel

# Computed from the package as published; JSON.stringify and base64 leave no freedom in the bytes.
_KNOWN = (
    NpmModel(
        "MobileNetV2",
        "mobilenet_v2",
        224,
        {
            "model.json": "feffc6868d61e412a4e7a22657a3d07a8a48df6e11688a9e25b77c23cb7b45c9",
            "group1-shard1of1": "8e7dddbb16acacc1bf1601b1b8a761e730ff934b7f2d7771312b2f000e5f5f13",
        },
    ),
    NpmModel(
        "MobileNetV2Mid",
        "mobilenet_v2_mid",
        224,
        {
            "model.json": "935a537cc627402ee7303f75e59083809ab857ae99969523ba1aa726c65c8161",
            "group1-shard1of2": "70e4519134a0a12417ad80b6c299d8a2b90e52ce389d03d9d56b08df6b7f5b09",
            "group1-shard2of2": "70f6216b39b52b6f1e31e13683c71987a587dc1a85644adffa17cb48c2e9bee7",
        },
    ),
    NpmModel(
        "InceptionV3",
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
)


def known_names() -> tuple[str, ...]:
    """Name the models that need no URL, as TF_MODEL_URL takes them."""
    return tuple(model.name for model in _KNOWN)


def load(source: str, models_dir: Path, input_size_px: int | None = None) -> ModelFile:
    """Find the converted model of `source` (the setting TF_MODEL_URL) and verify its sha256.

    No network, no tensorflow, writes nothing. Raises ModelMissing when it was never obtained, is
    the name of nothing, or a local source has changed since; ModelDamaged when the file is not what
    its record says; ModelUnsupported when a known model does not take `input_size_px`.
    """
    origin = _origin(source)
    if origin.input_size_px is not None:
        refuse_other_size(origin.name, origin.input_size_px, input_size_px)
    folder = models_dir / origin.name
    if not folder.exists():
        _refuse_absent_path(origin, ModelMissing)
    record = cache.read_record(folder, origin.shown)
    _refuse_outdated(record, origin, input_size_px)
    cache.verify(folder / MODEL, record.sha256)
    return ModelFile(record.spec, folder / MODEL)


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
    try:
        with suppress(ModelMissing, ModelDamaged):
            return load(source, models_dir, input_size_px)
        with cache.workspace(models_dir, download, progress) as space:
            return _load_or_make(source, space, input_size_px)
    except OSError as error:
        raise ModelUnavailable(f"The models folder {models_dir} does not work: {error}.") from error


def _origin(source: str) -> _Origin:
    for model in _KNOWN:
        if source.strip().lower() == model.name.lower():
            return model
    if re.match(r"https?://", source, re.IGNORECASE):
        return UrlModel(source)
    return LocalModel(Path(source.removeprefix("file://")).expanduser().resolve())


def _refuse_outdated(record: Record, origin: _Origin, input_size_px: int | None) -> None:
    if origin.version not in (None, record.version):
        raise ModelMissing(f"{origin.shown} is here as {record.version}: {how_to_fetch()}.")
    if origin.fingerprint() not in (None, record.fingerprint):
        raise ModelMissing(f"{origin.shown} has changed since it was converted: {how_to_fetch()}.")
    if input_size_px not in (None, record.input_size_px):
        raise ModelMissing(
            f"{origin.shown} is converted for {record.input_size_px} px, not for the "
            f"{input_size_px} px of TF_MODEL_INPUT_SHAPE_SIZE: {how_to_fetch()}."
        )


def _load_or_make(source: str, space: Workspace, input_size_px: int | None) -> ModelFile:
    """Look again now that the lock is held: another process may have made it meanwhile."""
    try:
        return load(source, space.models_dir, input_size_px)
    except ModelMissing:
        pass
    except ModelDamaged as error:
        space.say(f"{error} It is made anew.")
    _make(_origin(source), space, input_size_px)
    return load(source, space.models_dir, input_size_px)


def _make(origin: _Origin, space: Workspace, input_size_px: int | None) -> None:
    _refuse_absent_path(origin, ModelUnavailable)
    folder = space.models_dir / origin.name
    try:
        record = _convert(origin, space, folder, input_size_px)
    except ModelUnavailable:
        cache.remove_unfinished(folder)
        raise
    except (ModelDamaged, ModelUnsupported):
        # What was gathered would fail every later run in the same way.
        useless = folder / SOURCES if (folder / ABOUT).exists() else folder
        shutil.rmtree(useless, ignore_errors=True)
        raise
    cache.publish(folder, record)
    # Cheap to unwrap again from the tarball, or a copy of what the operator has elsewhere.
    shutil.rmtree(folder / SOURCES, ignore_errors=True)
    space.say(f"{origin.shown} is ready in {folder}.")


def _convert(origin: _Origin, space: Workspace, folder: Path, input_size_px: int | None) -> Record:
    """Gather, convert and check. The .tflite is left as the finished part of the model."""
    fingerprint = origin.fingerprint()  # taken first, so that a change from here on is noticed
    gathered = origin.gather(space, folder / SOURCES)
    folder.mkdir(exist_ok=True)
    space.say(f"Converting {origin.shown} ...")
    tflite = cache.part_of(folder / MODEL)
    converted_with = write_tflite(gathered, tflite, input_size_px)
    size_px = check_tflite(tflite, input_size_px)
    return Record(
        name=origin.name,
        version=origin.version or content_version(gathered),
        input_size_px=size_px,
        source=origin.shown,
        sha256=cache.sha256(tflite),
        converted_with=converted_with,
        fingerprint=fingerprint,
    )


def _refuse_absent_path(origin: _Origin, kind: type[ModelError]) -> None:
    """What is neither known nor a URL is taken for a path, which a misspelt name is not."""
    if isinstance(origin, LocalModel) and not origin.path.exists():
        raise kind(
            f"TF_MODEL_URL is {origin.path.name!r}: neither a known model "
            f"({', '.join(known_names())}), nor an http(s) URL, nor an existing path "
            f"({origin.path})."
        )
