"""Lists of images by hand: through Parse with the master key, and from the command line."""

import hashlib

import pytest
from click.testing import CliRunner
from image_host import KEYS, MASTER
from parse_app import error, outcome
from PIL import Image
from skimage import data

from cloud.operations import Set
from ml_models.fingerprint import fingerprint
from server.cli import main
from server.moderation.memory import ENTRY
from server.storage.port import Equals, Query
from server.storage.sqlite.database import SqliteDatabase

PATH = "/classes/ModerationMemory"
SHA256 = "ab" * 32
LISTED = {"outcome": "rejected", "contentSha256": SHA256.upper(), "note": "from the police"}


# --- through Parse --------------------------------------------------------------------------------


def test_master_key_lists_an_image(parse_on_each):
    entry_id = parse_on_each.create("ModerationMemory", LISTED)
    row = parse_on_each.get(f"{PATH}/{entry_id}", MASTER).json
    assert row["contentSha256"] == SHA256
    assert (row["source"], row["decidedBy"], row["active"]) == ("list", "master key", True)


def test_master_key_makes_an_entry_hold_no_longer_and_again(parse_on_each):
    path = f"{PATH}/{parse_on_each.create('ModerationMemory', LISTED)}"
    assert parse_on_each.put(path, {"active": False}, MASTER).status_code == 200
    row = parse_on_each.get(path, MASTER).json
    assert (row["active"], row["forgottenBy"]) == (False, "master key")
    assert "forgottenAt" in row
    parse_on_each.put(path, {"active": True}, MASTER)
    row = parse_on_each.get(path, MASTER).json
    assert row["active"] is True
    assert not {"forgottenBy", "forgottenAt"} & row.keys()


NO_OUTCOME = (142, 'outcome must be "approved" or "rejected".')
BAD = [
    ({"contentSha256": SHA256}, NO_OUTCOME),
    ({**LISTED, "outcome": "review"}, NO_OUTCOME),
    ({"outcome": "rejected"}, (142, "contentSha256 or pdqHash must be given.")),
    ({**LISTED, "pdqHash": "ab"}, (142, "pdqHash must be 64 hexadecimal digits.")),
    ({**LISTED, "pdqQuality": 101}, (142, "pdqQuality must be a number from 0 to 100.")),
    ({**LISTED, "active": "yes"}, (142, "active must be true or false.")),
    ({**LISTED, "note": 5}, (142, "note must be a text.")),
    ({**LISTED, "source": "decision"}, (119, "source cannot be written by hand.")),
    ({**LISTED, "forgottenBy": "me"}, (119, "forgottenBy cannot be written by hand.")),
    ({**LISTED, "more": 1}, (119, "more cannot be written by hand.")),
]


@pytest.mark.parametrize(("body", "expected"), BAD)
def test_entry_that_is_no_use_is_refused(parse, body, expected):
    assert error(parse.post(PATH, body, MASTER)) == expected


def test_entry_of_a_decision_can_only_be_forgotten(parse):
    entry_id = parse.create("ModerationMemory", LISTED)
    where = Equals("objectId", entry_id)
    parse.services.database.objects.update(ENTRY, where, {"source": Set("decision")})
    path = f"{PATH}/{entry_id}"
    assert error(parse.put(path, {"outcome": "approved"}, MASTER))[0] == 119
    assert parse.put(path, {"active": False}, MASTER).status_code == 200


@pytest.mark.parametrize("who", ["nobody", "alice", "bob"])
def test_nobody_but_the_master_key_sees_or_writes_the_lists(parse, who):
    people = {"alice": {}, "bob": {"isModerator": True}}
    by = parse.person(who, **people[who]) if who in people else KEYS
    entry_id = parse.create("ModerationMemory", LISTED)
    assert outcome(parse.post(PATH, LISTED, by))[1] == 119
    assert outcome(parse.put(f"{PATH}/{entry_id}", {"active": False}, by))[1] in (101, 119)
    assert outcome(parse.get(PATH, by))[1] == 119


def test_nobody_makes_the_log_of_matches_first(parse):
    assert outcome(parse.post("/classes/ModerationMemoryMatch", {"a": 1}, KEYS))[1] == 119


# --- from the command line ------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run `memory ...`; returns its exit status and output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def run(*arguments):
        result = CliRunner().invoke(main, ["memory", *map(str, arguments)])
        return result.exit_code, result.output

    return run


@pytest.fixture
def rows(tmp_path):
    """The entries, oldest first."""

    def read():
        database = SqliteDatabase(tmp_path)
        found = database.objects.find(ENTRY, Query())
        database.close()
        return found

    return read


def test_file_is_listed_by_its_bytes_and_its_fingerprint(command, rows, tmp_path):
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(path)
    status, output = command("add", "rejected", path, "--note", "the cat")
    [row] = rows()
    assert (status, output) == (0, f"{row['objectId']}  rejected  {path}\n")
    assert row["contentSha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row["pdqHash"] == fingerprint(data.chelsea()).pdq
    assert (row["pdqQuality"], row["note"], row["decidedBy"]) == (100, "the cat", "operator")


def test_image_without_detail_is_said_to_be_known_by_its_bytes_alone(command, tmp_path):
    Image.new("RGB", (100, 100)).save(tmp_path / "black.png")
    status, output = command("add", "rejected", tmp_path / "black.png")
    assert status == 0
    assert "known by its bytes alone" in output


def test_hashes_are_listed_and_change_sides_when_added_again(command, rows):
    assert command("add", "rejected", "AB" * 32, "cd" * 32, "--as", "pdq")[0] == 0
    assert command("add", "approved", "ab" * 32, "--as", "pdq")[0] == 0
    assert command("add", "approved", "ef" * 32, "--as", "sha256")[0] == 0
    found = [(r["outcome"], r.get("pdqHash"), r.get("contentSha256")) for r in rows()]
    assert found == [
        ("approved", "ab" * 32, None),
        ("rejected", "cd" * 32, None),
        ("approved", None, "ef" * 32),
    ]


def test_list_shows_what_holds_newest_first(command, rows):
    command("add", "rejected", "ab" * 32, "--as", "pdq", "--note", "why")
    command("add", "approved", "ef" * 32, "--as", "sha256")
    command("add", "approved", "ed" * 32, "--as", "sha256")
    forgotten = rows()[2]["objectId"]
    assert command("forget", forgotten) == (0, "")
    status, output = command("list")
    first, second = output.splitlines()
    assert status == 0
    assert first.endswith(f"approved by operator (list)  sha256 {'ef' * 32}")
    assert second.endswith(f"rejected by operator (list)  pdq {'ab' * 32}  why")
    assert command("list", "--limit", 1)[1] == first + "\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "rejected", "nothing.png"), "nothing.png: No such file"),
        (("add", "rejected", "/dev/null"), "/dev/null: no file"),
        (("add", "rejected", "text.txt"), "text.txt: no decoder recognises"),
        (("add", "rejected", "text.txt"), f"--as sha256 {hashlib.sha256(b'text').hexdigest()}"),
        (("add", "rejected", "xy", "--as", "pdq"), "xy is not 64 hexadecimal digits"),
        (("forget", "nobody"), "no entry that holds: nobody"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(command, tmp_path, arguments, sentence):
    (tmp_path / "text.txt").write_text("text")
    status, output = command(*arguments)
    assert status != 0
    assert sentence in output
    assert "Traceback" not in output


def test_folder_in_which_no_server_runs_is_named(command, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "elsewhere"))
    status, output = command("list")
    assert status != 0
    assert "there is no DATA_DIR" in output
