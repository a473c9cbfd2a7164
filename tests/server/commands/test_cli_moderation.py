"""The commands `policy check` and `moderate`, as their operator runs them: real processes."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import termios
import time
from collections import Counter
from contextlib import closing, suppress

import pytest
from image_host import MASTER, noise
from running_server import bare_environment

from cloud.moderation.pipeline import utc_now
from cloud.moderation.predictions import to_objects
from cloud.operations import Set
from cloud.values import File
from ml_models.types import Label, Prediction
from server.moderation.classifications import SCHEMA as CLASSIFICATION
from server.moderation.items import DECISION, ITEM
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import PolicyChanges
from server.moderation.subjects import subject_schema
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.parse_config import ParseConfig
from server.sole_instance import sole_instance
from server.storage.mongo.database import MongoDatabase
from server.storage.port import Equals, Query
from server.storage.sqlite.database import FILE_NAME, SqliteDatabase

IMAGE = subject_schema("UserImage", "image")
LENIENT = {"moderationScores": {"Porn": {"min": 1, "max": 1}}, "moderationAutomation": True}


class Installation:
    """A data folder, or a MongoDB, without a server, and commands run on it."""

    def __init__(self, folder, models_dir, uri=""):
        self.folder = folder
        self.settings = {"DATA_DIR": folder, "MODELS_DIR": models_dir, "DATABASE_URI": uri}
        self.database = MongoDatabase(uri) if uri else SqliteDatabase(folder)
        schemas = Schemas(self.database.schemas, clients_make_classes=False)
        versions = PolicyVersions(self.database, schemas)
        changes = PolicyChanges(self.database, schemas)
        config = ParseConfig(self.database.objects, versions, changes, 0)
        config.write({name: Set(value) for name, value in LENIENT.items()}, {})
        schemas.ensure("UserImage")

    def start(self, *arguments, stderr=subprocess.PIPE):
        environment = {name: str(value) for name, value in self.settings.items()}
        return subprocess.Popen(
            [sys.executable, "-m", "server", *arguments],
            env=bare_environment() | environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def run(self, *arguments):
        """Run a command to its end; returns exit status, output and complaints."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def image(self, data):
        object_id, now = new_object_id(), utc_now()
        if data is not None:
            self.database.files.put(f"{object_id}.jpg", data, {})
        document = {"objectId": object_id, "createdAt": now, "updatedAt": now}
        document["image"] = File(f"{object_id}.jpg")
        self.database.objects.insert(IMAGE, document)

    def predicted(self, object_id, porn):
        """Record a classification."""
        now, found = utc_now(), [Prediction(Label.PORN, porn), Prediction(Label.NEUTRAL, 1 - porn)]
        document = {"objectId": object_id, "createdAt": now, "updatedAt": now}
        document["predictions"] = to_objects(found)
        self.database.objects.insert(CLASSIFICATION, document)

    def rows(self, schema):
        return self.database.objects.find(schema, Query())

    def let_leases_run_out(self):
        """Those of a killed process, without waiting half a minute."""
        objects = self.database.objects
        for row in self.rows(ITEM):
            if row["state"] == "pending":
                objects.update(ITEM, Equals("objectId", row["objectId"]), {"dueAt": Set(utc_now())})

    def policy(self, **policy):
        path = self.folder / "policy.json"
        path.write_text(json.dumps(policy))
        return str(path)


@pytest.fixture
def installation(tmp_path, models_dir):
    made = Installation(tmp_path, models_dir)
    with closing(made.database):
        yield made


# --- policy check ---------------------------------------------------------------------------------


def test_policy_check_prints_what_would_change_and_counts(installation):
    for object_id, porn in [("a", 0.1), ("b", 0.5), ("c", 0.95)]:
        installation.predicted(object_id, porn)
    policies = installation.rows(IMAGE)
    file = installation.policy(moderationScores={"Porn": {"min": 0.4, "max": 0.8}})
    status, out, err = installation.run("policy", "check", file)
    assert (status, out.splitlines()) == (
        0,
        [
            "b  approved -> review  Porn 0.5000 is from 0.4 to 0.8",
            "c  approved -> rejected  Porn 0.9500 is above 0.8",
            "                 today   with file",
            "approved             3           1",
            "rejected             0           1",
            "review               0           1",
        ],
    ), err
    assert installation.rows(IMAGE) == policies


def test_policy_check_refuses_by_the_name_of_the_field(installation):
    file = installation.policy(moderationScores={"Porn": {"min": 0.4, "max": 8}})
    status, out, err = installation.run("policy", "check", file)
    sentence = "Error: moderationScores.Porn.max: must be a number from 0 to 1.\n"
    assert (status, out, err) == (1, "", sentence)


def test_policy_check_needs_no_database_for_an_empty_record(tmp_path, models_dir):
    (tmp_path / "policy.json").write_text(json.dumps(LENIENT))
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    for name, expected in [("policy.json", 0), ("broken.json", 1), ("deep.json", 1)]:
        process = subprocess.run(
            [sys.executable, "-m", "server", "policy", "check", name],
            env=bare_environment() | {"DATA_DIR": str(tmp_path / "none")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == expected, process.stderr
        assert "Traceback" not in process.stderr
    assert not (tmp_path / "none").exists()


# --- moderate -------------------------------------------------------------------------------------


def test_moderate_classifies_what_was_there_once(installation):
    for seed in range(5):
        installation.image(noise(seed))
    status, out, err = installation.run("moderate", "UserImage", "--dry-run")
    assert (status, installation.rows(ITEM)) == (0, []), err
    assert out.splitlines() == ["        5 would be classified", "        5 images of UserImage"]
    status, out, err = installation.run("moderate", "UserImage")
    assert status == 0, err
    assert out.splitlines() == ["        5 approved", "        5 images of UserImage"]
    assert all(row["isSafe"] and row["NSFWPredictions"] for row in installation.rows(IMAGE))
    status, out, _ = installation.run("moderate", "UserImage", "--all")
    assert (status, out.splitlines()[0]) == (0, "        5 in moderation already")


def test_moderate_says_by_its_exit_status_that_files_are_missing(installation):
    installation.image(noise(1))
    installation.image(None)
    status, out, _ = installation.run("moderate", "UserImage")
    assert status == 1
    assert "1 approved" in out
    assert "1 missing files" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["Other"], "MODERATED_FILES names no column of Other, but of: UserImage"),
        (["UserImage", "--where", "{"], "where parameter is not valid JSON"),
        (["UserImage", "--where", '{"$nonsense": 1}'], "nonsense"),
        (["UserImage", "--where", '{"imageAuthor": {"$regex": "("}}'], "regular expression"),
    ],
)
def test_moderate_refuses_in_a_sentence(installation, arguments, complaint):
    status, out, err = installation.run("moderate", *arguments)
    assert (status, out) == (1, "")
    assert complaint in err
    assert "Traceback" not in err


def test_moderate_refuses_while_a_server_holds_the_folder(installation):
    installation.image(noise(1))
    with sole_instance(installation.folder):
        status, _, err = installation.run("moderate", "UserImage")
    assert status == 1
    assert "another server" in err
    assert installation.rows(ITEM) == []


def test_a_dry_run_may_stand_beside_the_server(installation):
    installation.image(noise(1))
    before = dump(installation)
    with sole_instance(installation.folder):
        status, out, err = installation.run("moderate", "UserImage", "--dry-run")
    assert (status, dump(installation)) == (0, before), err
    assert out.splitlines()[0] == "        1 would be classified"


def dump(installation):
    with closing(sqlite3.connect(installation.folder / FILE_NAME)) as database:
        return list(database.iterdump())


def test_moderate_refuses_a_folder_without_a_database(tmp_path, models_dir):
    installation = Installation(tmp_path, models_dir)
    installation.database.close()
    installation.settings["DATA_DIR"] = tmp_path / "none"
    status, _, err = installation.run("moderate", "UserImage")
    assert status == 1
    assert "there is no parsewarden.sqlite3" in err


def test_a_killed_run_is_taken_up_where_it_was(installation):
    for seed in range(80):
        installation.image(noise(seed))
    process = installation.start("moderate", "UserImage")
    deadline = time.monotonic() + 60
    while len(installation.rows(ITEM)) < 10:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    installation.let_leases_run_out()
    shown = [row for row in installation.rows(IMAGE) if row.get("isSafe") is True]
    assert len(shown) < 80
    status, out, err = installation.run("moderate", "UserImage")
    assert status == 0, (out, err)
    assert all(row["isSafe"] for row in installation.rows(IMAGE))
    decided = Counter(row["subjectId"] for row in installation.rows(DECISION))
    assert decided == {row["objectId"]: 1 for row in installation.rows(IMAGE)}


def fill(installation, count):
    """Multiply one object, past the store: a write of each would take a minute."""
    installation.image(noise(1))
    with closing(sqlite3.connect(installation.folder / FILE_NAME)) as connection, connection:
        connection.execute(
            "WITH RECURSIVE numbers(n) AS"
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
            " INSERT INTO objects (class_name, object_id, document)"
            " SELECT class_name, printf('o%09d', n), json_set(document, '$.objectId',"
            " printf('o%09d', n)) FROM numbers, objects WHERE class_name = 'UserImage'",
            (count - 1,),
        )


def peak_mb(process):
    """The most memory that a process took; waits for its end."""
    with process.stdout, process.stderr:
        complaints = process.stdout.read() + process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, complaints
    return usage.ru_maxrss / 1024


@pytest.mark.slow
def test_moderate_takes_no_more_memory_for_many_more_images(tmp_path, models_dir):
    peaks = []
    for size in (600, 20_000):
        folder = tmp_path / str(size)
        folder.mkdir()
        installation = Installation(folder, models_dir)
        fill(installation, size)
        installation.database.close()
        peaks.append(peak_mb(installation.start("moderate", "UserImage", "--dry-run")))
    assert peaks[1] - peaks[0] < 15, peaks


def test_moderate_shows_on_a_terminal_how_far_it_is_and_how_long_yet(installation):
    for seed in range(12):
        installation.image(noise(seed))
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (24, 100))
    process = installation.start("moderate", "UserImage", stderr=its_end)
    os.close(its_end)
    shown = b""
    with suppress(OSError):  # the process, which has the other end, has ended
        while piece := os.read(terminal, 4096):
            shown += piece
    os.close(terminal)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    drawn = re.findall(r"UserImage\.image: +(\d+)%.*?(\d+)/12 \[(.*?)\]", shown.decode())
    assert {total for _, total, _ in drawn} >= {"0", "12"}
    assert drawn[-1][:2] == ("100", "12")
    assert re.search(r"\d\d:\d\d<\d\d:\d\d, +[\d.]+ *(img/s|s/img)", drawn[-1][2])
    assert b"Traceback" not in shown
    assert out.splitlines()[0] == "       12 approved"


def test_moderate_works_beside_a_server_on_mongodb(tmp_path, models_dir, mongo_uri, start_server):
    uri = mongo_uri("nx", tmp_path.name)
    (tmp_path / "data").mkdir()
    installation = Installation(tmp_path / "data", models_dir, uri)
    with closing(installation.database):
        for seed in range(10):
            installation.image(noise(seed))
        server = start_server(DATABASE_URI=uri).wait_until_healthy()
        status, out, err = installation.run("moderate", "UserImage")
        assert status == 0, (out, err)
        assert "10 approved" in out
        _, answer = server.request("GET", "/parse/classes/UserImage", headers=MASTER)
        assert [row["isSafe"] for row in answer["results"]] == [True] * 10
        assert len(installation.rows(DECISION)) == 10
