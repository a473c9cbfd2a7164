"""Pictures to attack a decoder with: made here, mutated, and what decoders' makers collect."""

import io
import os
import random
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import PIL
import pillow_heif
from PIL import Image

MAGIC_BYTES = 4
pillow_heif.register_heif_opener()


def seeds():
    """A small picture in every format and mode that is read, by name."""
    rng = np.random.default_rng(7)
    rgb = Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8))
    alpha = rgb.convert("RGBA")
    alpha.putalpha(Image.fromarray(rng.integers(0, 256, (40, 48), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = {
        "jpeg": (rgb, "JPEG", {"exif": exif}),
        "progressive": (rgb, "JPEG", {"progressive": True}),
        "cmyk": (rgb.convert("CMYK"), "JPEG", {}),
        "grey jpeg": (rgb.convert("L"), "JPEG", {}),
        "png": (rgb, "PNG", {}),
        "alpha png": (alpha, "PNG", {}),
        "palette png": (rgb.quantize(16), "PNG", {"transparency": 0}),
        "16 bit png": (Image.fromarray(rng.integers(0, 65536, (40, 48), np.uint16)), "PNG", {}),
        "gif": (rgb.quantize(16), "GIF", {}),
        "animated gif": (rgb.quantize(16), "GIF", {"save_all": True, "append_images": [rgb]}),
        "bmp": (rgb, "BMP", {}),
        "tiff": (rgb, "TIFF", {"compression": "tiff_lzw"}),
        "deflated tiff": (alpha, "TIFF", {"compression": "tiff_deflate"}),
        "webp": (alpha, "WEBP", {}),
        "lossless webp": (alpha, "WEBP", {"lossless": True}),
        "avif": (alpha, "AVIF", {}),
        "heif": (alpha, "HEIF", {}),
    }
    return {name: _encoded(*how) for name, how in made.items()}


def _encoded(image, format, options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def mutants(data, number, seed):
    """The bytes changed in as many ways: bits, blocks, lengths, cuts, repetitions."""
    choose = random.Random(seed)
    for _ in range(number):
        changed = bytearray(data)
        for _ in range(choose.choice([1, 1, 2, 4, 16])):
            at = choose.randrange(MAGIC_BYTES, len(changed))
            match choose.randrange(6):
                case 0:
                    changed[at] ^= 1 << choose.randrange(8)
                case 1:
                    changed[at : at + 4] = choose.choice(
                        [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"]
                    )
                case 2:
                    changed[at:at] = choose.randbytes(choose.choice([1, 8, 200]))
                case 3:
                    del changed[at : at + choose.choice([1, 8, 200])]
                case 4:
                    changed[at:at] = changed[at : at + choose.choice([8, 64, 512])]
                case 5:
                    del changed[at:]
            if len(changed) <= MAGIC_BYTES + 1:
                break
        yield bytes(changed)


def collected(folder):
    """The files with which Pillow, and Go's image packages (PngSuite among them), are tested.

    From the package registries' own archives; about 50 MB are downloaded.
    """
    yield from _pillows(folder)
    yield from _gos(folder)


def _pillows(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run(
        [*command, "--no-binary", "pillow", "--dest", folder, f"pillow=={PIL.__version__}"],
        check=True,
    )
    (archive,) = folder.glob("[Pp]illow-*.tar.gz")
    with tarfile.open(archive) as files:
        for member in files:
            if member.isfile() and "/Tests/" in member.name and "/images/" in member.name:
                yield member.name.partition("/Tests/")[2], files.extractfile(member).read()


def _gos(folder):
    go = shutil.which("go")
    if go is None:
        return
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    ask = {"cwd": folder, "check": True, "capture_output": True, "text": True, "env": environment}
    (folder / "go.mod").write_text("module pictures\n")
    subprocess.run([go, "mod", "download", "golang.org/x/image@v0.30.0"], **ask)
    root = subprocess.run([go, "env", "GOROOT"], **ask).stdout.strip()
    cache = subprocess.run([go, "env", "GOMODCACHE"], **ask).stdout.strip()
    for place in (f"{root}/src/image", f"{cache}/golang.org/x/image@v0.30.0"):
        for parent, _, names in os.walk(place):
            if "testdata" in parent:
                for name in sorted(names):
                    path = os.path.join(parent, name)
                    with open(path, "rb") as file:
                        yield path.partition("testdata/")[2], file.read()
