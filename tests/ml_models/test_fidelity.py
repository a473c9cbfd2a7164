"""Our converted models give nsfwjs's figures: every probability within 0.001 (DESIGN, promise 6).

The preprocessing here is a reference of its own, written from nsfwjs's description rather than
shared with `ml_models.images`, so that a slip in either shows.
"""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from ml_models import pretrained
from ml_models.types import Label

TOLERANCE = 0.001
REFERENCE = json.loads(Path(__file__).with_name("nsfwjs_predictions.json").read_bytes())["images"]
FOLDERS = {"scikit-image": ("skimage", "data"), "scikit-learn": ("sklearn", "datasets/images")}


def image_path(name: str) -> Path:
    package, folder = FOLDERS[REFERENCE[name]["package"]]
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / folder / name


def decode(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def resize(image: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Bilinear with aligned corners and no antialiasing: src = i * (in - 1) / (out - 1)."""
    for axis in (0, 1):
        at = np.arange(size) * (image.shape[axis] - 1) / (size - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        share = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


@cache
def interpreter(path: Path) -> Any:
    model = Interpreter(str(path), num_threads=1)
    model.allocate_tensors()
    return model


def classify(model: pretrained.ModelFile, path: Path) -> dict[str, float]:
    running, size = interpreter(model.path), model.spec.input_size_px
    pixels = resize(decode(path) / 255, size).astype(np.float32)
    running.set_tensor(running.get_input_details()[0]["index"], pixels[np.newaxis])
    running.invoke()
    values = running.get_tensor(running.get_output_details()[0]["index"])[0]
    return dict(zip(map(str, Label), map(float, values), strict=True))


@pytest.mark.parametrize("name", REFERENCE)
def test_image_is_the_one_that_nsfwjs_saw(name: str) -> None:
    assert hashlib.sha256(image_path(name).read_bytes()).hexdigest() == REFERENCE[name]["sha256"]


@pytest.mark.parametrize("model", pretrained.known_names())
@pytest.mark.parametrize("name", REFERENCE)
def test_probabilities_match_nsfwjs(name: str, model: str, models_dir: Path) -> None:
    ours = classify(pretrained.load(model, models_dir), image_path(name))
    assert ours == pytest.approx(REFERENCE[name]["predictions"][model], abs=TOLERANCE)
