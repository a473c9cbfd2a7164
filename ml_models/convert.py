"""Converts a model of any accepted format to the bytes of a float32 .tflite file.

The only file that imports tensorflow. That takes seconds and hundreds of megabytes, so it runs in
a child process (`python -m ml_models.convert`) which ends with the conversion. Refuses to know
where models come from, where they are kept, and whether the result suits us: `converted` checks.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

# These are read once, while the libraries are imported.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # silences a notice; we never run the graph
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf
from google.protobuf import json_format  # type: ignore[import-untyped]
from tensorflow.lite.python.convert import ConverterError
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from ml_models import tfjs
from ml_models.converted import EXIT_MODEL_ERROR, refuse_other_size
from ml_models.errors import ModelError, ModelUnsupported

# What Keras, TensorFlow and protobuf raise for a file that they cannot make sense of.
_FOREIGN_ERRORS = (
    ArithmeticError,
    AttributeError,
    ConverterError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    json_format.Error,
    tf.errors.OpError,
)

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Network:
    """Any model as one function of one image tensor, whatever format it came from."""

    input_shape: Shape
    call: Callable[[Any], Any]


def to_tflite(source: Path, input_size_px: int | None = None) -> bytes:
    """Convert a tfjs folder or model.json, a SavedModel folder, or a .keras or .h5 file.

    `input_size_px` is needed when the model leaves height and width open. Raises ModelUnsupported
    when it differs from the size that the model fixes, or when the model cannot be converted, and
    ModelDamaged when files of it are missing or truncated. Not thread-safe; no network.
    """
    try:
        network = _open(source)
        return _convert(network, _input_size(network.input_shape, input_size_px))
    except _FOREIGN_ERRORS as error:
        text = str(error).strip() or type(error).__name__
        raise ModelUnsupported(
            f"The model {source.name} cannot be converted: {text.splitlines()[0]}"
        ) from error


def _open(source: Path) -> _Network:
    model_json = source / tfjs.MODEL_FILE if source.is_dir() else source
    if model_json.suffix == ".json" and model_json.exists():
        return _open_tfjs(tfjs.read(model_json))
    if source.is_dir():
        return _open_saved_model(source)
    return _open_keras(keras.saving.load_model(source, compile=False, safe_mode=True))


def _convert(network: _Network, size_px: int) -> bytes:
    image = tf.TensorSpec([1, size_px, size_px, 3], tf.float32, name="image")
    function = tf.function(network.call, autograph=False).get_concrete_function(image)
    # Unfrozen variables would become resources, which LiteRT without TensorFlow cannot hold.
    frozen = convert_variables_to_constants_v2(function)
    return cast(bytes, tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def _input_size(shape: Shape, wanted_px: int | None) -> int:
    """Agree on one side length between what the model fixes and what the operator asks for."""
    if len(shape) != 4 or shape[3] != 3:
        raise ModelUnsupported(f"The model's input is {_text(shape)}, no RGB image [1, S, S, 3].")
    fixed = {size for size in shape[1:3] if size is not None}
    if len(fixed) > 1:
        raise ModelUnsupported(f"The model's input is {_text(shape)}, which is not square.")
    if not fixed and wanted_px is None:
        raise ModelUnsupported(
            "The model leaves height and width open: set TF_MODEL_INPUT_SHAPE_SIZE to the size "
            "that it was trained with."
        )
    size = fixed.pop() if fixed else cast(int, wanted_px)
    refuse_other_size("The model", size, wanted_px)
    return size


def _text(shape: Shape) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _only(things: list[Any], what: str) -> Any:
    if len(things) != 1:
        raise ModelUnsupported(f"The model has {len(things)} {what}, not one.")
    return things[0]


# --- Keras ----------------------------------------------------------------------------------


def _open_keras(model: Any) -> _Network:
    image = _only(list(model.inputs or []), "inputs")
    _only(list(model.outputs or []), "outputs")

    def call(batch: Any) -> Any:
        return _only(tf.nest.flatten(model(batch, training=False)), "outputs")

    return _Network(tuple(image.shape), call)


def _open_saved_model(folder: Path) -> _Network:
    loaded = tf.saved_model.load(str(folder))
    signatures = dict(loaded.signatures)
    signature = signatures.get("serving_default") or _only(list(signatures.values()), "signatures")
    name, spec = _only(list(signature.structured_input_signature[1].items()), "inputs")
    _only(list(signature.structured_outputs), "outputs")

    def call(batch: Any) -> Any:
        # `loaded` owns the variables, which live only as long as it does.
        return next(iter(loaded and signature(**{name: batch}).values()))

    return _Network(tuple(spec.shape), call)


# --- TensorFlow.js --------------------------------------------------------------------------


def _open_tfjs(model: tfjs.TfjsModel) -> _Network:
    return _open_graph(model) if model.format is tfjs.TfjsFormat.GRAPH else _open_layers(model)


def _open_layers(model: tfjs.TfjsModel) -> _Network:
    """Rebuild a layers-model, whose topology is a Keras 1 or 2 config that Keras 3 still reads."""
    architecture = model.topology.get("model_config", model.topology)
    _refuse_code(architecture)
    kinds = {"Sequential": keras.Sequential, "Model": keras.Model, "Functional": keras.Model}
    kind = kinds.get(architecture.get("class_name"))
    if kind is None:
        raise ModelUnsupported(f"The topology is a {architecture.get('class_name')!r}, no model.")
    network = kind.from_config(architecture["config"], custom_objects={"Model": keras.Model})
    _set_weights(network, model.weights)
    return _open_keras(network)


def _refuse_code(config: Any) -> None:
    """A model.json from the network is data: no Lambda bytecode, no class outside Keras."""
    if isinstance(config, list):
        for item in config:
            _refuse_code(item)
    if not isinstance(config, dict):
        return
    module = config.get("module") or "keras"
    if config.get("class_name") == "Lambda" or str(module).split(".")[0] != "keras":
        raise ModelUnsupported(f"The model would run code of its own: {config.get('class_name')}.")
    for item in config.values():
        _refuse_code(item)


def _set_weights(network: Any, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    by_key = {_weight_key(name): value for name, value in weights.items()}
    variables = {_weight_key(variable.path): variable for variable in network.weights}
    if len(by_key) != len(weights) or len(variables) != len(network.weights):
        raise ModelUnsupported("Two weights of the model have the same name.")
    unmatched = sorted("/".join(key) for key in by_key.keys() ^ variables.keys())
    if unmatched:
        raise ModelUnsupported(f"Weights and layers do not match: {', '.join(unmatched[:3])}.")
    for key, variable in variables.items():
        variable.assign(by_key[key])


def _weight_key(path: str) -> tuple[str, str]:
    """Reduce a weight's path to (layer, kind), the same in Keras 2 names and Keras 3 paths.

    Keras 3 calls the kernel of DepthwiseConv2D `kernel`; Keras 2 called it `depthwise_kernel`.
    """
    *_, layer, kind = ["", *path.split("/")]
    return layer, kind.removesuffix(":0").removeprefix("depthwise_")


def _open_graph(model: tfjs.TfjsModel) -> _Network:
    graph = _graph_def(model)
    image = _only([node for node in graph.node if node.op == "Placeholder"], "inputs")
    output = _graph_output(model, graph)

    def call(batch: Any) -> Any:
        image.attr["shape"].shape.CopyFrom(batch.shape.as_proto())
        whole = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        return whole.prune(f"{image.name}:0", output)(batch)

    dims = [dim.size for dim in image.attr["shape"].shape.dim]
    return _Network(tuple(None if size < 0 else size for size in dims), call)


def _graph_output(model: tfjs.TfjsModel, graph: Any) -> str:
    """Name the output tensor: the signature's, or the one node whose result nobody uses."""
    declared = [output["name"] for output in model.signature.get("outputs", {}).values()]
    if declared:
        name: str = _only(declared, "outputs")
        return name if ":" in name else f"{name}:0"
    used = {source.lstrip("^").split(":")[0] for node in graph.node for source in node.input}
    ends = [node.name for node in graph.node if node.name not in used]
    return f"{_only(ends, 'outputs')}:0"


def _graph_def(model: tfjs.TfjsModel) -> Any:
    """Rebuild the GraphDef that TensorFlow can import: weights filled in, fused nodes undone."""
    found = tf.compat.v1.GraphDef()
    json_format.ParseDict(dict(model.topology), found, ignore_unknown_fields=True)
    graph = tf.compat.v1.GraphDef(versions=found.versions, library=found.library)
    for node in found.node:
        node.device = ""
        if node.op == "Const":
            _fill(node, model.weights)
        graph.node.extend(_plain_nodes(node))
    return graph


def _fill(node: Any, weights: Mapping[str, np.ndarray[Any, Any]]) -> None:
    if node.name not in weights:
        raise ModelUnsupported(f"The weights of the node {node.name} are not in the manifest.")
    tensor = tf.make_tensor_proto(weights[node.name], dtype=node.attr["dtype"].type)
    node.attr["value"].tensor.CopyFrom(tensor)


# Fused nodes are made by grappler's remapper for tfjs; TensorFlow refuses to import them. Each is
# a plain operation, then the steps that `fused_ops` lists.
_CONVOLUTION = ("T", "strides", "padding", "explicit_paddings", "data_format", "dilations")
_FUSED = {
    "_FusedConv2D": ("Conv2D", _CONVOLUTION),
    "FusedConv2D": ("Conv2D", _CONVOLUTION),
    "FusedDepthwiseConv2dNative": ("DepthwiseConv2dNative", _CONVOLUTION),
    "_FusedDepthwiseConv2dNative": ("DepthwiseConv2dNative", _CONVOLUTION),
    "_FusedMatMul": ("MatMul", ("T", "transpose_a", "transpose_b")),
}
_ACTIVATIONS = {"Relu", "Relu6", "Elu", "Sigmoid", "Tanh", "LeakyRelu"}


def _plain_nodes(node: Any) -> Iterator[Any]:
    """Yield plain nodes that compute the same; the last one bears the name that others refer to."""
    if node.op not in _FUSED:
        yield node
        return
    op, attributes = _FUSED[node.op]
    steps = [step.decode() for step in node.attr["fused_ops"].list.s]
    arguments = list(node.input[2:])
    names = [f"{node.name}/{number}" for number in range(len(steps))] + [node.name]
    yield _new_node(names[0], op, node.input[:2], node, attributes)
    for step, before, name in zip(steps, names, names[1:], strict=False):
        yield _step(step, name, before, arguments, node)


def _step(step: str, name: str, before: str, arguments: list[str], fused: Any) -> Any:
    if step == "BiasAdd" and arguments:
        inputs = [before, arguments.pop(0)]
        return _new_node(name, "BiasAdd", inputs, fused, ("T", "data_format"))
    if step not in _ACTIVATIONS:
        raise ModelUnsupported(f"The node {fused.name} fuses the unknown operation {step}.")
    node = _new_node(name, step, [before], fused, ("T",))
    if step == "LeakyRelu":
        node.attr["alpha"].f = fused.attr["leakyrelu_alpha"].f
    return node


def _new_node(
    name: str, op: str, inputs: list[str], fused: Any, attributes: tuple[str, ...]
) -> Any:
    node = tf.compat.v1.NodeDef(name=name, op=op, input=inputs)
    for attribute in attributes:
        if attribute in fused.attr:
            node.attr[attribute].CopyFrom(fused.attr[attribute])
    return node


# --- The child process ----------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Convert SOURCE to the file TARGET [for SIZE].

    The last line of stdout says with which tensorflow, or holds a ModelError as JSON.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    source, target, *size = arguments
    try:
        tflite = to_tflite(Path(source), int(size[0]) if size else None)
    except ModelError as error:
        sys.stdout.write("\n" + json.dumps({"error": type(error).__name__, "text": str(error)}))
        return EXIT_MODEL_ERROR
    Path(target).write_bytes(tflite)
    sys.stdout.write("\n" + tf.__version__)
    return 0


def _end_with_parent() -> None:
    """Stdin is a pipe that nobody writes to: it ends when the parent does, even by kill -9."""
    os.read(0, 1)  # not sys.stdin, whose lock would stop the interpreter from shutting down
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
