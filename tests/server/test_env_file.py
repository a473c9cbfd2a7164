"""Lines of .env that do nothing: they are named, at the start and by the doctor, never shown."""

import re
import subprocess
import sys

import pytest
from running_server import bare_environment

from server.env_file import neglected_lines, only_in_environment, setting_names

MISSPELT = """\
# the settings of a hurried operator
APP_ID=mine
MASTER_KEY=secret-1

MODERATED_FILE=UserImage.image,_User.avatar
MASTER_KEYS=secret-2
PANEL_IDLE_LENGHT=100
this is not a setting secret-3
PORT
"""
SAID = [
    ".env line 5: MODERATED_FILE is no setting; did you mean MODERATED_FILES?",
    ".env line 6: MASTER_KEYS is no setting; did you mean MASTER_KEY?",
    ".env line 7: PANEL_IDLE_LENGHT is no setting; did you mean PANEL_IDLE_LENGTH?",
    ".env line 8 cannot be read: it is not of the form NAME=value",
    ".env line 9 cannot be read: it is not of the form NAME=value",
]


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Write a .env where the server is started; returns what is said of its lines."""
    monkeypatch.chdir(tmp_path)

    def of(text):
        (tmp_path / ".env").write_text(text)
        return neglected_lines()

    return of


def run(folder, *arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        env=bare_environment() | settings, cwd=folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_misspelt_names_and_unreadable_lines_are_named_with_their_numbers(said):
    assert said(MISSPELT) == SAID


def test_every_setting_is_known_in_either_case(said):
    assert "MONGODB_URI" in setting_names()
    assert said("".join(f"{name}=1\n{name.lower()}=1\n" for name in setting_names())) == []
    assert said("export APP_ID=mine\n\n  # a note\nMASTER_KEY='a\nb'\n") == []


@pytest.mark.parametrize(
    "name", ["COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "DOCKER_HOST", "CELERY_CONFIG_MODULE"]
)
def test_names_of_compose_and_others_are_no_mistakes(said, name):
    assert said(f"{name}=x\n") == []


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("CELERY_BROKER_ULR", "is no setting; did you mean CELERY_BROKER_URL?"),
        ("master_keys", "is no setting; did you mean MASTER_KEY?"),
        ("OTEL_SERVICE_NAME", "has no effect here: it is read from the environment alone"),
        ("HOMEPAGE", "is no setting, and has no effect"),
    ],
)
def test_other_names_are_told_with_what_is_known_of_them(said, name, end):
    assert said(f"{name}=secret\n") == [f".env line 1: {name} {end}"]


def test_lines_are_counted_past_blanks_and_values_of_several_lines(said):
    text = 'APP_ID="a\nb"\n\n  \n   PORTS=1\r\n\r\nMASTER_KEYS=x\n'
    assert [line.split(":")[0] for line in said(text)] == [".env line 5", ".env line 7"]


def test_a_key_that_was_pasted_over_several_lines_is_not_shown(said):
    assert said("MASTER_KEY=first\nsecretSECRET+/=\nSecretSecret==\n") == [
        f".env line {number} cannot be read: it is not of the form NAME=value" for number in (2, 3)
    ]


def test_without_the_file_there_is_nothing_to_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert neglected_lines() == []


def test_the_doctor_warns_of_each(tmp_path):
    (tmp_path / ".env").write_text(MISSPELT)
    told = run(tmp_path, "doctor", DATA_DIR="none", FOREIGN_NAME="x").stdout
    assert re.findall(r"^ warning  settings: (.*)$", told, re.MULTILINE) == SAID
    assert "settings: can be used" not in told
    assert "FOREIGN_NAME" not in told
    assert "secret" not in told


def test_the_start_warns_of_each_once_and_goes_on(tmp_path):
    (tmp_path / ".env").write_text(MISSPELT)
    started = run(tmp_path, "run", CLOUD_CODE_MAIN="nowhere.py", PORT="0")
    assert "CLOUD_CODE_MAIN: there is no file nowhere.py" in started.stderr
    assert re.findall(r"WARNING \S+: (.*)", started.stderr) == SAID
    assert "secret" not in started.stderr


# --- what only the environment says ---------------------------------------------------------------


def test_settings_of_the_environment_that_neither_file_nor_default_gives(said, monkeypatch):
    said("DATA_DIR=/var/mine\nPORT=8000\n")
    given = {"DATA_DIR": "/srv/x", "PORT": "8000", "TF_MODEL_URL": "MobileNetV2Mid", "JS_KEY": "k"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MODELS_DIR", "")
    assert only_in_environment() == {"DATA_DIR": "/srv/x"}


def test_what_may_hold_a_password_is_not_repeated(said, monkeypatch):
    said("")
    monkeypatch.setenv("MONGODB_URI", "mongodb://u:secret@host/x")
    monkeypatch.setenv("TF_MODEL_URL", "https://host/m.tflite?signature=secret")
    monkeypatch.setenv("DATABASE_URI", "mongodb://host/x?replicaSet=rs0")
    assert only_in_environment() == {
        "DATABASE_URI": "mongodb://host/x?replicaSet=rs0",
        "MONGODB_URI": "<MONGODB_URI>",
        "TF_MODEL_URL": "<TF_MODEL_URL>",
    }


def test_printed_commands_lead_to_the_same_installation(tmp_path):
    data = tmp_path / "mine"
    told = run(tmp_path, "doctor", DATA_DIR=str(data)).stdout
    assert f"run `DATA_DIR={data} {sys.executable} -m server models fetch`" in told
    (tmp_path / ".env").write_text(f"DATA_DIR={data}\n")
    told = run(tmp_path, "doctor", DATA_DIR=str(data)).stdout
    assert f"run `{sys.executable} -m server models fetch`" in told


def test_a_file_of_another_encoding_is_refused_in_a_sentence(tmp_path):
    (tmp_path / ".env").write_bytes("APP_ID=mine\n".encode("utf-16"))
    started = run(tmp_path, "run", PORT="0")
    assert started.returncode == 1
    assert ".env is not UTF-8" in started.stderr
    assert "Traceback" not in started.stderr
