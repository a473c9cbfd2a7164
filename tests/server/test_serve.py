"""The server as its operator runs it: real processes, started, refused, interrupted, killed."""

import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from image_host import noise
from PIL import Image
from running_server import CLASSIFY, free_port, run_command, wait_for_port


def exit_of(server):
    return server.process.wait(timeout=20), server.log.read_text()


def test_server_says_what_to_try_and_classifies(start_server):
    server = start_server().wait_until_healthy()
    status, predictions = server.classify(noise(1))
    assert (status, len(predictions)) == (200, 5)
    assert f"http://localhost:{server.port}" in server.log.read_text()


@pytest.mark.parametrize("multipart", [False, True])
def test_chunked_upload_is_classified(start_server, multipart):
    server = start_server().wait_until_healthy()
    body, headers = noise(8), {}
    if multipart:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\n'
        body = head + body + b"\r\n--x--\r\n"
    status, predictions = server.request("POST", CLASSIFY, iter([body[:9], body[9:]]), headers)
    assert (status, len(predictions)) == (200, 5)


def raw_answer(server, text):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(text)
        return connection.recv(65536)


@pytest.mark.parametrize("path", [b"/parse/functions/nsfwImageClassify", CLASSIFY.encode()])
@pytest.mark.parametrize("chunks", [b"ZZ\r\nabc\r\n", b"-5\r\nabc\r\n", b"3\r\nabcXX\r\n"])
def test_malformed_chunks_are_a_client_error(start_server, path, chunks):
    server = start_server().wait_until_healthy()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw_answer(server, head + chunks).startswith(b"HTTP/1.1 400")


def test_strangers_headers_neither_move_the_app_nor_forge_log_lines(start_server):
    server = start_server().wait_until_healthy()
    status, _ = server.request("GET", "/health", headers={"SCRIPT_NAME": "/zzz"})
    assert status == 200
    keys = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
    server.request("POST", "/functions/%0a2026-11-22%20FAKE%1b", "{}", keys)
    assert not any(
        line.startswith("2026-11-22 FAKE") for line in server.log.read_text().split("\n")
    )
    assert "\x1b" not in server.log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"POST /health HTTP/1.1\r\nHo",
        b"POST /api/image/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
    ],
)
def test_stalled_clients_are_dropped_and_others_served_again(start_server, sent):
    server = start_server().wait_until_healthy()
    stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    for connection in stalled:
        connection.sendall(sent)
    assert server.classify(noise(11))[0] == 200
    for connection in stalled:
        connection.close()


def test_second_instance_on_the_same_data_is_refused_clearly(start_server):
    first = start_server().wait_until_healthy()
    code, log = exit_of(start_server())
    assert code == 1
    assert f"another server (process {first.process.pid}) is running on" in log
    assert first.classify(noise(2))[0] == 200


def test_port_in_use_is_refused_clearly(start_server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code, log = exit_of(start_server(PORT=listener.getsockname()[1]))
    assert code == 1
    assert "set another PORT" in log


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PORT": "many"}, "PORT: "),
        ({"BIND_HOST": "0.0.0.0"}, "set your own in .env"),  # noqa: S104 - refused
        ({"APP_ID": "mine"}, "MASTER_KEY is not set"),
        ({"IMAGE_FETCH_ALLOW": "http://x"}, "IMAGE_FETCH_ALLOW has a bad entry"),
        ({"DATABASE_URI": "postgres://x"}, "DATABASE_URI cannot be used"),
        ({"CLOUD_CODE_MAIN": "nowhere.py"}, "there is no file nowhere.py"),
        ({"MASTER_KEY_IPS": "everywhere"}, "MASTER_KEY_IPS: "),
    ],
)
def test_setting_that_cannot_work_ends_the_start_with_a_sentence(settings, sentence, tmp_path):
    result = run_command(tmp_path, "run", DATA_DIR=tmp_path, **{"PORT": free_port(), **settings})
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"IMAGE_FETCH_ALLOW": "http://localhost:8000"}, "write host or host:port"),
        ({"TF_MODEL_URL": "http://localhost:8000/model.json"}, "must be in IMAGE_FETCH_ALLOW"),
        (
            {"TF_MODEL_URL": "http://127.0.0.1:9/", "IMAGE_FETCH_ALLOW": "127.0.0.1"},
            "Connection refused",
        ),
        ({"TF_MODEL_URL": "nonsense"}, "nonsense"),
        ({"CLASSIFY_PERMITS": "many"}, "CLASSIFY_PERMITS: "),
    ],
)
def test_model_that_cannot_be_had_is_said_in_a_sentence(settings, sentence, tmp_path):
    result = run_command(tmp_path, "models", "fetch", DATA_DIR=tmp_path, **settings)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_without_the_mount_is_doubted_at_the_start(start_server):
    server = start_server(SERVER_URL="http://api.example").wait_until_healthy()
    assert "SERVER_URL: http://api.example does not end in /parse" in server.log.read_text()


def test_a_misspelt_model_is_named_at_the_start_beside_the_known_ones(start_server):
    server = start_server(TF_MODEL_URL="MobileNetV3").wait_until_healthy(503)
    assert "'MobileNetV3': neither a known model (MobileNetV2, " in server.log.read_text()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_everything_that_was_started(start_server, sign):
    server = start_server().wait_until_healthy()
    family = server.family()
    assert len(family) >= 3, "arbiter, web process, classifiers"
    os.killpg(server.process.pid, sign)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_interrupt_of_the_first_process_alone_stops_everything_in_time(start_server):
    server = start_server().wait_until_healthy()
    family = server.family()
    server.process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert "SIGKILL" not in server.log.read_text()


def test_what_it_writes_is_for_its_user_alone(start_server):
    server = start_server().wait_until_healthy()
    assert server.classify(noise(12))[0] == 200
    for path in [server.data_dir, *server.data_dir.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0 or path.is_socket(), path


def test_kill_9_leaves_nothing_behind_and_the_next_start_works(start_server):
    server = start_server().wait_until_healthy()
    image = noise(3)
    before = server.classify(image)
    family = server.family()
    server.process.kill()
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    again = start_server().wait_until_healthy()
    assert again.classify(image) == before


def test_killed_web_process_is_replaced(start_server):
    server = start_server().wait_until_healthy()
    (web,) = server.process.children()
    web.kill()
    web.wait()
    server.wait_until_healthy()
    assert server.classify(noise(4))[0] == 200


def test_server_waits_for_a_missing_model_and_serves_when_it_is_there(
    start_server, models_dir, tmp_path
):
    folder = tmp_path / "models"
    server = start_server(MODELS_DIR=folder)
    server.wait_until_healthy(expected=503)
    assert server.classify(noise(5))[0] == 503
    folder.symlink_to(models_dir)
    server.wait_until_healthy()
    assert server.classify(noise(5))[0] == 200


def start_nx(folder, port):
    command = [Path(sys.executable).with_name("nx-27017"), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--data-dir", folder / "nx"]
    command += ["--log-file", folder / "nx.log", "--pid-file", folder / "nx.pid"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_port(port, process)
    return process


def test_mongodb_away_is_503_and_heals_by_itself(start_server, tmp_path):
    port = free_port()
    database = start_nx(tmp_path, port)
    server = start_server(DATABASE_URI=f"mongodb://127.0.0.1:{port}/test").wait_until_healthy()
    assert server.classify(noise(6))[0] == 200
    database.kill()
    database.wait()
    status, answer = server.classify(noise(7))
    assert status == 503
    assert "database" in answer["error"]
    keys = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
    status, answer = server.request(
        "POST", "/parse/functions/nsfwImageClassify", '{"url":"data:,x"}', keys
    )
    assert (status, answer["code"]) == (400, 155)
    assert server.request("GET", "/health")[0] == 503
    database = start_nx(tmp_path, port)
    server.wait_until_healthy()
    assert server.classify(noise(7))[0] == 200
    database.kill()
    database.wait()


def test_health_command_asks_the_running_server(start_server, tmp_path):
    server = start_server().wait_until_healthy()

    assert run_command(tmp_path, "health").returncode == 0, "its data folder says which port"
    server.stop()
    down = run_command(tmp_path, "health", PORT=free_port())
    assert down.returncode == 1
    assert "nothing answers" in down.stderr


def mixed_images(seed):
    """Endless images of mixed sizes and formats, each with bytes of its own."""
    random_ = random.Random(seed)
    while True:
        size = random_.choice([(64, 48), (320, 240), (640, 480), (1280, 960)])
        format = random_.choice(["JPEG", "JPEG", "PNG", "WEBP"])
        colour = tuple(random_.randrange(256) for _ in range(3))
        image = Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8))
        image.putpixel(
            (random_.randrange(64), random_.randrange(48)), (random_.randrange(256), 0, 0)
        )
        buffer = io.BytesIO()
        image.save(buffer, format)
        yield buffer.getvalue() + seed.to_bytes(4, "big") + random_.randbytes(8)


@pytest.mark.slow
@pytest.mark.alone
def test_memory_stays_flat_over_2000_classifications(start_server):
    server = start_server(CLASSIFY_MAX_WAIT=60).wait_until_healthy()
    statuses = []

    def send(seed, count):
        images = mixed_images(seed)
        for _ in range(count):
            statuses.append(server.classify(next(images))[0])

    def burst(total, first_seed):
        threads = [
            threading.Thread(target=send, args=[first_seed + n, total // 16]) for n in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Pages that two of them share count half for each: they part as both write to them.
        return sum(process.memory_full_info().pss for process in server.family())

    burst(112, 0)
    after_first = burst(16, 50)
    at_end = burst(1888, 100)
    assert set(statuses) == {200}
    assert len(statuses) == 2016
    assert at_end <= after_first * 1.2, f"{after_first / 1e6:.0f} MB became {at_end / 1e6:.0f} MB"


def test_cloud_code_that_does_not_load_is_said_in_a_sentence(tmp_path):
    code = tmp_path / "main.py"
    code.write_text("import no_such_module\n")
    result = run_command(tmp_path, "run", CLOUD_CODE_MAIN=code, PORT=free_port())
    assert result.returncode == 1
    assert "No module named 'no_such_module'" in result.stderr
    assert "line 1 of" in result.stderr
    assert "Traceback" not in result.stderr


def test_database_of_a_running_server_is_not_copied(start_server, tmp_path):
    start_server().wait_until_healthy()
    result = run_command(tmp_path, "db", "copy", tmp_path / "data", tmp_path / "copy")
    assert result.returncode == 1
    assert "is running on" in result.stderr
