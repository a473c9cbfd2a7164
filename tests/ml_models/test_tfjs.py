import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfjs_files import weight, write_model, write_weights

from ml_models import tfjs
from ml_models.errors import ModelDamaged, ModelUnsupported


def read_one(folder: Path, entry: dict[str, Any], data: bytes) -> np.ndarray[Any, Any]:
    groups = [{"paths": ["shard.bin"], "weights": [entry]}]
    model = tfjs.read(write_model(folder, groups, {"shard.bin": data}))
    return np.asarray(model.weights[entry["name"]])


def test_importing_the_reader_imports_no_tensorflow() -> None:
    code = "import sys, ml_models.tfjs; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_plain_weights_are_read_across_shards(tmp_path: Path) -> None:
    weights = {"a/kernel": [[1.5, -2.0, 3.0]], "a/bias": [0.25], "scalar": 7.0}
    model = tfjs.read(write_weights(tmp_path, weights))
    assert model.format is tfjs.TfjsFormat.LAYERS
    for name, values in weights.items():
        np.testing.assert_array_equal(model.weights[name], np.float32(values))
        assert model.weights[name].dtype == np.float32


def test_groups_are_read_each_from_its_own_shards(tmp_path: Path) -> None:
    groups = [
        {"paths": ["one/a.bin"], "weights": [weight("a", np.float32([1, 2]))]},
        {"paths": ["b.bin", "c.bin"], "weights": [weight("b", np.int32([3, -4]))]},
    ]
    b = np.array([3, -4], "<i4").tobytes()
    shards = {"one/a.bin": np.array([1, 2], "<f4").tobytes(), "b.bin": b[:3], "c.bin": b[3:]}
    path = write_model(tmp_path, groups, shards, node=[])
    model = tfjs.read(path)
    assert model.format is tfjs.TfjsFormat.GRAPH
    assert model.weights["a"].tolist() == [1, 2]
    assert model.weights["b"].tolist() == [3, -4]
    assert tfjs.shard_names(path) == ("one/a.bin", "b.bin", "c.bin")


@pytest.mark.parametrize(("dtype", "stored"), [("uint8", "u1"), ("uint16", "<u2")])
def test_quantised_weights_are_value_times_scale_plus_min(
    dtype: str, stored: str, tmp_path: Path
) -> None:
    top = np.iinfo(stored).max
    quantisation = {"dtype": dtype, "scale": 0.1, "min": -3.3}
    entry = weight("w", np.float32([0, 0, 0]), quantization=quantisation)
    values = read_one(tmp_path, entry, np.array([0, 7, top], stored).tobytes())
    expected = np.array([-3.3, 7 * 0.1 - 3.3, top * 0.1 - 3.3])
    np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_quantised_int32_is_rounded_as_javascript_does(tmp_path: Path) -> None:
    quantisation = {"dtype": "uint8", "scale": 0.5, "min": -2}
    entry = weight("w", np.int32([0, 0, 0]), quantization=quantisation)
    assert read_one(tmp_path, entry, bytes([1, 3, 5])).tolist() == [-1, 0, 1]


def test_float16_weights_are_widened(tmp_path: Path) -> None:
    entry = weight("w", np.float32([0, 0]), quantization={"dtype": "float16"})
    values = read_one(tmp_path, entry, np.array([0.1, -65504], "<f2").tobytes())
    np.testing.assert_array_equal(values, np.float32(np.float16([0.1, -65504])))


def test_bool_and_uint8_weights_are_read(tmp_path: Path) -> None:
    assert read_one(tmp_path, weight("w", np.array([True, False])), b"\1\0").tolist() == [
        True,
        False,
    ]
    assert read_one(tmp_path, weight("w", np.uint8([1, 255])), b"\1\xff").tolist() == [1, 255]


@pytest.mark.parametrize("change", [-1, 1])
def test_shard_of_another_length_is_damaged(change: int, tmp_path: Path) -> None:
    path = write_weights(tmp_path, {"w": [1.0, 2.0]})
    shard = tmp_path / "group1-shard2of2.bin"
    shard.write_bytes((shard.read_bytes() + b"x")[: len(shard.read_bytes()) + change])
    with pytest.raises(ModelDamaged):
        tfjs.read(path)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    path = write_weights(tmp_path, {"w": [1.0, 2.0]})
    (tmp_path / "group1-shard2of2.bin").unlink()
    with pytest.raises(ModelDamaged, match="group1-shard2of2"):
        tfjs.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"<html>404</html>", b"\xff\xfe{}", b'{"a": "'])
def test_model_json_that_is_no_json_is_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelDamaged):
        tfjs.read(tmp_path / "model.json")


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"modelTopology": {}, "weightsManifest": 5},
        {"modelTopology": [], "weightsManifest": []},
        {"modelTopology": {}, "weightsManifest": [5]},
        {"modelTopology": {}, "weightsManifest": [{"paths": [5], "weights": []}]},
        {"modelTopology": {}, "weightsManifest": [{"weights": []}]},
        {"modelTopology": {}, "weightsManifest": [{"paths": [], "weights": 5}]},
        {"modelTopology": {}, "weightsManifest": [{"paths": [], "weights": [5]}]},
    ],
)
def test_json_that_is_no_model_is_unsupported(document: Any, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelUnsupported):
        tfjs.read(tmp_path / "model.json")


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "..", "", ".", "..\\x", "C:x", "http://host/x", "x?y",
     "x#y", "%2e%2e/x", "x\0y"],
)  # fmt: skip
def test_path_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0" * 4)
    groups = [{"paths": [name], "weights": [weight("w", np.float32([0]))]}]
    path = write_model(tmp_path / "model", groups, {})
    for reader in (tfjs.read, tfjs.shard_names):
        with pytest.raises(ModelUnsupported, match="path in its folder"):
            reader(path)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "string"},
        {"dtype": "float64"},
        {"dtype": None},
        {"dtype": ["float32"]},
        {"shape": [-1]},
        {"shape": ["4"]},
        {"shape": None},
        {"name": None},
        {"quantization": 5},
        {"quantization": {"dtype": "int4", "scale": 1, "min": 0}},
        {"quantization": {"dtype": "uint8", "min": 0}},
        {"quantization": {"dtype": "uint8", "scale": 1}},
        {"quantization": {"dtype": "uint8", "scale": "1", "min": 0}},
    ],
)
def test_weight_that_cannot_be_understood_is_unsupported(
    change: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ModelUnsupported):
        read_one(tmp_path, {**weight("w", np.float32([0])), **change}, b"\0" * 4)


def test_huge_shape_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    entry = {"name": "w", "shape": [2**40, 2**40], "dtype": "float32"}
    with pytest.raises(ModelDamaged, match="truncated"):
        read_one(tmp_path, entry, b"\0" * 4)
