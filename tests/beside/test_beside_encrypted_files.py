"""Files under a key: what Parse Server's own adapter and our server encrypt, the other reads."""

import os
import subprocess
from contextlib import closing

import pytest
from node_packages import BIN, PATH, installed

from server.storage.encrypted_files import EncryptedFiles
from server.storage.mongo.database import MongoDatabase

KEY, DATA = "the key", b"GIF89a" + bytes(range(256)) * 2000


@pytest.fixture
def adapter(shared_uri, request):
    """Run the adapter of a Parse Server; returns what it read."""
    modules = installed(request.path.parent, "beside")
    script = request.path.parent / "encrypted_file.cjs"

    def run(*arguments):
        done = subprocess.run(
            [BIN / "node", script, shared_uri, KEY, *arguments],
            env=os.environ | {"PATH": PATH, "NODE_PATH": str(modules)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return bytes.fromhex(done.stdout)

    return run


@pytest.fixture
def files(shared_uri):
    with closing(MongoDatabase(shared_uri)) as database:
        yield EncryptedFiles(database.files, KEY)


def test_a_file_that_parse_server_encrypts_is_read(adapter, files):
    adapter("theirs.gif", DATA[:60_000].hex())
    assert files.read("theirs.gif") == DATA[:60_000]
    assert files.read("theirs.gif", 3, 6) == b"89a"


def test_parse_server_reads_what_we_encrypt(adapter, files):
    files.put("ours.gif", DATA, {})
    assert adapter("ours.gif") == DATA
