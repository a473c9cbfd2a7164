"""What decoding a picture may take of memory: whatever the file, no more than is allowed."""

import io
import struct
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from heic_grids import TILE, grid
from large_pictures import ACCEPTED, FAST_AVIF, FAST_WEBP, REFUSED, encoded
from PIL import Image
from running_server import REPOSITORY

from ml_models import images, jpeg, memory, pretrained
from ml_models.classifier import NsfwClassifier
from ml_models.errors import DecodeError, TooMuchMemory
from ml_models.fingerprint import fingerprint
from ml_models.images import decode
from ml_models.memory import COPIES_ELSEWHERE, MAX_BYTES, PixelBuffer
from ml_models.scaling import resize, shrink
from ml_models.types import Rendering

MAX_PIXELS = 50_000_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says and limits it")


class Watched:
    """A classifier of one process, and the memory that an image takes in it."""

    def __init__(self, models_dir):
        self.classifier = NsfwClassifier(
            lambda: pretrained.load("MobileNetV2Mid", models_dir),
            permits=1,
            max_waiting=4,
            max_wait_s=10.0,
            max_pixels=MAX_PIXELS,
        )
        for format in ("JPEG", "PNG"):  # which brings the model and the decoders
            self.classifier.classify(encoded(0.1, "RGB", format))
        self.process = psutil.Process(self.classifier._pool._children[0]._process.pid)
        self.idle = self.process.memory_info().rss

    def taken_by(self, work, data):
        """The peak above what it takes idle, the file elsewhere included."""
        proc = Path("/proc") / str(self.process.pid)
        (proc / "clear_refs").write_text("5")  # begins to look for the peak anew
        work(data)
        status = (proc / "status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
        return peak - self.idle + int(COPIES_ELSEWHERE * len(data))


@pytest.fixture
def watched(models_dir):
    made = Watched(models_dir)
    yield made
    made.classifier.close()


@linux
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("name", ACCEPTED)
def test_whatever_is_accepted_stays_within_250_megabytes(watched, name):
    data = ACCEPTED[name]()
    works = {
        "classify": watched.classifier.classify,
        "picture": lambda data: watched.classifier.picture(data, Rendering(1024)),
    }
    for what, work in works.items():
        assert watched.taken_by(work, data) <= MAX_BYTES, what
    assert watched.process.is_running()


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_would_take_more_is_refused_by_its_header(name):
    data, buffer = REFUSED[name](), PixelBuffer()
    started = time.process_time()
    with pytest.raises(TooMuchMemory, match="MAX_IMAGE_MEMORY") as refusal:
        decode(data, MAX_PIXELS, buffer)
    assert time.process_time() - started < 0.2
    assert refusal.value.needed_bytes > MAX_BYTES
    assert "250 MB" in refusal.value.public_message


def test_the_bound_is_exact():
    data = encoded(0.01, "RGB", "PNG")
    with pytest.raises(TooMuchMemory) as refusal:
        decode(data, MAX_PIXELS, PixelBuffer(1_000_000))
    needed = refusal.value.needed_bytes
    with pytest.raises(TooMuchMemory):
        decode(data, MAX_PIXELS, PixelBuffer(needed - 1))
    assert decode(data, MAX_PIXELS, PixelBuffer(needed)).shape[2] == 3


def test_refusal_crosses_the_process_with_its_facts(models_dir):
    classifier = NsfwClassifier(
        lambda: pretrained.load("MobileNetV2", models_dir),
        permits=1,
        max_waiting=4,
        max_wait_s=10.0,
        max_pixels=MAX_PIXELS,
        max_memory=20_000_000,
    )
    with pytest.raises(TooMuchMemory) as refusal:
        classifier.classify(encoded(3, "RGB", "PNG"))
    assert refusal.value.max_bytes == 20_000_000
    assert "20 MB" in refusal.value.public_message
    classifier.close()


TOO_MUCH = """
from ml_models.child import limit_memory
from ml_models.errors import DecodeError
from ml_models.images import decode
from ml_models.memory import bytes_in_use
import sys
small, large = (open(path, "rb").read() for path in sys.argv[1:])
decode(small, 50_000_000)  # which brings the decoder
limit_memory(bytes_in_use() + 20_000_000)
try:
    decode(large, 50_000_000)
except DecodeError as error:
    print("refused", error)
"""


QUICKLY = {"WEBP": FAST_WEBP, "AVIF": FAST_AVIF}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"])
def test_where_a_header_promised_less_the_kernel_says_no(tmp_path, format):
    paths = [tmp_path / "small", tmp_path / "large"]
    for path, megapixels in zip(paths, (0.01, 12), strict=True):
        mode = "L" if format == "GIF" else "RGB"
        path.write_bytes(encoded(megapixels, mode, format, **QUICKLY.get(format, {})))
    code = [sys.executable, "-c", TOO_MUCH, *paths]
    result = subprocess.run(code, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert result.stdout.startswith("refused")


@linux
@pytest.mark.slow
def test_small_pictures_leave_room_for_large_ones(watched):
    small = [encoded(3, "RGB", format) for format in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")]
    large = encoded(49.9, "RGB", "PNG", compress_level=1)
    for _ in range(3):
        for data in small:
            watched.classifier.classify(data)
        watched.classifier.classify(large)


# --- In parts, to the same pixels -----------------------------------------------------------------


NOISE = np.random.default_rng(3).integers(0, 256, (310, 270, 4), np.uint8)


def in_parts_and_whole(monkeypatch, data, background="white"):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 0)
    parts = decode(data, MAX_PIXELS, background=background).copy()
    monkeypatch.setattr(images, "_LARGE_PIXELS", MAX_PIXELS)
    return parts, decode(data, MAX_PIXELS, background=background)


def written(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
@pytest.mark.parametrize("strip_bytes", [1100, 5000, 2_000_000])
def test_png_in_strips_has_the_pixels_that_it_has_whole(monkeypatch, mode, strip_bytes):
    monkeypatch.setattr("ml_models.png.STRIP_BYTES", strip_bytes)
    data = written(Image.fromarray(NOISE).convert(mode))
    parts, whole = in_parts_and_whole(monkeypatch, data, "black")
    assert np.array_equal(parts, whole)


def test_png_in_strips_keeps_its_transparent_colour_and_its_orientation(monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(NOISE[..., :3])
    data = written(image, transparency=image.getpixel((3, 4)), exif=exif)
    parts, whole = in_parts_and_whole(monkeypatch, data)
    assert np.array_equal(parts, whole)
    assert parts.shape == (270, 310, 3)
    late = data.replace(chunk_of(data, b"eXIf"), b"")
    late = late[:-12] + chunk_of(data, b"eXIf") + late[-12:]  # behind the pixels
    assert np.array_equal(in_parts_and_whole(monkeypatch, late)[0], whole)


def chunk_of(data, kind):
    start = data.index(kind) - 4
    return data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]


@pytest.mark.parametrize("rows_kept", [0, 1, 200, 309])
def test_png_in_strips_that_ends_too_early_is_never_a_picture(monkeypatch, rows_kept):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 0)
    rows = b"".join(b"\0" + row.tobytes() for row in NOISE[:rows_kept])
    with pytest.raises(DecodeError, match="end too early"):
        decode(png_of(zlib.compress(rows)), MAX_PIXELS)


UNREADABLE = {
    "no zlib": b"pixels",
    "a filter of no kind": zlib.compress(b"".join(b"\x09" + row.tobytes() for row in NOISE)),
}


@pytest.mark.parametrize("deflated", UNREADABLE.values(), ids=UNREADABLE)
def test_png_in_strips_that_cannot_be_read_raises_nothing_but_image_errors(monkeypatch, deflated):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 0)
    with pytest.raises(DecodeError, match="PNG"):
        decode(png_of(deflated), MAX_PIXELS)


def png_of(deflated):
    """A PNG of the noise's size, whole by its checksums, with these rows."""
    body = b"IDAT" + deflated
    chunk = struct.pack(">I", len(deflated)) + body + struct.pack(">I", zlib.crc32(body))
    data = written(Image.fromarray(NOISE))
    return data[: data.index(b"IDAT") - 4] + chunk + data[-12:]


@pytest.mark.parametrize("rotation", [None, 1, 2, 3])
def test_heic_by_tiles_has_the_pixels_that_it_has_whole(monkeypatch, rotation):
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 256, (4, 16, 16, 3), np.uint8)
    tiles = [Image.fromarray(block).resize((TILE, TILE)) for block in blocks]
    data = grid(tiles, 1300, 1100, rotation)
    parts, whole = in_parts_and_whole(monkeypatch, data)
    assert parts.shape == ((1100, 1300, 3) if rotation in (None, 2) else (1300, 1100, 3))
    assert np.abs(parts.astype(int) - whole).max() <= 2


def test_heic_with_a_damaged_tile_is_never_a_picture(monkeypatch):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 0)
    data = grid([Image.effect_noise((TILE, TILE), 90).convert("RGB")], 1024, 1024)
    with pytest.raises(DecodeError):
        decode(data[: len(data) * 2 // 3], MAX_PIXELS)


def test_heic_whose_tiles_do_not_fit_its_size(monkeypatch):
    monkeypatch.setattr(images, "_LARGE_PIXELS", 0)
    tiles = [Image.new("RGB", (TILE, TILE), colour) for colour in ("red", "blue", "green")]
    exact, more, fewer = (grid(tiles, 700, 900, spare_rows=rows) for rows in (0, 2, -1))
    assert np.array_equal(decode(more, MAX_PIXELS), decode(exact, MAX_PIXELS))
    with pytest.raises(DecodeError, match="cover"):
        decode(fewer, MAX_PIXELS)


# --- Pictures of odd proportions ------------------------------------------------------------------


@linux
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("size", [(40_000_000, 1), (90_000, 449), (1, 40_000_000)])
def test_the_widest_and_the_highest_take_no_more(watched, size):
    buffer = io.BytesIO()
    Image.new("L", size, 7).save(buffer, "PNG")
    for work in (
        watched.classifier.classify,
        lambda data: watched.classifier.picture(data, Rendering(1024)),
    ):
        with suppress(TooMuchMemory):  # Pillow has an address for each row
            assert watched.taken_by(work, buffer.getvalue()) <= MAX_BYTES
    assert watched.process.is_running()


def test_wide_pictures_are_scaled_and_fingerprinted_as_others(monkeypatch):
    pixels = np.random.default_rng(7).integers(0, 256, (30, 3000, 3), np.uint8)
    scaled, seen = resize(pixels, 224), fingerprint(pixels).pdq
    monkeypatch.setattr("ml_models.scaling._ROWS_BYTES", 1000)
    monkeypatch.setattr("ml_models.fingerprint._WIDE", 100)
    assert np.array_equal(resize(pixels, 224), scaled)
    assert fingerprint(pixels).pdq == seen


def test_picture_is_shrunk_as_pillow_does(monkeypatch):
    monkeypatch.setattr("ml_models.scaling.PIECE_PIXELS", 5000)
    photo = Image.fromarray(NOISE[..., :3]).resize((1700, 1300))
    small = shrink(np.asarray(photo), 200)
    size = small.shape[1::-1]
    expected = photo.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    assert np.array_equal(small, np.asarray(expected))


@pytest.mark.parametrize(
    ("options", "bytes_per_pixel"),
    [
        ({}, 0),
        ({"progressive": True, "subsampling": 2}, 3),
        ({"progressive": True, "subsampling": 1}, 4),
        ({"progressive": True, "subsampling": 0}, 6),
    ],
)
def test_coefficients_of_what_comes_in_scans_are_counted(options, bytes_per_pixel):
    buffer = io.BytesIO()
    image = Image.new("RGB", (160, 320))
    thumbnail = b"\xff\xe1\x00\x08\xff\xda\x00\x00\x00\x00"  # in metadata, a scan is none
    image.save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    assert jpeg.coefficient_bytes(data[:2] + thumbnail + data[2:]) == 160 * 320 * bytes_per_pixel


@pytest.mark.parametrize("value", ["wide", float("nan"), float("inf"), 0])
def test_tag_that_counts_nothing_is_a_decode_error(value):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    image = Image.open(file)
    image.tag_v2[322] = value  # TileWidth
    with pytest.raises(DecodeError, match="no number"):
        memory.bytes_with_pillow(image, file.getvalue())


def lying_jpeg(height, width):
    """A small JPEG that promises a large picture."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG")
    data = bytearray(file.getvalue())
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.slow
def test_a_picture_that_lied_takes_nothing_from_those_after_it(watched):
    honest = encoded(12, "RGB", "PNG")
    for less in range(4):
        with pytest.raises(DecodeError):
            watched.classifier.classify(lying_jpeg(6900, 6900 - less))
        watched.classifier.classify(honest)
