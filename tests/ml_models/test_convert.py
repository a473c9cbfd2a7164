"""One tiny network in every accepted format gives the same figures; what is no model is refused."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tfjs_files import ints, text, texts, write_weights

from ml_models.errors import ModelDamaged, ModelUnsupported

with warnings.catch_warnings():  # what tensorflow deprecates in itself is not ours to fail on
    warnings.simplefilter("ignore")
    import keras

    from ml_models import convert

pytestmark = pytest.mark.filterwarnings("ignore:::(keras|tensorflow|numpy|h5py)")

SIZE = 8
GRAPH_IMAGE = {"shape": {"dim": [{"size": "-1"}, {"size": "8"}, {"size": "8"}, {"size": "3"}]}}
FLOAT = {"type": "DT_FLOAT"}


def tiny(size: int | None = SIZE, activation: str = "softmax") -> Any:
    """A network with each kind of weight that the known models have."""
    layers = keras.layers
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(6.0, name="relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(5, activation=activation, name="out")(x))
    random = np.random.default_rng(7)
    for variable in model.weights:
        variable.assign(random.uniform(0.1, 1.0, variable.shape))
    return model


def save_keras(model: Any, folder: Path) -> Path:
    model.save(folder / "m.keras")
    return folder / "m.keras"


def save_h5(model: Any, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder / "m.h5")
    return folder / "m.h5"


def save_saved_model(model: Any, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(folder / "saved", verbose=False)
    return folder / "saved"


def save_layers(model: Any, folder: Path) -> Path:
    """Write what tfjs wrote in the days of Keras 2: old names, old config."""
    size = model.inputs[0].shape[1]
    old = {"depth/kernel": "depth/depthwise_kernel"}
    weights = {old.get(v.path, v.path): v.numpy() for v in model.weights}
    config = {"class_name": "Model", "config": keras2_config(size, model.layers[-1])}
    write_weights(folder / "layers", weights, keras_version="2.2.4", model_config=config)
    return folder / "layers"


def keras2_config(size: int | None, out: Any) -> dict[str, Any]:
    shape = {"batch_input_shape": [None, size, size, 3], "dtype": "float32"}
    conv = {"filters": 4, "kernel_size": [3, 3], "strides": [2, 2], "padding": "same"}
    depth = {"kernel_size": [3, 3], "padding": "same", "use_bias": False, "depth_multiplier": 1}
    dense = {"units": 5, "activation": out.activation.__name__}
    chain = [
        ("image", "InputLayer", shape),
        ("conv", "Conv2D", conv),
        ("norm", "BatchNormalization", {"axis": -1, "momentum": 0.99, "epsilon": 0.001}),
        ("relu", "ReLU", {"max_value": 6}),
        ("depth", "DepthwiseConv2D", depth),
        ("pool", "GlobalAveragePooling2D", {"data_format": "channels_last"}),
        ("out", "Dense", dense),
    ]
    layers = []
    for (name, kind, config), before in zip(chain, [None, *chain], strict=False):
        inbound = [[[before[0], 0, 0, {}]]] if before else []
        config = {"name": name, **config}
        layers.append(
            {"name": name, "class_name": kind, "config": config, "inbound_nodes": inbound}
        )
    ends = {"input_layers": [["image", 0, 0]], "output_layers": [["out", 0, 0]]}
    return {"name": "tiny", "layers": layers, **ends}


SAVERS = [save_keras, save_h5, save_saved_model, save_layers]


def run(tflite: bytes, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    model = Interpreter(model_content=tflite)
    model.allocate_tensors()
    (given,), (result,) = model.get_input_details(), model.get_output_details()
    assert given["shape"].tolist() == list(image.shape)
    assert given["dtype"] is np.float32
    model.set_tensor(given["index"], image)
    model.invoke()
    return np.asarray(model.get_tensor(result["index"]))


def an_image(size: int = SIZE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).random((1, size, size, 3), np.float32)


@pytest.mark.parametrize("save", SAVERS)
def test_every_format_gives_the_figures_of_the_model(
    save: Callable[[Any, Path], Path], tmp_path: Path
) -> None:
    model = tiny()
    result = run(convert.to_tflite(save(model, tmp_path)), an_image())
    np.testing.assert_allclose(result, model(an_image(), training=False), atol=1e-5)


@pytest.mark.parametrize("save", SAVERS)
def test_open_size_is_asked_for_and_then_used(
    save: Callable[[Any, Path], Path], tmp_path: Path
) -> None:
    model = tiny(None)
    source = save(model, tmp_path)
    with pytest.raises(ModelUnsupported, match="TF_MODEL_INPUT_SHAPE_SIZE"):
        convert.to_tflite(source)
    result = run(convert.to_tflite(source, 12), an_image(12))
    np.testing.assert_allclose(result, model(an_image(12), training=False), atol=1e-5)


@pytest.mark.parametrize("save", SAVERS)
def test_fixed_size_is_kept_and_both_sizes_are_named(
    save: Callable[[Any, Path], Path], tmp_path: Path
) -> None:
    source = save(tiny(), tmp_path)
    assert convert.to_tflite(source, SIZE)
    with pytest.raises(ModelUnsupported, match=r"8 x 8.*12 x 12"):
        convert.to_tflite(source, 12)


# --- Graph models -------------------------------------------------------------------------------


def node(name: str, op: str, inputs: list[str], **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": inputs, "attr": {"T": FLOAT, **attributes}}


def fused(name: str, op: str, inputs: list[str], *steps: str, **extra: Any) -> dict[str, Any]:
    return node(name, op, inputs, fused_ops=texts(*steps), num_args={"i": "1"},
                epsilon={"f": 0}, **extra)  # fmt: skip


def graph_weights() -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(3)
    shapes = {
        "k": (3, 3, 3, 4),
        "kb": (4,),
        "d": (3, 3, 4, 1),
        "db": (4,),
        "m": (64, 5),
        "mb": (5,),
    }
    return {name: random.normal(0, 0.4, shape).astype("f4") for name, shape in shapes.items()}


def save_graph(folder: Path, activation: str = "Relu6", **topology: Any) -> Path:
    window = {"padding": text("SAME"), "data_format": text("NHWC"), "dilations": ints(1, 1, 1, 1)}
    weights: dict[str, Any] = graph_weights()
    value = {"tensor": {"dtype": "DT_FLOAT"}}
    constants: list[dict[str, Any]] = [
        {"name": name, "op": "Const", "attr": {"dtype": FLOAT, "value": value}}
        for name in [*weights, "shape"]
    ]  # fmt: skip
    constants[-1]["attr"]["dtype"] = {"type": "DT_INT32"}
    nodes = [
        {"name": "x", "op": "Placeholder", "attr": {"dtype": FLOAT, "shape": GRAPH_IMAGE}},
        *constants,
        fused("c", "_FusedConv2D", ["x", "k", "kb"], "BiasAdd", activation,
              strides=ints(1, 2, 2, 1), leakyrelu_alpha={"f": 0.1}, **window),
        fused("dw", "FusedDepthwiseConv2dNative", ["c", "d", "db"], "BiasAdd", "Relu",
              strides=ints(1, 1, 1, 1), **window),
        node("flat", "Reshape", ["dw", "shape"], Tshape={"type": "DT_INT32"}),
        fused("mm", "_FusedMatMul", ["flat", "m", "mb"], "BiasAdd", transpose_a={"b": False},
              transpose_b={"b": False}),
        node("softmax", "Softmax", ["mm"]),
    ]  # fmt: skip
    path = write_weights(folder, weights, node=nodes, versions={"producer": 175}, **topology)
    document = json.loads(path.read_text())
    shape = {"name": "shape", "shape": [2], "dtype": "int32"}
    document["weightsManifest"].append({"paths": ["shape.bin"], "weights": [shape]})
    (folder / "shape.bin").write_bytes(np.array([-1, 64], "<i4").tobytes())
    path.write_text(json.dumps(document))
    return folder


def graph_figures(image: np.ndarray[Any, Any], activation: str) -> np.ndarray[Any, Any]:
    """What the graph means, computed by Keras's plain operations."""
    ops, w = keras.ops, graph_weights()
    functions = {
        "Relu6": ops.relu6, "Relu": ops.relu, "Elu": ops.elu, "Sigmoid": ops.sigmoid,
        "Tanh": ops.tanh, "LeakyRelu": lambda x: ops.leaky_relu(x, 0.1),
    }  # fmt: skip
    x = functions[activation](ops.conv(image, w["k"], 2, "same") + w["kb"])
    x = ops.relu(ops.depthwise_conv(x, w["d"], 1, "same") + w["db"])
    logits = ops.matmul(ops.reshape(x, (-1, 64)), w["m"]) + w["mb"]
    return np.asarray(ops.softmax(logits))


@pytest.mark.parametrize("activation", ["Relu6", "Relu", "Elu", "LeakyRelu", "Sigmoid", "Tanh"])
def test_fused_nodes_are_rebuilt_from_plain_ones(activation: str, tmp_path: Path) -> None:
    result = run(convert.to_tflite(save_graph(tmp_path, activation)), an_image())
    np.testing.assert_allclose(result, graph_figures(an_image(), activation), atol=1e-5)


def test_unknown_fused_operation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="Prelu"):
        convert.to_tflite(save_graph(tmp_path, "Prelu"))


def test_signature_names_the_output(tmp_path: Path) -> None:
    folder = save_graph(tmp_path)
    document = json.loads((folder / "model.json").read_text())
    document["signature"] = {"outputs": {"logits": {"name": "mm:0"}}}
    (folder / "model.json").write_text(json.dumps(document))
    result = run(convert.to_tflite(folder), an_image())
    softmax = np.exp(result) / np.exp(result).sum()
    np.testing.assert_allclose(softmax, graph_figures(an_image(), "Relu6"), atol=1e-5)


def test_graph_without_a_weight_is_unsupported(tmp_path: Path) -> None:
    folder = save_graph(tmp_path)
    document = json.loads((folder / "model.json").read_text())
    document["weightsManifest"].pop()
    (folder / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelUnsupported, match="shape"):
        convert.to_tflite(folder)


# --- What is no model ---------------------------------------------------------------------------


def change_config(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    path = folder / "model.json"
    document = json.loads(path.read_text())
    change(document["modelTopology"]["model_config"]["config"]["layers"])
    path.write_text(json.dumps(document))


def make_lambda(layers: list[dict[str, Any]]) -> None:
    layers[3].update(class_name="Lambda", config={"name": "relu", "function": ["4wEA", None, None]})


def make_foreign(layers: list[dict[str, Any]]) -> None:
    layers[3].update(class_name="system", module="os", config={"command": "true"})


@pytest.mark.parametrize("change", [make_lambda, make_foreign])
def test_model_that_brings_code_is_refused(
    change: Callable[[list[dict[str, Any]]], None], tmp_path: Path
) -> None:
    folder = save_layers(tiny(), tmp_path)
    change_config(folder, change)
    with pytest.raises(ModelUnsupported, match="code of its own"):
        convert.to_tflite(folder)


@pytest.mark.parametrize("save", [save_keras, save_h5])
def test_keras_file_that_brings_code_is_refused(
    save: Callable[[Any, Path], Path], tmp_path: Path
) -> None:
    image = keras.Input((SIZE, SIZE, 3))
    flat = keras.layers.Flatten()(keras.layers.Lambda(lambda x: x * 2)(image))
    source = save(keras.Model(image, keras.layers.Dense(5)(flat)), tmp_path)
    with pytest.raises(ModelUnsupported):
        convert.to_tflite(source)


def test_weights_that_fit_no_layer_are_named(tmp_path: Path) -> None:
    folder = save_layers(tiny(), tmp_path)
    change_config(folder, lambda layers: layers[6]["config"].update(use_bias=False))
    with pytest.raises(ModelUnsupported, match="out/bias"):
        convert.to_tflite(folder)


def test_truncated_shard_is_damaged(tmp_path: Path) -> None:
    folder = save_layers(tiny(), tmp_path)
    shard = folder / "group1-shard2of2.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ModelDamaged):
        convert.to_tflite(folder)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "saved/saved_model.pb"])
@pytest.mark.parametrize("content", [b"", b"no model at all", b"PK\3\4" + b"\0" * 60])
def test_garbage_is_unsupported(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(ModelUnsupported):
        convert.to_tflite(path.parent if name.endswith(".pb") else path)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 6, 3), (8, 8), (3, 8, 8)])
def test_input_that_is_no_square_rgb_image_is_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    image = keras.Input(shape)
    out = keras.layers.Dense(5)(keras.layers.Flatten()(image))
    with pytest.raises(ModelUnsupported):
        convert.to_tflite(save_keras(keras.Model(image, out), tmp_path))


def test_model_of_two_inputs_is_refused(tmp_path: Path) -> None:
    images = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    out = keras.layers.Dense(5)(keras.layers.Flatten()(keras.layers.add(images)))
    with pytest.raises(ModelUnsupported, match="2 inputs"):
        convert.to_tflite(save_keras(keras.Model(images, out), tmp_path))


def test_child_process_ends_with_its_parent(tmp_path: Path) -> None:
    source = save_keras(tiny(), tmp_path)
    command = [sys.executable, "-m", "ml_models.convert", str(source), str(tmp_path / "out")]
    root = Path(__file__).parents[2]
    child = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=root, check=False, timeout=60)
    assert child.returncode == 1
    assert not (tmp_path / "out").exists()
