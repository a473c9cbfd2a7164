"""Reads models in the TensorFlow.js formats: a `model.json` and the weight shards beside it.

Owns the meaning of `weightsManifest` (groups, shards, quantisation) for both "layers-model" and
"graph-model". Refuses to know how a topology is executed or converted, and never imports
tensorflow. Follows tfjs-core `io/io_utils.ts` (decodeWeights), computing in float64 as JavaScript
does, so that every weight is the same float32 that a browser would have.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_models.errors import ModelDamaged, ModelUnsupported

MODEL_FILE = "model.json"

# Widths as stored; "string" and "complex64" weights exist in tfjs, but no image classifier has any.
_STORED = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "u1"}
_QUANTISED = {"uint8": "u1", "uint16": "<u2", "float16": "<f2"}
_NUMPY = {"float32": np.float32, "int32": np.int32, "uint8": np.uint8, "bool": np.bool_}


class TfjsFormat(StrEnum):
    """What `modelTopology` holds: a Keras configuration, or a TensorFlow GraphDef as JSON."""

    LAYERS = "layers-model"
    GRAPH = "graph-model"


@dataclass(frozen=True, slots=True)
class TfjsModel:
    """A whole model in memory: its topology as found, and every weight by name."""

    format: TfjsFormat
    topology: Mapping[str, Any]
    signature: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]


def read(model_json: Path) -> TfjsModel:
    """Read `model.json` and every shard that it names, dequantising the weights.

    Raises ModelDamaged when a file is missing, truncated or no JSON; ModelUnsupported for an
    unknown dtype or topology, and for a shard whose path would leave the folder.
    """
    document = _read_json(model_json)
    topology = _topology(document)
    metadata = document.get("userDefinedMetadata") or {}
    return TfjsModel(
        format=TfjsFormat.GRAPH if "node" in topology else TfjsFormat.LAYERS,
        topology=topology,
        signature=document.get("signature") or metadata.get("signature") or {},
        weights=_read_weights(model_json.parent, _groups(document)),
    )


def shard_names(model_json: Path) -> tuple[str, ...]:
    """List the shards that `model.json` names: relative, and staying inside its folder.

    Raises ModelDamaged and ModelUnsupported as `read` does; reads no shard.
    """
    groups = _groups(_read_json(model_json))
    return tuple(dict.fromkeys(name for group in groups for name in _paths(group)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelDamaged(f"{path} is missing.") from error
    except ValueError as error:
        raise ModelDamaged(f"{path} is not JSON, or not all of it is there: {error}.") from error
    if not isinstance(document, dict):
        raise ModelUnsupported(f"{path} is JSON but no TensorFlow.js model.")
    return document


def _topology(document: dict[str, Any]) -> dict[str, Any]:
    topology = document.get("modelTopology")
    if not isinstance(topology, dict):
        raise ModelUnsupported("model.json has no modelTopology: it is no TensorFlow.js model.")
    return topology


def _groups(document: dict[str, Any]) -> list[dict[str, Any]]:
    groups = document.get("weightsManifest")
    if not (isinstance(groups, list) and all(isinstance(group, dict) for group in groups)):
        raise ModelUnsupported("model.json has no weightsManifest: it is no TensorFlow.js model.")
    return groups


def _paths(group: dict[str, Any]) -> list[str]:
    paths = group.get("paths")
    if not (isinstance(paths, list) and all(isinstance(path, str) for path in paths)):
        raise ModelUnsupported("A group of the weightsManifest has no list of paths.")
    return [_inside(path) for path in paths]


def _entries(group: dict[str, Any]) -> list[dict[str, Any]]:
    entries = group.get("weights")
    if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
        raise ModelUnsupported("A group of the weightsManifest has no list of weights.")
    return entries


def _inside(path: str) -> str:
    """A manifest may come from anyone: it must not make us read or write elsewhere."""
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or set(path) & set("\\:\0?#%"):
        raise ModelUnsupported(f"The weightsManifest names {path!r}: no plain path in its folder.")
    return str(pure)


def _read_weights(folder: Path, groups: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    weights: dict[str, NDArray[Any]] = {}
    for group in groups:
        data = b"".join(_read_shard(folder / name) for name in _paths(group))
        weights.update(_decode(_entries(group), data))
    return weights


def _read_shard(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ModelDamaged(f"The weights file {path}, named by model.json, is missing.") from error


def _decode(entries: Sequence[dict[str, Any]], data: bytes) -> dict[str, NDArray[Any]]:
    """Cut one group's bytes into its weights, which lie end to end in the manifest's order."""
    weights: dict[str, NDArray[Any]] = {}
    offset = 0
    for entry in entries:
        name, shape = _name_and_shape(entry)
        stored = _stored_dtype(name, entry)
        end = offset + stored.itemsize * prod(shape)
        if end > len(data):
            raise ModelDamaged(f"The weights are truncated: {name} ends at {end} of {len(data)}.")
        values = np.frombuffer(data, stored, prod(shape), offset).reshape(shape)
        weights[name] = _dequantise(values, entry)
        offset = end
    if offset != len(data):
        raise ModelDamaged(f"The weights take {offset} bytes, but their files hold {len(data)}.")
    return weights


def _name_and_shape(entry: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    name, shape = entry.get("name"), entry.get("shape")
    if not (isinstance(name, str) and isinstance(shape, list)):
        raise ModelUnsupported("A weight of the manifest has no name or no shape.")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ModelUnsupported(f"The weight {name} has the impossible shape {shape}.")
    return name, tuple(shape)


def _stored_dtype(name: str, entry: dict[str, Any]) -> np.dtype[Any]:
    dtype, quantisation = entry.get("dtype"), entry.get("quantization")
    if not isinstance(dtype, str) or dtype not in _STORED:
        raise ModelUnsupported(f"The weight {name} has the unknown dtype {dtype!r}.")
    if quantisation is None:
        return np.dtype(_STORED[dtype])
    stored = quantisation.get("dtype") if isinstance(quantisation, dict) else None
    if stored not in _QUANTISED or dtype not in ("float32", "int32"):
        raise ModelUnsupported(f"The weight {name} ({dtype}) is quantised as unknown {stored!r}.")
    if stored != "float16" and not _is_affine(quantisation):
        raise ModelUnsupported(f"The weight {name} is quantised without a scale and a min.")
    return np.dtype(_QUANTISED[stored])


def _is_affine(quantisation: dict[str, Any]) -> bool:
    return all(isinstance(quantisation.get(key), int | float) for key in ("scale", "min"))


def _dequantise(values: NDArray[Any], entry: dict[str, Any]) -> NDArray[Any]:
    target, quantisation = _NUMPY[entry["dtype"]], entry.get("quantization")
    if quantisation is None or quantisation["dtype"] == "float16":
        return values.astype(target)
    wide: NDArray[Any] = values.astype(np.float64) * quantisation["scale"] + quantisation["min"]
    # Math.round of JavaScript rounds halves up, numpy's rint to even.
    rounded = np.floor(wide + 0.5) if entry["dtype"] == "int32" else wide
    return rounded.astype(target)
