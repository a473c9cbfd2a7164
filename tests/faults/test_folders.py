"""A data folder that cannot be written to: a clear error at the start and at work, and it heals.

Permissions do not stop root, so its files are made immutable, which Linux file systems can.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, MASTER, ask, find, picture, save, set_policy, upload

pytestmark = pytest.mark.slow

LEASE_S = 30


def change_attributes(change, paths):
    done = subprocess.run(["chattr", change, *paths], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("TEST_NEEDS_MOUNT"):
            pytest.fail(done.stderr)
        pytest.skip(f"nothing can be made immutable here: {done.stderr.strip()}")


class Folder:
    """A folder in which nothing can be changed while it is closed, through open files either."""

    def __init__(self, path):
        self.path = path
        self._closed = []

    def close(self):
        paths = [self.path, *self.path.rglob("*")]
        # What processes share of memory is no file to them; a system cut off from its disk has it.
        self._closed = [path for path in paths if not path.name.endswith("-shm")]
        change_attributes("+i", self._closed)

    def open(self):
        if self._closed:
            change_attributes("-i", self._closed)
        self._closed = []


@pytest.fixture
def folder():
    # Not where the other tests have theirs: in memory, open files can be written to all the same.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        made = Folder(Path(place) / "data")
        yield made
        made.open()


def test_folder_that_is_readable_only_ends_the_start_with_a_sentence(start_server, folder):
    folder.path.mkdir()
    folder.close()
    server = start_server(folder.path)
    assert server.process.wait(timeout=20) == 1
    assert f"DATA_DIR {folder.path} cannot be written to" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


REFUSED = {
    "code": 155,
    "error": "The database is not reachable at the moment. Try again shortly.",
}


def test_folder_that_becomes_readable_only_is_an_error_and_loses_nothing(
    start_server, folder, clock
):
    server = start_server(folder.path, clock=clock.path).wait_until_healthy()
    set_policy(server)
    saved = [save(server, colour) for colour in COLOURS]
    image = upload(server, "gray")
    wait_until_at_rest(server)
    folder.close()
    assert ask(server, "POST", "/files/a.jpg", picture("blue"), MASTER) == (400, REFUSED)
    assert ask(server, "POST", "/classes/UserImage", {"image": image}, MASTER) == (400, REFUSED)
    assert server.request("GET", "/health")[1]["problems"] == ["data folder not writable"]
    assert len(find(server, "UserImage")) == len(COLOURS)
    folder.open()
    server.wait_until_healthy()
    saved.append(save(server, "blue"))
    clock.set(LEASE_S)
    books = wait_until_at_rest(server).check()
    assert books.objects.keys() == set(saved)
    assert "Traceback" not in server.log.read_text()
