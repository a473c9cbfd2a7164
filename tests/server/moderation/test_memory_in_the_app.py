"""Memory in the running app: real pictures, the real classifier, and what it costs when unused."""

import io
import subprocess
import sys
import time

import pytest
from image_host import MASTER
from PIL import Image
from running_server import bare_environment
from skimage import data


def photo(name):
    return Image.fromarray(getattr(data, name)())


def jpeg(picture, quality=90):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def decided(parse):
    """Upload an image and wait for its decision: the item's row."""
    parse.services.objects.prepare()

    def upload(content):
        name = f"{time.monotonic_ns()}.jpg"
        parse.services.database.files.put(name, content, {})
        object_id = parse.create("UserImage", {"image": {"__type": "File", "name": name}})
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            [row] = parse.find("ModerationItem", {"subjectId": object_id}, by=MASTER)
            if row["state"] != "pending":
                return row
            time.sleep(0.02)
        pytest.fail("the image was not decided")

    return upload


def by(row):
    return row["state"], row["decidedBy"]


def test_copies_of_a_rejected_photo_are_rejected_and_other_photos_are_not(parse, decided):
    astronaut = photo("astronaut")
    first = decided(jpeg(astronaut))
    assert by(first) == ("review", "rules")
    path = f"/classes/UserImage/{first['subjectId']}"
    assert parse.put(path, {"deleted": True}, MASTER).status_code == 200
    copies = [
        jpeg(astronaut),
        jpeg(astronaut.resize((300, 300))),
        jpeg(astronaut, quality=35),
        jpeg(astronaut.crop((4, 4, 508, 508)), quality=80),
    ]
    rows = [decided(copy) for copy in copies]
    assert [by(row) for row in rows] == [("rejected", "memory")] * 4
    assert "the same bytes" in rows[0]["reasons"][0]
    assert all("a near copy" in row["reasons"][0] for row in rows[1:])
    assert by(decided(jpeg(photo("chelsea")))) == ("review", "rules")
    assert by(decided(jpeg(Image.new("RGB", (300, 300), "grey")))) == ("review", "rules")
    parse.put(path, {"deleted": False}, MASTER)
    assert by(decided(jpeg(astronaut.resize((310, 310))))) == ("review", "rules")


def test_memory_without_fingerprints_loads_no_numpy(tmp_path):
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cloud.clock import utc_now\n"
        "from cloud.moderation.items import Evidence\n"
        "from ml_models.types import Fingerprint\n"
        "from server.moderation.memory import ENTRY, StoredMemory\n"
        "from server.moderation.near_copies import NearCopies\n"
        "from server.objects.schemas import Schemas\n"
        "from server.storage.sqlite.database import SqliteDatabase\n"
        "database = SqliteDatabase(Path())\n"
        "near = NearCopies(database.objects, ENTRY, max_distance=31, min_quality=50)\n"
        "schemas = Schemas(database.schemas, clients_make_classes=False)\n"
        "seen = Evidence(fingerprint=Fingerprint('ab' * 32, 100))\n"
        "memory = StoredMemory(database, schemas, near)\n"
        "assert memory.recall(seen, 'item1', utc_now()) is None\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], env=bare_environment(), cwd=tmp_path, check=True
    )
