"""Files under a key: as Parse Server encrypts them, and nothing without the key."""

import pytest

from server.storage.encrypted_files import EncryptedFiles

KEY = "the key"
# What Node's crypto makes of GIF89a6789 in the way of Parse Server's GridFSBucketAdapter.
OF_PARSE_SERVER = bytes.fromhex(
    "de175453297f3e07618f000102030405060708090a0b0c0d0e0fba8d89629ebcf69df5dfd82fd906177a"
)


@pytest.fixture
def files(database):
    return EncryptedFiles(database.files, KEY)


def test_a_file_of_parse_server_is_read(database, files):
    database.files.put("a.gif", OF_PARSE_SERVER, {"album": "summer"})
    assert files.read("a.gif") == b"GIF89a6789"
    stored = files.stat("a.gif")
    assert (stored.length, stored.metadata) == (10, {"album": "summer"})


def test_a_file_comes_back_whole_and_in_parts_and_is_never_stored_as_it_is(database, files):
    files.put("a.gif", b"GIF89a6789", {"album": "summer"})
    assert files.read("a.gif") == b"GIF89a6789"
    assert files.read("a.gif", 3, 6) == b"89a"
    assert files.read("a.gif", 8) == b"89"
    first = database.files.read("a.gif")
    assert b"GIF" not in first
    files.put("b.gif", b"GIF89a6789", {})
    assert database.files.read("b.gif") != first
    assert set(files.names()) == {"a.gif", "b.gif"}
    assert files.delete("a.gif")
    assert files.read("a.gif") is files.stat("a.gif") is None


def test_an_empty_file_is_a_file(files):
    files.put("empty", b"", {})
    assert files.read("empty") == b""
    assert files.stat("empty").length == 0


@pytest.mark.parametrize("stored", [b"", b"short", b"GIF89a" + bytes(100)])
def test_a_file_that_is_not_encrypted_is_not_there(database, files, stored):
    database.files.put("a.gif", stored, {})
    assert files.read("a.gif") is None


@pytest.mark.parametrize("position", [0, 12, -1])
def test_a_file_that_was_changed_is_not_there(database, files, position):
    changed = bytearray(OF_PARSE_SERVER)
    changed[position] ^= 1
    database.files.put("a.gif", bytes(changed), {})
    assert files.read("a.gif") is None


def test_another_key_reads_nothing(database, files):
    files.put("a.gif", b"GIF89a6789", {})
    assert EncryptedFiles(database.files, "another key").read("a.gif") is None
