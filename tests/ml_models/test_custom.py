"""Models of the operator: any accepted format, from a URL or a path, converted once and checked."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest
from obtaining import obtain

from ml_models import pretrained
from ml_models.errors import ModelDamaged, ModelMissing, ModelUnavailable, ModelUnsupported


class Site:
    """A scripted `Download`: files by URL, and a record of what was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, list[str]()

    def __call__(self, url: str, destination: Path) -> None:
        self.asked.append(url)
        if url not in self.files:
            raise ModelUnavailable(f"{url}: 404")
        destination.write_bytes(self.files[url])


def build(path: Path, outputs: int = 5, activation: str = "softmax") -> Path:
    with warnings.catch_warnings():  # what tensorflow deprecates in itself is not ours to fail on
        warnings.simplefilter("ignore")
        import keras

        image = keras.Input((8, 8, 3), name="image")
        x = keras.layers.GlobalAveragePooling2D(name="pool")(image)
        dense = keras.layers.Dense(outputs, activation, name="out")
        keras.Model(image, dense(x)).save(path)
    return path


def build_tflite(folder: Path, outputs: int = 5, activation: str = "softmax") -> Path:
    source = build(folder / "built.keras", outputs, activation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ml_models import convert

        (folder / "m.tflite").write_bytes(convert.to_tflite(source))
    return folder / "m.tflite"


@pytest.fixture(scope="session")
def tflite_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build_tflite(tmp_path_factory.mktemp("tflite")).read_bytes()


def tfjs_files(shape: tuple[int, int] = (3, 5)) -> dict[str, bytes]:
    """A layers-model whose input is open: average over the image, then a dense softmax."""
    layers = [
        ("image", "InputLayer", {"batch_input_shape": [None, None, None, 3], "dtype": "float32"}),
        ("pool", "GlobalAveragePooling2D", {}),
        ("out", "Dense", {"units": shape[1], "activation": "softmax"}),
    ]
    described = [
        {"class_name": kind, "name": name, "config": {"name": name, **config},
         "inbound_nodes": [[[layers[i - 1][0], 0, 0, {}]]] if i else []}
        for i, (name, kind, config) in enumerate(layers)
    ]  # fmt: skip
    config = {"name": "m", "layers": described, "input_layers": [["image", 0, 0]],
              "output_layers": [["out", 0, 0]]}  # fmt: skip
    weights = [
        {"name": "out/kernel", "shape": list(shape), "dtype": "float32"},
        {"name": "out/bias", "shape": [shape[1]], "dtype": "float32"},
    ]
    size = 4 * shape[1]
    document = {
        "modelTopology": {"model_config": {"class_name": "Model", "config": config}},
        "weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": weights}],
    }
    return {"model.json": json.dumps(document).encode(), "a.bin": bytes(size * shape[0]),
            "b.bin": bytes(size)}  # fmt: skip


def test_keras_file_is_converted_once_and_then_only_loaded(tmp_path: Path) -> None:
    keras_file = build(tmp_path / "My Model.keras")
    model = obtain(str(keras_file), tmp_path)
    assert model.spec.name == model.path.parent.name
    assert model.spec.name.startswith("custom-my-model-keras-")
    assert model.spec.version.startswith("sha256-")
    assert (len(model.spec.version), model.spec.input_size_px) == (19, 8)
    about = json.loads((model.path.parent / "about.json").read_text())
    assert about["sha256"] == hashlib.sha256(model.path.read_bytes()).hexdigest()
    assert about["source"] == str(keras_file)
    assert about["converted_with"].startswith("tensorflow 2.")
    before = model.path.stat().st_mtime_ns
    assert obtain(f"file://{keras_file}", tmp_path) == model
    assert model.path.stat().st_mtime_ns == before


def test_tflite_is_copied_and_checked(tflite_bytes: bytes, tmp_path: Path) -> None:
    source = tmp_path / "m.tflite"
    source.write_bytes(tflite_bytes)
    model = obtain(str(source), tmp_path / "models")
    assert model.path.read_bytes() == tflite_bytes
    assert model.spec.input_size_px == 8
    with pytest.raises(ModelUnsupported, match=r"8 x 8.*9 x 9"):
        obtain(str(source), tmp_path / "models", input_size_px=9)
    assert pretrained.load(str(source), tmp_path / "models") == model


def test_changed_local_source_is_converted_again(tflite_bytes: bytes, tmp_path: Path) -> None:
    source, folder = tmp_path / "m.tflite", tmp_path / "models"
    source.write_bytes(tflite_bytes)
    first = obtain(str(source), folder)
    source.write_bytes(tflite_bytes + b"\0\0\0\0")
    with pytest.raises(ModelMissing, match="has changed"):
        pretrained.load(str(source), folder)
    second = obtain(str(source), folder)
    assert second.spec.version != first.spec.version
    assert pretrained.load(str(source), folder) == second


def test_copy_outlives_a_source_that_is_taken_away(tflite_bytes: bytes, tmp_path: Path) -> None:
    source, folder = tmp_path / "m.tflite", tmp_path / "models"
    source.write_bytes(tflite_bytes)
    model = obtain(str(source), folder)
    source.unlink()
    assert pretrained.load(str(source), folder) == model


@pytest.mark.parametrize(
    "url", ["https://host/nsfw/m", "https://host/nsfw/m/", "https://host/nsfw/m/model.json"]
)
def test_tfjs_model_is_fetched_from_its_url(url: str, tmp_path: Path) -> None:
    files = {f"https://host/nsfw/m/{name}": data for name, data in tfjs_files().items()}
    del files["https://host/nsfw/m/b.bin"]
    site = Site(files)
    with pytest.raises(ModelUnavailable, match="404"):
        obtain(url, tmp_path, input_size_px=10, download=site)
    assert site.asked == [*files, "https://host/nsfw/m/b.bin"]


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def cut_off(url: str, destination: Path) -> None:
        destination.write_bytes(b"half")
        raise ModelUnavailable(f"{url}: cut off")

    for download in (Site({}), cut_off):
        with pytest.raises(ModelUnavailable):
            obtain("https://host/m", tmp_path, download=download)
        assert not list(tmp_path.glob("custom-*"))


def test_finished_files_are_not_fetched_again_and_secrets_are_not_recorded(tmp_path: Path) -> None:
    url = "https://user:secret@host/m/{}?token=secret"
    files = {url.format(name): data for name, data in tfjs_files().items()}
    last = files.pop(url.format("b.bin"))
    site = Site(files)
    with pytest.raises(ModelUnavailable, match="404"):
        obtain(url.format(""), tmp_path, input_size_px=10, download=site)
    site.asked.clear()
    site.files[url.format("b.bin")] = last
    model = obtain(url.format(""), tmp_path, input_size_px=10, download=site)
    assert site.asked == [url.format("b.bin")]
    assert model.spec.input_size_px == 10
    assert model.spec.name.startswith("custom-m-")
    assert not (model.path.parent / "sources").exists()
    source = url.format("")
    assert pretrained.load(source, tmp_path, 10) == pretrained.load(source, tmp_path) == model
    with pytest.raises(ModelMissing, match="converted for 10 px, not for the 12 px"):
        pretrained.load(source, tmp_path, 12)
    assert "secret" not in (model.path.parent / "about.json").read_text()


def test_answer_that_is_no_model_is_not_kept(tmp_path: Path) -> None:
    site = Site({"https://host/m/model.json": b"<html>soon</html>"})
    for _ in range(2):
        with pytest.raises(ModelDamaged):
            obtain("https://host/m", tmp_path, input_size_px=10, download=site)
    assert site.asked == ["https://host/m/model.json"] * 2


def test_shard_outside_the_folder_is_never_asked_for(tmp_path: Path) -> None:
    evil = tfjs_files()["model.json"].replace(b"a.bin", b"../../a.bin")
    site = Site({"https://host/m/model.json": evil})
    with pytest.raises(ModelUnsupported):
        obtain("https://host/m", tmp_path, input_size_px=10, download=site)
    assert site.asked == ["https://host/m/model.json"]


def test_tflite_is_fetched_from_its_url(tflite_bytes: bytes, tmp_path: Path) -> None:
    url = "https://host/m.tflite?v=2"
    model = obtain(url, tmp_path, download=Site({url: tflite_bytes}))
    assert model.path.read_bytes() == tflite_bytes


def test_local_tfjs_folder_with_open_size_asks_for_it(tmp_path: Path) -> None:
    source = tmp_path / "tfjs"
    source.mkdir()
    for name, data in tfjs_files().items():
        (source / name).write_bytes(data)
    with pytest.raises(ModelUnsupported, match="TF_MODEL_INPUT_SHAPE_SIZE"):
        obtain(str(source), tmp_path / "models")


@pytest.mark.parametrize(
    ("outputs", "activation", "message"),
    [(4, "softmax", r"output is \[1, 4\]"), (5, "linear", "sum to"), (5, "sigmoid", "sum to")],
)
def test_model_of_another_kind_is_refused(
    outputs: int, activation: str, message: str, tmp_path: Path
) -> None:
    source = build_tflite(tmp_path, outputs, activation)
    with pytest.raises(ModelUnsupported, match=message):
        obtain(str(source), tmp_path / "models")
    assert not list((tmp_path / "models").glob("custom-*"))


@pytest.mark.parametrize("content", [b"", b"no model", b"\x1c\0\0\0TFL3" + b"\0" * 50])
def test_tflite_that_litert_cannot_load_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelUnsupported):
        obtain(str(tmp_path / "m.tflite"), tmp_path / "models")


@pytest.mark.parametrize("name", ["empty-folder", "notes.txt"])
def test_path_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelUnsupported, match=r"saved_model\.pb"):
        obtain(str(tmp_path / name), tmp_path / "models")


def test_name_that_means_nothing_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"MobileNetV3.*neither a known model"):
        obtain("MobileNetV3", tmp_path / "models")
    with pytest.raises(ModelMissing, match=r"MobileNetV3.*neither a known model \(MobileNetV2, "):
        pretrained.load("MobileNetV3", tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".lock"]
