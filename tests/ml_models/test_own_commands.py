"""Printed commands work when they are pasted, and all of them are written in one place."""

import re
import sys
from pathlib import Path

import pytest

from ml_models.cache import how_to_fetch
from ml_models.own_commands import inherited, own_command

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def python(tmp_path, monkeypatch):
    """The Python of an environment below the current folder, of which the PATH knows nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    file = tmp_path / ".venv" / "bin" / "python"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(file))
    return file


def test_a_newcomer_pastes_the_environments_python(python):
    assert own_command("demo") == ".venv/bin/python -m server demo"


def test_an_activated_environment_is_called_as_usual(python, monkeypatch):
    monkeypatch.setenv("PATH", str(python.parent))
    assert own_command("models fetch") == "python -m server models fetch"


def test_another_python_in_the_path_is_not_ours(python, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere" / "python"
    other.parent.mkdir()
    other.symlink_to(python)  # as a venv's own is a link to the system's
    assert own_command("run") == ".venv/bin/python -m server run"


def test_from_another_folder_it_is_named_in_full(python, tmp_path, monkeypatch):
    folder = tmp_path / "some where"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert own_command("run") == f"{python} -m server run"
    monkeypatch.setattr(sys, "executable", str(folder.parent / "a b" / "python"))
    assert own_command("run") == f"'{folder.parent}/a b/python' -m server run"


def test_settings_that_another_shell_lacks_stand_in_front_as_far_as_they_matter(python):
    settings = {"DATA_DIR": "/srv/a b", "MODELS_DIR": "/m", "PORT": "8000"}
    ours = "DATA_DIR='/srv/a b'", ".venv/bin/python -m server"
    with inherited(settings):
        assert own_command("run") == f"{ours[0]} MODELS_DIR=/m PORT=8000 {ours[1]} run"
        assert own_command("demo") == f"{ours[0]} MODELS_DIR=/m {ours[1]} demo"
        assert own_command("create-moderator NAME") == f"{ours[0]} {ours[1]} create-moderator NAME"
        assert how_to_fetch() == f"run `{ours[0]} MODELS_DIR=/m {ours[1]} models fetch`"
    assert own_command("run") == f"{ours[1]} run"


def test_no_sentence_names_a_python_of_its_own():
    """Docstrings, which nobody is shown, may."""
    strings = re.compile(r'^(?!\s*(?:r?"""|#)).*\bpython3? -m (?:server|pip)', re.MULTILINE)
    for room in ("ml_models", "cloud", "admin", "server"):
        for file in sorted((REPOSITORY / room).rglob("*.py")):
            text = re.sub(r'"""(?:[^"]|"(?!""))*"""', "", file.read_text(), count=1)
            assert not strings.findall(text) or file.name == "own_commands.py", file


def test_the_documents_do_not_either():
    """A line that is a command to paste begins with what a newcomer has."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    for page in pages:
        bare = re.findall(
            r"^    (?:[A-Z_]+=\S+ )*python3? -m server.*", page.read_text(), re.MULTILINE
        )
        assert not bare, (page.name, bare)
