"""A backup made while the server runs is a whole installation."""

import threading

from image_host import noise
from test_serve import run_command

MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}


def save(server, number):
    _, file = server.request("POST", f"/parse/files/{number}.jpg", noise(number), MASTER)
    body = f'{{"number": {number}, "image": {{"__type": "File", "name": "{file["name"]}"}}}}'
    assert server.request("POST", "/parse/classes/UserImage", body, MASTER)[0] == 201


def saved(server):
    path = "/parse/classes/UserImage?limit=1000&order=number"
    return server.request("GET", path, headers=MASTER)[1]["results"]


def test_backup_of_a_busy_server_starts_with_all_that_was_answered_before(start_server, tmp_path):
    server = start_server().wait_until_healthy()
    for number in range(20):
        save(server, number)
    going_on = threading.Event()

    def go_on():
        number = 20
        while not going_on.is_set():
            save(server, number)
            number += 1

    saver = threading.Thread(target=go_on)
    saver.start()
    result = run_command(tmp_path, "db", "backup", "copy", DATA_DIR=server.data_dir)
    going_on.set()
    saver.join()
    assert result.returncode == 0, result.stderr
    restored = start_server(DATA_DIR=tmp_path / "copy").wait_until_healthy()
    rows = saved(restored)
    assert [row["number"] for row in rows[:20]] == list(range(20))
    for row in rows:
        status, metadata = restored.request(
            "GET", f"/parse/files/myAppId/metadata/{row['image']['name']}"
        )
        assert status == 200
        assert metadata is not None
    names = {row["image"]["name"] for row in rows}
    assert names <= {path.name for path in (tmp_path / "copy" / "files").rglob("*")}


def test_folder_that_is_not_empty_is_refused_and_left_alone(start_server, tmp_path):
    server = start_server().wait_until_healthy()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").write_text("x")
    result = run_command(tmp_path, "db", "backup", "copy", DATA_DIR=server.data_dir)
    assert result.returncode == 1
    assert "name a new folder" in result.stderr
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine"]


def test_nothing_to_back_up_is_said(tmp_path):
    result = run_command(tmp_path, "db", "backup", "copy", DATA_DIR=tmp_path / "none")
    assert result.returncode == 1
    assert "there is no parsewarden.sqlite3" in result.stderr


def test_mongodb_is_left_to_its_own_tool(tmp_path):
    result = run_command(tmp_path, "db", "backup", "copy", DATABASE_URI="mongodb://127.0.0.1/x")
    assert result.returncode == 1
    assert "mongodump" in result.stderr


def test_damaged_database_is_refused_at_the_start_and_not_written_to(start_server, tmp_path):
    server = start_server().wait_until_healthy()
    for number in range(30):
        save(server, number)
    server.stop()
    file = server.data_dir / "parsewarden.sqlite3"
    for rest in server.data_dir.glob("parsewarden.sqlite3-*"):
        rest.unlink()
    data = bytearray(file.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 2000] = b"\xa5" * len(data[at : at + 2000])
    file.write_bytes(data)
    again = start_server()
    assert again.process.wait(timeout=30) == 1
    assert "is damaged" in again.log.read_text()
    assert "restore a backup" in again.log.read_text()
    assert file.read_bytes() == data
