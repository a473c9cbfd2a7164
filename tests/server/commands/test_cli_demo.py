"""`python -m server demo`: free pictures in the queue, saved as apps save them. Real processes."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import closing
from types import SimpleNamespace

import pytest
from image_host import MASTER
from PIL import Image
from running_server import bare_environment

from cloud.operations import Set
from config import load_settings
from ml_models.fingerprint import fingerprint
from ml_models.images import decode
from server.commands.demo_pictures import demo_pictures, photograph
from server.commands.demo_scenes import SCENES
from server.files.names import image_extension
from server.moderation.items import DECISION, ITEM
from server.moderation.subjects import subject_schema
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.mongo.database import MongoDatabase
from server.storage.port import Query, SortKey
from server.storage.sqlite.database import SqliteDatabase
from server.wiring import make_services

IMAGE = subject_schema("UserImage", "image")


class Installation:
    """A data folder, or a MongoDB, on which the command is run."""

    def __init__(self, folder, models_dir, uri=""):
        self.folder, self.uri = folder, uri
        self.settings = {"DATA_DIR": folder, "MODELS_DIR": models_dir, "DATABASE_URI": uri}

    def demo(self, *arguments, **settings):
        environment = {k: str(v) for k, v in {**self.settings, **settings}.items()}
        return subprocess.run(
            [sys.executable, "-m", "server", "demo", *arguments],
            env=bare_environment() | environment,
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def command(self, arguments):
        """How a command is called that lives here, as it is printed to be pasted."""
        places = f"DATA_DIR={self.folder} MODELS_DIR={self.settings['MODELS_DIR']}"
        return f"{places} {sys.executable} -m server {arguments}"

    def database(self):
        opened = MongoDatabase(self.uri) if self.uri else SqliteDatabase(self.folder)
        return closing(opened)

    def rows(self, schema):
        with self.database() as database:
            return database.objects.find(schema, Query(order=(SortKey("createdAt"),)))

    def number(self, row):
        """2 of `..._demo-002-circles.jpg`."""
        return int(re.search(r"_demo-(\d{3})-", row["fileName"])[1])


@pytest.fixture
def installation(tmp_path, models_dir):
    return Installation(tmp_path, models_dir)


# --- twenty pictures ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory, models_dir):
    """An installation after its first `demo --count 20`, which nobody changes."""
    installation = Installation(tmp_path_factory.mktemp("demo"), models_dir)
    installation.done = installation.demo("--count", "20")
    return installation


def test_the_queue_is_filled_and_what_to_do_next_is_said(filled):
    assert filled.done.returncode == 0, filled.done.stderr
    assert filled.done.stdout.splitlines() == [
        f"In the data folder {filled.folder}",
        "   20 added, 0 were there already",
        "   20 wait for a moderator",
        "    1 of them was rejected, and its owner appeals",
        f"No server is running here yet: {filled.command('run')}",
        "Review them at http://localhost:1337/admin",
        "with an account of yours, or a new one:",
        f"  DATA_DIR={filled.folder} {sys.executable} -m server create-moderator NAME",
    ]
    assert Counter(row["state"] for row in filled.rows(ITEM)) == {"review": 20}


def test_what_goes_wrong_with_uploads_is_among_them(filled):
    items = {filled.number(row): row for row in filled.rows(ITEM)}
    broken, moving = items[4], items[9]
    assert (broken["decidedBy"], broken["predictions"]) == ("system", [])
    assert "could not be decoded" in broken["reasons"][0]
    assert moving["fileName"].endswith(".gif")
    assert len(moving["predictions"]) == 5
    copied, copy = (int(items[number]["pdqHash"], 16) for number in (2, 14))
    assert 0 < (copied ^ copy).bit_count() <= 31


def test_the_pictures_have_owners_without_a_password(filled):
    images = filled.rows(IMAGE)
    users = {row["username"]: row for row in filled.rows(SYSTEM_CLASSES["_User"])}
    assert set(users) == {f"demo-{name}" for name in ("ada", "ben", "cleo", "dan", "eva")}
    assert not any("_hashed_password" in row or row.get("isModerator") for row in users.values())
    by_id = {row["objectId"]: name for name, row in users.items()}
    owners = {row["subjectId"]: by_id[row["uploader"]] for row in filled.rows(ITEM)}
    assert owners == {row["objectId"]: row["imageAuthor"] for row in images}
    assert set(Counter(owners.values()).values()) == {4}


def test_an_appeal_waits_with_its_text(filled):
    (appealed,) = [row for row in filled.rows(ITEM) if "appeal" in row]
    assert "look again" in appealed["appeal"]
    log = [row for row in filled.rows(DECISION) if row["subjectId"] == appealed["subjectId"]]
    assert [row["after"] for row in log] == ["review", "rejected", "review"]
    assert log[-1]["decidedBy"].endswith(appealed["uploader"])


# --- a few, in all circumstances ------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_there_is_not_added_again(installation):
    installation.demo("--count", "2")
    done = installation.demo("--count", "3")
    assert done.stdout.splitlines()[1] == "    1 added, 2 were there already"
    assert len(installation.rows(IMAGE)) == 3
    assert len(installation.rows(SYSTEM_CLASSES["_User"])) == 5


@pytest.mark.slow
def test_the_rules_in_force_judge_them(installation):
    settings = load_settings(_env_file=None, data_dir=installation.folder)
    services = make_services(settings)
    lenient = {"moderationScores": {"Porn": {"min": 1, "max": 1}}, "moderationAutomation": True}
    services.parse_config.write({name: Set(value) for name, value in lenient.items()}, {})
    services.close()
    done = installation.demo("--count", "4")
    assert done.stdout.splitlines()[1:4] == [
        "    4 added, 0 were there already",
        "    3 were approved by the rules in force",
        "    1 wait for a moderator",
    ]


@pytest.mark.slow
def test_it_works_beside_a_running_server(installation, start_server):
    server = start_server(data_dir=installation.folder).wait_until_healthy()
    done = installation.demo("--count", "6")  # which is not told the port
    assert done.returncode == 0, done.stderr
    assert "No server" not in done.stdout
    assert f"http://localhost:{server.port}/admin" in done.stdout
    where = json.dumps({"imageAuthor": {"$exists": True}}).replace('"', "%22").replace(" ", "")
    _, answer = server.request("GET", f"/parse/classes/UserImage?where={where}", headers=MASTER)
    assert [row["moderationRequired"] for row in answer["results"]] == [True] * 6
    assert Counter(row["state"] for row in installation.rows(ITEM)) == {"review": 6}
    assert len(installation.rows(DECISION)) == 6


def test_a_folder_that_was_not_there_is_named_as_such(installation):
    mistyped, nowhere = installation.folder / "mistyped", installation.folder / "none"
    done = installation.demo("--count", "1", DATA_DIR=mistyped, MODELS_DIR=nowhere)
    assert done.returncode == 0, done.stderr
    said = f"In a data folder that was not there before, {mistyped}"
    assert done.stdout.splitlines()[0] == said


@pytest.mark.slow
def test_without_a_model_they_are_pending_and_that_is_said(installation):
    done = installation.demo("--count", "2", MODELS_DIR=installation.folder / "none")
    assert done.returncode == 0, done.stderr
    assert "    2 are pending" in done.stdout.splitlines()
    assert "python -m server models fetch" in done.stdout
    assert {row["state"] for row in installation.rows(ITEM)} == {"pending"}


@pytest.mark.slow
def test_it_fills_a_mongodb_as_well(tmp_path, models_dir, mongo_uri):
    installation = Installation(tmp_path, models_dir, mongo_uri("nx", tmp_path.name))
    for expected in ("2 added, 0", "0 added, 2"):
        done = installation.demo("--count", "2")
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
    assert [row["state"] for row in installation.rows(ITEM)] == ["review"] * 2


def test_images_that_nobody_moderates_are_not_uploaded(installation):
    done = installation.demo(MODERATED_FILES="_User.avatar")
    assert (done.returncode, done.stdout) == (1, "")
    assert "MODERATED_FILES: the demo needs UserImage.image among them" in done.stderr
    assert "Traceback" not in done.stderr


# --- the pictures themselves ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    return [SimpleNamespace(of=p, data=p.make()) for p in demo_pictures(40, photograph())]


def test_forty_pictures_are_forty_different_ones(pictures):
    assert len({each.data for each in pictures}) == 40
    assert len({each.of.title for each in pictures}) == len(SCENES) + 4
    assert [each.of.is_appealed for each in pictures].count(True) == 1


def test_only_the_near_copy_looks_like_another(pictures):
    seen = {}
    for each in pictures:
        if each.of.title not in ("broken", "animation"):
            found = fingerprint(decode(each.data, 10**7))
            if found.quality >= 50:
                seen[each.of.number] = int(found.pdq, 16)
    alike = [
        (one, other)
        for one in seen
        for other in seen
        if one < other and (seen[one] ^ seen[other]).bit_count() <= 31
    ]
    assert alike == [(2, 14)]


def test_every_picture_can_be_uploaded_under_its_name(pictures):
    for each in pictures:
        assert re.fullmatch(r"[0-9a-f]{32}_demo-\d{3}-[a-z-]+\.[a-z]{3}", each.of.file_name)
        assert image_extension(each.data) == each.of.extension
        assert len(each.data) < 1_000_000


def test_the_same_number_gives_the_same_picture(pictures):
    for each in demo_pictures(6, photograph()):
        assert each.make() == pictures[each.number - 1].data


def test_beyond_forty_there_are_more():
    titles = [each.title for each in demo_pictures(120, None)]
    assert Counter(titles)["broken"] == 3
    numbers = [each for each in demo_pictures(100, None) if each.number in (7, 47, 87)]
    assert len({each.make() for each in numbers}) == 3


def test_the_animation_moves(pictures):
    (moving,) = [each for each in pictures if each.of.title == "animation"]
    with Image.open(io.BytesIO(moving.data)) as image:
        assert image.n_frames == 6


def test_without_the_photograph_scenes_stand_in_for_it():
    assert photograph() is not None
    titles = {each.title for each in demo_pictures(40, None)}
    assert "astronaut" not in titles
    assert len(list(demo_pictures(40, None))) == 40
