"""Image bytes in, the pixels that the models were trained on out.

Owns format recognition, limits, decoding and orientation. Knows no model.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from ml_models import bmp, colours, heif, jpeg, png, webp
from ml_models.errors import (
    AmbiguousImage,
    DecodeError,
    ImageError,
    ImageTooLarge,
    UnsupportedImage,
)
from ml_models.memory import ANIMATED_PIXEL, OUR_PIXEL, PixelBuffer, bytes_with_pillow
from ml_models.scaling import PIECE_PIXELS, Pixels, pieces, scaled_size

Background = Literal["white", "black", "grey"]
"""What lies under a picture that one can see through."""

# Pillow knows some forty formats; those that no phone or browser uploads only widen the attack
# surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

# How Pillow names samples of PNG that it widens to 8 bits, unlike the transparent one among them:
# left so it would show as opaque what browsers see through. Of 48 bits it keeps too few to mend it.
_WIDENED = {"1": (1, 255), "L;2": (3, 85), "L;4": (15, 17)}  # the mask of its bits, and the factor
_DEEP_COLOURS = "RGB;16B"

# Exif 2.32, tag 0x0112: how the stored rows must be turned to stand upright.
_ORIENTATION_TAG = 0x0112

Image.MAX_IMAGE_PIXELS = None  # we refuse by `max_pixels` ourselves; Pillow's own limit only warns
pillow_heif.register_heif_opener()
# They start threads of their own for each image, which hold rows each; the permits already fill the
# cores.
pillow_heif.options.DECODE_THREADS = 1
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

# From here on it matters whether a decoder holds a copy. Below, phones' tiles are joined before
# their colours are made, as everywhere.
_LARGE_PIXELS = 16_000_000


def decode(
    data: bytes,
    max_pixels: int,
    buffer: PixelBuffer | None = None,
    *,
    enough_px: int | None = None,
    background: Background = "white",
) -> Pixels:
    """Decode an image of any supported format to RGB.

    Returns uint8 [H, W, 3]: EXIF orientation applied, alpha composited on white or, for what a
    dark page would show, on black; 16-bit samples cut to their high byte, first frame of
    animations. With a `buffer` the pixels may lie in it, until it is given to the next call.
    Thread-safe, with a buffer for each thread.

    With `enough_px` a JPEG comes out smaller, in a fraction of the time, if its longest side keeps
    at least so many pixels.

    Raises UnsupportedImage when the content is of no supported format, ImageTooLarge before
    anything is allocated when width x height > max_pixels, TooMuchMemory, in the same way, when it
    would take more than the buffer allows, DecodeError when it is not whole.
    """
    buffer = buffer or PixelBuffer()
    buffer.is_seen_through = False
    try:
        return _decoded(_Request(data, max_pixels, buffer, enough_px, background))
    except MemoryError as error:  # the kernel's limit: the header had promised less
        raise buffer.refusal() from error


@dataclass(frozen=True, slots=True)
class _Request:
    """What `decode` was asked for."""

    data: bytes
    max_pixels: int
    buffer: PixelBuffer
    enough_px: int | None
    background: Background

    def check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise ImageTooLarge(width, height, self.max_pixels)

    def pixels(self, width: int, height: int, decoder_bytes: int) -> Pixels:
        """The memory for the result, with so much beside it for the decoder."""
        self.buffer.make_room(width * height * OUR_PIXEL + decoder_bytes, len(self.data))
        return self.buffer.shaped(height, width)


def _decoded(asked: _Request) -> Pixels:
    header = webp.header(asked.data)
    if header is not None and not header.is_animated:
        return _decode_webp(asked, header)
    if header is not None:  # Pillow has two pictures of its size as soon as it is opened
        asked.check_size(header.width, header.height)
        asked.buffer.make_room(header.width * header.height * ANIMATED_PIXEL, len(asked.data))
    image = _open(asked.data)
    asked.check_size(*image.size)
    colours.check(image, asked.data)
    if image.format in ("JPEG", "MPO"):  # MPO: a JPEG with further pictures behind it
        jpeg.refuse_scan_bomb(asked.data)
        if image.mode in ("RGB", "L"):
            return _upright(_decode_jpeg(asked, *image.size), _orientation(image.getexif))
    if image.format == "PNG":
        _check_png(asked.data)
    if image.format == "BMP":
        bmp.check(asked.data)
    if image.format == "AVIF" and b"clap" in asked.data[: colours.PROPERTIES_WITHIN]:
        raise AmbiguousImage("AVIF: only a part of it is shown")  # which Pillow does not know
    with _only_image_errors(str(image.format)):
        pixels = _decode_in_parts(asked, image) if _is_large(image) else None
        return _decode_with_pillow(asked, image) if pixels is None else pixels


@contextmanager
def _only_image_errors(what: str) -> Iterator[None]:
    """Raise as DecodeError whatever a decoder's parsing of bad data trips over."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # plugins promise no kind, nor does zlib
        raise DecodeError(f"{what}: {error!r}") from error


def _open(data: bytes) -> Image.Image:
    """Read the header: format, size and mode are known afterwards, no pixel is."""
    with _only_image_errors("bad header"):
        try:
            return Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise UnsupportedImage(f"no decoder recognises {data[:8]!r}...") from error


def _check_png(data: bytes) -> None:
    """Compare every chunk with its checksum, which decoding does not, and its place."""
    with _only_image_errors("PNG"):
        _open(data).verify()
        png.check(data)


def _decode_jpeg(asked: _Request, width: int, height: int) -> Pixels:
    coefficients = jpeg.coefficient_bytes(asked.data)
    if asked.enough_px is None or asked.enough_px >= max(width, height):
        pixels = asked.pixels(width, height, coefficients)
        return jpeg.decode(asked.data, {"buffer": pixels})
    least = scaled_size(width, height, asked.enough_px)
    # Scaled by eighths: less than twice as much in each direction, or an eighth of it.
    most = (max(2 * less, -(-all_ // 8)) for less, all_ in zip(least, (width, height), strict=True))
    asked.buffer.make_room(prod(most) * OUR_PIXEL + coefficients, len(asked.data))
    return jpeg.decode(asked.data, {"min_width": least[0], "min_height": least[1]})


def _decode_webp(asked: _Request, header: webp.Header) -> Pixels:
    width, height = header.width, header.height
    asked.check_size(width, height)
    colours.check_profile(webp.profile(asked.data))
    if header.is_opaque:
        pixels = asked.pixels(width, height, header.decoder_bytes)
        layers = pixels
    else:
        asked.buffer.make_room(width * height * 4 + header.decoder_bytes, len(asked.data))
        layers = np.empty((height, width, 4), np.uint8)
    if not webp.decode_into(asked.data, layers):
        raise DecodeError("WebP: damaged or incomplete")
    if not header.is_opaque:
        pixels = _flattened_in_place(layers, asked)
    return _upright(pixels, _orientation(lambda: webp.exif(asked.data)))


def _flattened_in_place(layers: NDArray[np.uint8], asked: _Request) -> Pixels:
    """Lay uint8 [H, W, 4] RGBA on the background, in the same memory: three bytes a pixel never
    overtake four."""
    height, width, _ = layers.shape
    flat, pixels = layers.reshape(-1, 4), layers.reshape(-1)[: height * width * 3].reshape(-1, 3)
    for start in range(0, len(flat), PIECE_PIXELS):
        piece = flat[start : start + PIECE_PIXELS]
        strip = Image.frombytes("RGBA", (len(piece), 1), piece.tobytes())
        pixels[start : start + len(piece)] = _laid(strip, asked)[0]
    return pixels.reshape(height, width, 3)


def _is_large(image: Image.Image) -> bool:
    return image.width * image.height > _LARGE_PIXELS


def _decode_in_parts(asked: _Request, image: Image.Image) -> Pixels | None:
    """Decode what would take Pillow a copy of the whole; None for what only Pillow can."""
    if image.format == "PNG" and png.can_be_cut(asked.data, image):
        pixels, top = asked.pixels(*image.size, png.STRIP_BYTES * 4), 0
        for strip in png.strips(asked.data):
            strip.info = image.info  # transparency of a single colour
            pixels[top : top + strip.height] = _laid(strip, asked)
            top += strip.height
        return _upright(pixels, _orientation(lambda: png.exif(asked.data)))
    if image.format == "HEIF":
        with heif.grid(asked.data) as grid:
            if grid is not None and grid.size == image.size:
                pixels = asked.pixels(*image.size, grid.decoder_bytes)
                grid.decode_into(pixels)
                return _upright(pixels, _orientation(image.getexif))
    return None


def _decode_with_pillow(asked: _Request, image: Image.Image) -> Pixels:
    asked.buffer.make_room(bytes_with_pillow(image, asked.data), len(asked.data))
    tiles = getattr(image, "tile", ()) if image.format == "PNG" else ()
    samples = tiles[0].args if tiles else None
    image.load()
    if image.format == "PNG" and _ends_black(image):
        png.check_rows(asked.data)
    _mend_transparency(image, samples)
    orientation = _orientation(image.getexif)  # after load(): Pillow turns some formats itself
    return _upright(_rgb(image, asked), orientation)


def _ends_black(image: Image.Image) -> bool:
    """Whether the last row may be missing: Pillow leaves what does not come as zeros. Of interlaced
    pictures another row is the last to come, so what comes last there is not looked for."""
    width, height = image.size
    last = image.crop((0, height - 1, width, height))
    return bool(image.info.get("interlace")) or not np.asarray(last).any()


def _mend_transparency(image: Image.Image, samples: Any) -> None:
    """Name the transparent grey as its samples are after loading."""
    if "transparency" not in image.info:
        return
    if samples == _DEEP_COLOURS:
        raise DecodeError("PNG: which of its colours of 48 bits is transparent is not known")
    if samples in _WIDENED:
        mask, factor = _WIDENED[samples]
        image.info["transparency"] = (image.info["transparency"] & mask) * factor


def _rgb(image: Image.Image, asked: _Request) -> Pixels:
    """Convert piece by piece: each step over the whole would hold a copy of it more."""
    if image.mode in ("I", "F") and not (image.mode == "I" and image.format == "PNG"):
        raise DecodeError(f"{image.format}: samples of mode {image.mode} have no defined range")
    width, height = image.size
    pixels = asked.buffer.shaped(height, width)
    for rows, columns in pieces(height, width):
        piece = image.crop((columns.start, rows.start, columns.stop, rows.stop))
        piece.info = image.info  # transparency of palettes and single colours
        pixels[rows, columns] = _laid(piece, asked)
    return pixels


def _laid(image: Image.Image, asked: _Request) -> Pixels:
    """Lay it on the background, and say so if that is seen."""
    layer = _layer(image)
    if layer.mode == "RGBA":
        asked.buffer.is_seen_through = True
        layer = Image.alpha_composite(Image.new("RGBA", layer.size, asked.background), layer)
    return np.asarray(layer.convert("RGB"))


def _layer(image: Image.Image) -> Image.Image:
    """Return RGBA where anything is seen through, and any other mode where nothing is."""
    if image.mode.startswith("I"):  # 16 bits
        samples = np.asarray(image).astype(np.uint32)
        layer = Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
        if "transparency" in image.info:  # one grey, of 16 bits as well
            layer.putalpha(Image.fromarray(samples != image.info["transparency"]).convert("L"))
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
    else:
        return image
    is_opaque = layer.mode == "RGB" or layer.getchannel("A").getextrema() == (255, 255)
    return layer.convert("RGB") if is_opaque else layer


def _orientation(read_exif: Callable[[], Image.Exif]) -> int:
    try:
        value: Any = read_exif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF hides no pixel; browsers show such images too
        return 1
    return value if isinstance(value, int) else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn the stored rows upright; a view, no pixel is copied."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
