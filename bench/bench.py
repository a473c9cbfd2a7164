"""`make bench`: how near the server comes to the bare model, in one run on the same cores.

Prints Markdown tables. Absolute figures depend on the machine and the hour; the ratios do not.
"""

import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
from pictures import mosaic
from unique import with_comment

from config import load_settings
from ml_models import pretrained

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
MODELS_DIR = load_settings().models_path.resolve()
CORES = os.cpu_count() or 1
PICTURES = {"1 MP": (1224, 816), "12 MP": (4000, 3000)}
CONCURRENCIES = (1, 4, 16)
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
MODEL_SECONDS = float(os.environ.get("BENCH_MODEL_SECONDS", "4"))


def main():
    with tempfile.TemporaryDirectory(prefix="parsewarden-bench-") as folder:
        pictures = {name: write_picture(Path(folder), name) for name in PICTURES}
        describe_machine(pictures)
        print(
            "| model | picture | sent as | concurrency | requests/s | p50 ms | p95 ms | p99 ms "
            "| bare model images/s | ratio |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|"
        )
        starts = [bench_model(name, pictures, Path(folder)) for name in pretrained.known_names()]
        print(
            "\n| model | start to first answer, s | web process, MB | each classifier process, MB |"
            "\n|---|--:|--:|--:|"
        )
        for line in starts:
            print(line)


def write_picture(folder, name):
    path = folder / f"{name.replace(' ', '')}.jpg"
    path.write_bytes(mosaic(*PICTURES[name]))
    return path


def describe_machine(pictures):
    print(f"{CORES} cores ({cpu_name()}), Python {platform.python_version()}; server, load and")
    print("image host share them.", end=" ")
    sizes = [f"{name}: {path.stat().st_size // 1024} KB" for name, path in pictures.items()]
    print(f"JPEG quality 85, {', '.join(sizes)}.\n")


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def bench_model(name, pictures, folder):
    data_dir = folder / name
    with running_server(name, data_dir, pictures["1 MP"]) as (server, port, host, seconds):
        number = 0
        for picture, path in pictures.items():
            for concurrency in CONCURRENCIES:
                number += 100_000_000
                row(name, picture, "upload", path, port, concurrency, number)
            if picture == "1 MP":
                row(name, picture, "URL", path, port, 4, number + 50_000_000, host)
        web, *classifiers = memory_mb(server)
    return f"| {name} | {seconds:.1f} | {web:.0f} | {statistics.mean(classifiers):.0f} |"


def row(model, picture, sent_as, path, port, concurrency, first_number, by_url=""):
    """Measure and print one line; the bare model runs right before and right after."""
    before = bare_model(model)
    result = load(port, path, concurrency, first_number, by_url)
    bare = (before + bare_model(model)) / 2
    errors = f" ({result['errors']} errors)" if result["errors"] else ""
    print(
        f"| {model} | {picture} | {sent_as} | {concurrency} | {result['per_second']:.1f}{errors} "
        f"| {result['p50_ms']:.0f} | {result['p95_ms']:.0f} | {result['p99_ms']:.0f} "
        f"| {bare:.1f} | {result['per_second'] / bare:.2f} |",
        flush=True,
    )


def bare_model(name):
    model = pretrained.load(name, MODELS_DIR)
    arguments = [model.path, model.spec.input_size_px, CORES, MODEL_SECONDS / 2]
    return float(run("bare_model.py", *arguments))


def load(port, path, concurrency, first_number, by_url):
    return json.loads(run("load.py", port, path, concurrency, SECONDS, first_number, by_url))


def run(script, *arguments):
    command = [sys.executable, HERE / script, *map(str, arguments)]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout


@contextmanager
def running_server(model, data_dir, picture):
    """Start a server and an image host; yield both, and the seconds to the first answer."""
    port, host_port = free_port(), free_port()
    host = subprocess.Popen([sys.executable, HERE / "image_host.py", str(host_port), picture])
    environment = os.environ | {
        "TF_MODEL_URL": model,
        "MODELS_DIR": str(MODELS_DIR),
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "IMAGE_FETCH_ALLOW": f"127.0.0.1:{host_port}",
    }
    started = time.monotonic()
    server = psutil.Popen(
        [sys.executable, "-m", "server", "run"],
        env=environment,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        seconds = first_answer(port, picture.read_bytes()) - started
        yield server, port, f"http://127.0.0.1:{host_port}", seconds
    finally:
        host.kill()
        host.wait()
        server.terminate()
        server.wait()


def first_answer(port, jpeg):
    body = b"".join(with_comment(jpeg, 0))
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/api/image/classify", body)
            if connection.getresponse().status == 200:
                return time.monotonic()
        except OSError:
            time.sleep(0.02)
        finally:
            connection.close()


def memory_mb(server):
    """What the web process holds to itself, then each of its classifiers; shared pages not."""
    (web,) = server.children()
    return [p.memory_full_info().uss / 1e6 for p in (web, *web.children())]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
