"""Hostile pictures: whatever the bytes, an answer in time, an error of ours, and others served."""

import io
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from picture_files import collected, mutants, seeds
from PIL import Image

from ml_models import pretrained
from ml_models.classifier import NsfwClassifier
from ml_models.errors import ImageError

LONGEST_S = 15
FUZZ = Path(__file__).with_name("fuzz_decoder.py")


@pytest.fixture(scope="module")
def classifier(models_dir):
    made = NsfwClassifier(
        lambda: pretrained.load("MobileNetV2", models_dir),
        permits=2,
        max_waiting=8,
        max_wait_s=10.0,
        max_pixels=50_000_000,
    )
    yield made
    made.close()


@pytest.fixture
def bystander(classifier):
    """Somebody else's picture, over and over; it always gets its answer."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG")
    over, failures, times = threading.Event(), [], []

    def ask():
        while not over.wait(0.05):
            began = time.monotonic()
            try:
                classifier.classify(buffer.getvalue())
            except Exception as error:  # whatever it is, the test is told
                failures.append(error)
            times.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()
    assert failures == []
    assert max(times, default=0) < LONGEST_S


def try_all(classifier, tally, pictures):
    """Classify each; every answer is predictions or an ImageError, within the time."""
    for name, data in pictures:
        began = time.monotonic()
        try:
            classifier.classify(data)
            tally.survived()
        except ImageError:
            tally.refused()
        assert time.monotonic() - began < LONGEST_S, name


@pytest.mark.parametrize("name", seeds())
def test_mutants_of_every_format(classifier, bystander, tally, is_full, name):
    number = 400 if is_full else 12
    data = seeds()[name]
    try_all(classifier, tally, [(name, data)])
    try_all(classifier, tally, ((name, one) for one in mutants(data, number, seed=name)))


def test_truncated_pictures_are_never_taken_for_whole(classifier, tally):
    for name, data in seeds().items():
        if "animated" in name:  # whose first frame is whole
            continue
        for part in (0.3, 0.6, 0.9):
            with pytest.raises(ImageError):
                classifier.classify(data[: int(len(data) * part)])
            tally.refused()


BOMBS = {
    "a PNG that says it is huge": lambda: _with_size(seeds()["png"], 2**31 - 1, 2**31 - 1),
    "a GIF that says it is huge": lambda: b"GIF89a\xff\xff\xff\xff" + seeds()["gif"][10:],
    "a BMP that says it is huge": lambda: seeds()["bmp"][:18] + b"\xff\xff\xff\x7f" * 2,
    "a PNG of one colour, just allowed": lambda: _one_colour("PNG", compress_level=9),
    "a GIF of one colour, just allowed": lambda: _one_colour("GIF"),
    "a WebP of one colour, just allowed": lambda: _one_colour("WEBP", lossless=True, method=0),
    "a TIFF of one colour, just allowed": lambda: _one_colour("TIFF", compression="tiff_deflate"),
    "text chunks without end": lambda: _with_chunks(seeds()["png"], b"zTXt", 4000),
    "profiles without end": lambda: _with_chunks(seeds()["png"], b"iCCP", 2000),
    "scans without end": lambda: _with_scans(3000),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_bombs(classifier, bystander, tally, make):
    try_all(classifier, tally, [("bomb", make())])


def _with_size(png, width, height):
    import zlib

    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


def _with_chunks(png, kind, number):
    import zlib

    body = kind + b"x\0\0" + zlib.compress(b"\0" * 1_000_000)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return png[:33] + chunk * number + png[33:]


def _one_colour(format, **options):
    side = {"WEBP": (7000, 7000)}.get(format, (7070, 7070))
    buffer = io.BytesIO()
    Image.new("L" if format == "GIF" else "RGB", side, 7).save(buffer, format, **options)
    return buffer.getvalue()


def _with_scans(number):
    data = seeds()["progressive"]
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xda", start + 2)
    return data[:start] + data[start:end] * number + data[start:]


@pytest.mark.full
def test_what_decoders_makers_collect(classifier, bystander, tally, tmp_path):
    try_all(classifier, tally, collected(tmp_path))


@pytest.mark.full
def test_fuzzing_finds_no_crash(tally, tmp_path):
    for name, data in seeds().items():
        (tmp_path / name.replace(" ", "_")).write_bytes(data)
    result = subprocess.run(
        [sys.executable, FUZZ, tmp_path, "-max_total_time=240", "-timeout=20", "-rss_limit_mb=0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    (runs,) = re.findall(r"^Done (\d+) runs", result.stderr, re.MULTILINE)
    tally.survived(int(runs))
    assert int(runs) > 1000
