"""The doctor finds what is wrong, and says what to do."""

import re
import sqlite3
from contextlib import closing

import pytest
from running_server import free_port

from cloud.clock import utc_now
from cloud.operations import Set
from config import load_settings
from server.commands.doctor import Verdict, examine
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.port import ClassSchema, ColumnType, Equals
from server.storage.sqlite.database import FILE_NAME, SqliteDatabase
from server.webhooks.deliveries import SCHEMA as DELIVERY

PORN = {"Porn": {"min": 0.4, "max": 0.8}}


@pytest.fixture
def look(tmp_path, models_dir):
    """Examine an installation in a folder of its own; findings by what was looked at."""

    def examined(**overrides):
        fields = {"data_dir": tmp_path / "data", "models_dir": models_dir, **overrides}
        findings = examine(load_settings(_env_file=None, **fields))
        return {finding.what: finding for finding in findings}

    return examined


@pytest.fixture
def installed(tmp_path):
    """The database file of an installation that was started once."""
    (tmp_path / "data").mkdir()
    with closing(SqliteDatabase(tmp_path / "data")) as database:
        database.ping()
    return tmp_path / "data" / FILE_NAME


def test_fresh_installation_has_no_problem(look):
    found = look()
    assert {f.verdict for f in found.values()} <= {Verdict.FINE, Verdict.WARNING}
    assert "development keys" in found["keys"].sentence
    assert found["model"].verdict is Verdict.FINE


def test_folder_that_is_not_there_is_said_and_not_made(look, tmp_path):
    found = look(data_dir=tmp_path / "mistyped" / "data")
    assert found["data folder"].verdict is Verdict.WARNING
    assert f"there is no folder {tmp_path}/mistyped/data" in found["data folder"].sentence
    assert found["database"].verdict is Verdict.WARNING
    assert "GB free" in found["disk"].sentence
    assert not list(tmp_path.iterdir())


def test_database_that_is_not_there_is_said_and_not_made(look, tmp_path):
    (tmp_path / "data").mkdir()
    found = look()
    assert found["data folder"].verdict is Verdict.FINE
    assert "parsewarden.sqlite3 yet: a start makes it" in found["database"].sentence
    assert not list((tmp_path / "data").iterdir())


def test_database_of_an_older_version_is_left_to_the_start(look, installed, tmp_path):
    with closing(sqlite3.connect(installed)) as database:
        database.execute("PRAGMA user_version = 1")
    before = installed.read_bytes()
    found = look()["database"]
    assert (found.verdict, "up to date" in found.sentence) == (Verdict.WARNING, True)
    assert installed.read_bytes() == before


def test_misspelt_model_is_a_problem_that_lists_the_known_ones(look):
    found = look(tf_model_url="MobileNetV3")["model"]
    assert found.verdict is Verdict.PROBLEM
    assert "'MobileNetV3': neither a known model (MobileNetV2, MobileNetV2Mid, " in found.sentence


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
    assert re.fullmatch(
        r"MongoDB: 127\.0\.0\.1:\d+: connection refused\. Is it .* DATABASE_URI name it\?",
        found.sentence,
    )


def test_database_that_is_damaged_is_a_problem(look, installed):
    installed.write_bytes(b"no database" * 1000)
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


def test_it_changes_nothing(look, installed):
    before = contents(installed.parent)
    found = look()
    assert found["database"].verdict is Verdict.FINE
    assert "no moderationScores" in found["policy"].sentence
    assert contents(installed.parent) == before


@pytest.mark.parametrize(
    ("params", "verdict", "said"),
    [
        ({"moderationScores": {"Porn": {"min": 2}}}, Verdict.PROBLEM, "is invalid (moderationSc"),
        ({"moderationScores": PORN}, Verdict.WARNING, "moderationAutomation is off"),
        (
            {"moderationScores": PORN, "moderationAutomation": True},
            Verdict.FINE,
            "thresholds for Porn decide",
        ),
    ],
)
def test_the_policy_is_told_as_it_is_stored(look, installed, params, verdict, said):
    with closing(SqliteDatabase(installed.parent)) as database:
        values = {f"params.{name}": Set(value) for name, value in params.items()}
        row = Equals("objectId", 1)
        database.objects.update(SYSTEM_CLASSES["_GlobalConfig"], row, values, upsert=True)
    before = contents(installed.parent)
    found = look()["policy"]
    assert (found.verdict, said in found.sentence) == (verdict, True), found.sentence
    assert contents(installed.parent) == before


def test_columns_of_files_that_nobody_judges_are_named(look, installed):
    everywhere = ("UserImage", "Post", "_User", "_Role", "ImageClassification")
    with closing(SqliteDatabase(installed.parent)) as database:
        for name in everywhere:
            columns = {"image": ColumnType("File"), "text": ColumnType("String")}
            database.schemas.create(ClassSchema(name, columns))
        database.schemas.add_columns("UserImage", {"Image": ColumnType("File")})
    found = look()["files"]
    assert found.verdict is Verdict.WARNING
    assert "those of Post.image, UserImage.Image, _User.image: name in MODER" in found.sentence
    found = look(moderated_files="UserImage.image,UserImage.Image,Post.image,_User.image")["files"]
    assert found.verdict is Verdict.FINE


def test_webhooks_that_fail_are_told_with_the_reason(look, installed):
    url = "https://hooks.example/x"
    with closing(SqliteDatabase(installed.parent)) as database:
        database.schemas.create(DELIVERY)
        row = {"objectId": "d1", "createdAt": utc_now(), "updatedAt": utc_now(), "ACL": {}}
        said = {"url": url, "state": "waiting", "attempts": 1, "lastError": "port 8080 is not open"}
        database.objects.insert(DELIVERY, {**row, **said})
    fields = {"moderation_webhook_secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
    found = look(moderation_webhook_urls=f"{url}?token=secret", **fields)["webhooks"]
    assert found.verdict is Verdict.WARNING
    assert f"posts to {url} fail, 1 wait" in found.sentence
    assert found.sentence.endswith("port 8080 is not open")
    assert "webhooks" not in look(moderation_webhook_urls="https://other.example/", **fields)
    assert "webhooks" not in look()


def test_an_address_without_the_mount_is_told(look):
    keys = {"app_id": "mine", "master_key": "own"}
    found = look(server_url="https://api.example", **keys)["SERVER_URL"]
    assert found.verdict is Verdict.WARNING
    assert found.sentence.endswith("try https://api.example/parse")
    assert "SERVER_URL" not in look(server_url="https://api.example/parse/", **keys)
    assert "SERVER_URL" not in look(server_url="https://api.example/app/1", **keys)
    assert "SERVER_URL" not in look()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_that_is_a_file_is_a_problem(look, tmp_path):
    (tmp_path / "data").write_text("")
    assert look()["data folder"].verdict is Verdict.PROBLEM
