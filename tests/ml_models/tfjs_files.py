"""Writes tiny TensorFlow.js models for the tests: any model.json, any bytes in its shards."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np


def weight(name: str, values: Any, **extra: Any) -> dict[str, Any]:
    """Describe an unquantised weight as the manifest does."""
    array = np.asarray(values)
    return {"name": name, "shape": list(array.shape), "dtype": array.dtype.name, **extra}


def write_model(
    folder: Path, groups: list[dict[str, Any]], shards: dict[str, bytes], **topology: Any
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"modelTopology": topology or {"class_name": "Model"}, "weightsManifest": groups}
    (folder / "model.json").write_text(json.dumps(document))
    for name, content in shards.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "model.json"


def write_weights(folder: Path, weights: dict[str, Any], **topology: Any) -> Path:
    """Write a model whose float32 weights lie in one group of two shards, cut anywhere."""
    data = b"".join(np.asarray(value, "<f4").tobytes() for value in weights.values())
    half = len(data) // 2 + 1
    shards = {"group1-shard1of2.bin": data[:half], "group1-shard2of2.bin": data[half:]}
    entries = [weight(name, np.asarray(value, "f4")) for name, value in weights.items()]
    return write_model(folder, [{"paths": list(shards), "weights": entries}], shards, **topology)


def text(value: str) -> dict[str, str]:
    """Encode a GraphDef attribute of bytes: protobuf's JSON uses base64."""
    return {"s": base64.b64encode(value.encode()).decode()}


def texts(*values: str) -> dict[str, Any]:
    return {"list": {"s": [text(value)["s"] for value in values]}}


def ints(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}
