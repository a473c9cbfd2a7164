"""The disk is full on an upload: a clear error, nothing acknowledged is lost, and room heals it.

The data folder is a small file system of its own in memory, which takes the right to mount one.
"""

import os
import subprocess

import pytest
from books import wait_until_at_rest
from parse_calls import COLOURS, MASTER, ask, find, picture, save, set_policy, upload, wait_until
from pymongo.errors import OperationFailure
from running_mongo import Mongo

from cloud.moderation.errors import StoreFull
from server.storage.mongo.errors import translated_errors

pytestmark = pytest.mark.slow

LEASE_S = 30
NO_ROOM = {"code": 155, "error": "The server has no room left to store this. Try again later."}


class SmallDisk:
    """A file system of some megabytes, which can be filled to the last block."""

    def __init__(self, path):
        self.path, self._filler = path, path / "filler"

    def fill(self):
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        room = os.fstatvfs(descriptor)
        while room.f_bavail:
            os.write(descriptor, bytes(room.f_bavail * room.f_bsize))
            room = os.fstatvfs(descriptor)
        os.close(descriptor)

    def make_room(self):
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        if os.environ.get("TEST_NEEDS_MOUNT"):
            pytest.fail(mounted.stderr)
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def server(start_server, disk, clock):
    server = start_server(disk.path, clock=clock.path).wait_until_healthy()
    set_policy(server)
    return server


def test_full_disk_is_said_clearly_and_loses_nothing(server, disk, clock, hold):
    saved = [save(server, colour) for colour in COLOURS]
    wait_until_at_rest(server)
    held = hold(server.classifiers())
    saved += [save(server, colour) for colour in COLOURS]
    wait_until(lambda: find(server, "ModerationItem", attempts={"$gte": 1}, state="pending"))
    image, processes = upload(server, "gray"), server.family()
    disk.fill()
    for process in held:
        process.resume()
    for colour in COLOURS * 5:
        assert ask(server, "POST", "/files/a.jpg", picture(colour), MASTER) == (400, NO_ROOM)
        saved += save_if_there_is_room(server, image)
    assert server.request("GET", "/health")[1]["problems"] == ["disk full"]
    assert len(find(server, "UserImage", objectId={"$in": saved[:6]}, isSafe=True)) == 2
    disk.make_room()
    saved += [save(server, colour) for colour in COLOURS]
    clock.set(LEASE_S)
    books = wait_until_at_rest(server).check()
    assert books.objects.keys() == set(saved)
    assert server.family() == processes
    assert "Traceback" not in server.log.read_text()


def save_if_there_is_room(server, image):
    """Save an object with a stored file; its objectId, if it was taken.

    Room that the database's files have is used up before the disk's end is felt.
    """
    status, answer = ask(server, "POST", "/classes/UserImage", {"image": image}, MASTER)
    if status == 201:
        return [answer["objectId"]]
    assert (status, answer) == (400, NO_ROOM)
    return []


@pytest.fixture
def cramped_mongo(disk):
    """A MongoDB server on the small disk."""
    server = Mongo(disk.path / "mongo")
    yield server
    server.stop()


def test_full_disk_of_the_database_server_is_an_error_and_heals(
    start_server, cramped_mongo, disk, clock
):
    server = start_server(DATABASE_URI=cramped_mongo.uri, clock=clock.path).wait_until_healthy()
    set_policy(server)
    saved = [save(server, colour) for colour in COLOURS]
    disk.fill()
    for colour in COLOURS:
        data = picture(colour) + bytes(8_000_000)  # more than its files have room for
        status, answer = ask(server, "POST", "/files/a.jpg", data, MASTER)
        assert (status, answer["code"]) == (400, 155)
    disk.make_room()
    server.wait_until_healthy()
    saved.append(save(server, "blue"))
    clock.set(LEASE_S)
    books = wait_until_at_rest(server).check()
    assert books.objects.keys() == set(saved)
    assert "Traceback" not in server.log.read_text()


def test_mongodb_that_is_out_of_disk_space_is_said_to_be():
    with pytest.raises(StoreFull), translated_errors():
        raise OperationFailure("no room", 14031)


def test_full_disk_at_the_start_is_said_and_heals(start_server, disk):
    disk.fill()
    server = start_server(disk.path).wait_until_healthy(expected=503)
    assert server.request("GET", "/health")[1]["problems"] == [
        "database not reachable",
        "disk full",
    ]
    assert ask(server, "POST", "/files/a.jpg", picture("blue"), MASTER)[0] == 400
    disk.make_room()
    server.wait_until_healthy()
    set_policy(server)
    save(server, "blue")
    assert wait_until_at_rest(server).check().states() == {"approved": 1}
    assert "Traceback" not in server.log.read_text()
