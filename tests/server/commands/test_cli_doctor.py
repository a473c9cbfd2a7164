"""The doctor finds what is wrong, and says what to do."""

import sqlite3
from contextlib import closing

import pytest
from running_server import free_port

from config import load_settings
from server.commands.doctor import Verdict, examine


@pytest.fixture
def look(tmp_path, models_dir):
    """Examine an installation in a folder of its own; findings by what was looked at."""

    def examined(**overrides):
        fields = {"data_dir": tmp_path / "data", "models_dir": models_dir, **overrides}
        findings = examine(load_settings(_env_file=None, **fields))
        return {finding.what: finding for finding in findings}

    return examined


def test_fresh_installation_has_no_problem(look):
    found = look()
    assert {f.verdict for f in found.values()} <= {Verdict.FINE, Verdict.WARNING}
    assert "development keys" in found["keys"].sentence
    assert "no moderationScores" in found["policy"].sentence
    assert found["model"].verdict is Verdict.FINE


def test_own_keys_are_no_matter(look):
    assert "keys" not in look(app_id="mine", master_key="own")


def test_missing_model_is_a_problem_with_the_command_that_mends_it(look, tmp_path):
    found = look(models_dir=tmp_path / "none")["model"]
    assert found.verdict is Verdict.PROBLEM
    assert "models fetch" in found.sentence


def test_damaged_model_is_a_problem(look, tmp_path, models_dir):
    folder = tmp_path / "models" / "MobileNetV2Mid"
    folder.mkdir(parents=True)
    for path in (models_dir / "MobileNetV2Mid").iterdir():
        (folder / path.name).write_bytes(path.read_bytes()[:-1])
    assert look(models_dir=tmp_path / "models")["model"].verdict is Verdict.PROBLEM


def test_database_that_is_away_is_a_problem(look):
    found = look(database_uri=f"mongodb://127.0.0.1:{free_port()}/x")["database"]
    assert found.verdict is Verdict.PROBLEM
    assert "DATABASE_URI" in found.sentence


def test_database_that_is_damaged_is_a_problem(look, tmp_path):
    look()
    (tmp_path / "data" / "parsewarden.sqlite3").write_bytes(b"no database" * 1000)
    assert look()["database"].verdict is Verdict.PROBLEM


def test_broker_that_is_away_is_a_problem(look):
    found = look(celery_broker_url=f"redis://127.0.0.1:{free_port()}/0")["broker"]
    assert found.verdict is Verdict.PROBLEM


def test_settings_that_cannot_work_are_a_problem_and_the_rest_is_looked_at(look):
    found = look(image_fetch_allow="http://x")
    assert found["settings"].verdict is Verdict.PROBLEM
    assert found["model"].verdict is Verdict.FINE


def test_memory_that_does_not_suffice_is_said(look):
    found = look(max_image_memory=10**12)["memory"]
    assert found.verdict is Verdict.WARNING
    assert "MAX_IMAGE_MEMORY" in found.sentence


def test_it_changes_nothing(look, tmp_path):
    look()
    before = rows(tmp_path)
    look()
    assert rows(tmp_path) == before


def rows(folder):
    with closing(sqlite3.connect(folder / "data" / "parsewarden.sqlite3")) as database:
        return database.execute("SELECT * FROM objects").fetchall()


def test_folder_that_is_a_file_is_a_problem(look, tmp_path):
    (tmp_path / "data").write_text("")
    assert look()["data folder"].verdict is Verdict.PROBLEM
