"""Makes the .tflite of a gathered model, and takes it only if the classifier can rely on it.

Owns our side of the conversion, whose other side is the child process `ml_models.convert`, and
what we ask of a model: one RGB image in, the probabilities of our five classes out. Never imports
tensorflow. Refuses to know where models come from and where they are kept.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ml_models import errors
from ml_models.cache import how_to_fetch
from ml_models.errors import ModelError, ModelUnavailable, ModelUnsupported
from ml_models.types import Label

# The exit code of the child process when stdout ends with a ModelError as one line of JSON.
EXIT_MODEL_ERROR = 3


def refuse_other_size(what: str, size_px: int, wanted_px: int | None) -> None:
    """Raise ModelUnsupported when the operator asks for another size than the model fixes."""
    if wanted_px not in (None, size_px):
        raise ModelUnsupported(
            f"{what} takes images of {size_px} x {size_px}, but TF_MODEL_INPUT_SHAPE_SIZE asks "
            f"for {wanted_px} x {wanted_px}."
        )


# --- The conversion -----------------------------------------------------------------------------


def write_tflite(source: Path, target: Path, input_size_px: int | None) -> str:
    """Write the .tflite; return what made it.

    Raises ModelUnsupported and ModelDamaged as `convert.to_tflite` does, and ModelUnavailable when
    the conversion was stopped.
    """
    if source.suffix.lower() == ".tflite":
        shutil.copyfile(source, target)
        return "copied as it was"
    size = [] if input_size_px is None else [str(input_size_px)]
    child = _run_convert([str(source), str(target), *size])
    if child.returncode:
        raise _failure(child)
    return f"tensorflow {_last_line(child.stdout)}"


def _run_convert(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    """Let tensorflow live and die in a child process, which ends with us, even by kill -9."""
    reading, writing = os.pipe()  # the child ends when `writing` closes
    try:
        return subprocess.run(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "ml_models.convert", *arguments],
            stdin=reading,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)


def _failure(child: "subprocess.CompletedProcess[str]") -> ModelError:
    if child.returncode == EXIT_MODEL_ERROR:
        told = json.loads(_last_line(child.stdout))
        kind: type[ModelError] = getattr(errors, told["error"])
        return kind(told["text"])
    if child.returncode < 0:
        return ModelUnavailable(
            f"The conversion was stopped by signal {-child.returncode}; it needs about 2 GB of "
            f"memory. Then {how_to_fetch()} again."
        )
    return ModelUnsupported(f"The model cannot be converted: {_last_line(child.stderr)}")


def _last_line(output: str) -> str:
    return output.strip().rpartition("\n")[2] or "no reason was given"


# --- What we ask of a model ---------------------------------------------------------------------


def check_tflite(path: Path, input_size_px: int | None) -> int:
    """Run the model twice; return its input size. Raises ModelUnsupported when it is not ours."""
    # Imported late: a process that only loads models does not need the runtime here. The default
    # delegate is left out because it writes a notice of its own to stderr.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        model = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=resolver)
        model.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelUnsupported(f"LiteRT cannot load the model: {_last_line(str(error))}") from error
    size = _check_shapes(model.get_input_details(), model.get_output_details())
    refuse_other_size("The model", size, input_size_px)
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
