"""Image bytes in, the pixels that the models were trained on out.

Owns format recognition, limits, decoding, orientation and nsfwjs's resize. Knows no model.
"""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pillow_heif
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ml_models import webp
from ml_models.errors import DecodeError, ImageTooLarge, UnsupportedImage

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 3], RGB."""

Background = Literal["white", "black", "grey"]
"""What lies under a picture that one can see through."""

# Pillow knows some forty formats; those that no phone or browser uploads only widen the attack
# surface.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

# A JPEG is gone through once per scan, even an empty one: 3,000 of 49 megapixels, in a file of
# 33 KB, take 14 s. Encoders write about 10; libjpeg-turbo's own fuzzers stop at 500.
MAX_JPEG_SCANS = 100

_STRIP_PIXELS = 1_000_000

# How Pillow names samples of PNG that it widens to 8 bits, unlike the transparent one among them:
# left so it would show as opaque what browsers see through. Of 48 bits it keeps too few to mend it.
_WIDENED = {"1": (1, 255), "L;2": (3, 85), "L;4": (15, 17)}  # the mask of its bits, and the factor
_DEEP_COLOURS = "RGB;16B"

_END_OF_IMAGE = b"\xff\xd9"

# Exif 2.32, tag 0x0112: how the stored rows must be turned to stand upright.
_ORIENTATION_TAG = 0x0112

Image.MAX_IMAGE_PIXELS = None  # we refuse by `max_pixels` ourselves; Pillow's own limit only warns
pillow_heif.register_heif_opener()
# libheif starts its own threads for each image; the permits already fill the cores.
pillow_heif.options.DECODE_THREADS = 1


class PixelBuffer:
    """Memory for one image's pixels, used again for the next: asking the kernel for it anew takes
    as long as a third of decoding. Holds the pixels of the last `decode` it was given to.

    `is_seen_through` says whether the background shows anywhere in them."""

    _KEPT_BYTES = 64 * 1024 * 1024

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)
        self.is_seen_through = False

    def shaped(self, height: int, width: int) -> Pixels:
        """Return [height, width, 3] of it, grown if need be; what is very large is not kept."""
        size = height * width * 3
        if size > self._KEPT_BYTES:
            return np.empty((height, width, 3), np.uint8)
        if size > self._bytes.size:
            self._bytes = np.empty(size, np.uint8)
        return self._bytes[:size].reshape(height, width, 3)


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
    anything is allocated when width x height > max_pixels, DecodeError when it is not whole.
    """
    buffer = buffer or PixelBuffer()
    buffer.is_seen_through = False
    image = _open(data)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(width, height, max_pixels)
    if image.format in ("JPEG", "MPO"):  # MPO: a JPEG with further pictures behind it
        _refuse_scan_bomb(data)
        if image.mode in ("RGB", "L"):
            if enough_px is None or enough_px >= max(width, height):
                into: dict[str, Any] = {"buffer": buffer.shaped(height, width)}
            else:
                least = scaled_size(width, height, enough_px)
                into = {"min_width": least[0], "min_height": least[1]}
            return _upright(_decode_jpeg(data, into), _orientation(image))
    if image.format == "PNG":
        _check_png(data)
    if image.format == "WEBP":
        pixels = _decode_webp(data, image, buffer, background)
        if pixels is not None:
            return _upright(pixels, _orientation(image))
    return _decode_with_pillow(image, buffer, background)


def scaled_size(width: int, height: int, longest_side_px: int) -> tuple[int, int]:
    """The size of a picture whose longest side is shortened to so many pixels, if it is longer."""
    scale = min(1.0, longest_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize(pixels: Pixels, size_px: int) -> NDArray[np.float32]:
    """Scale to float32 [size_px, size_px, 3] in 0..1 exactly as nsfwjs does.

    nsfwjs `core.ts`: divide by 255, then `tf.image.resizeBilinear` with aligned corners, which
    reads the four pixels around `i * (in - 1) / (out - 1)` and does not antialias.
    """
    if abs(pixels.strides[0]) < abs(pixels.strides[1]):  # a turned photo: its columns lie together
        return np.ascontiguousarray(resize(pixels.transpose(1, 0, 2), size_px).transpose(1, 0, 2))
    height, width, _ = pixels.shape
    top, bottom, y_weight = _taps(height, size_px)
    left, right, x_weight = _taps(width, size_px)
    places = np.concatenate((top, bottom))
    # `take` is faster, but first copies the whole of what is mirrored.
    picked = pixels.take(places, axis=0) if pixels.flags.c_contiguous else pixels[places]
    rows = picked.reshape(2 * size_px, width * 3)
    across = _lerp(_columns(rows, left), _columns(rows, right), np.repeat(x_weight, 3))
    scaled = _lerp(across[:size_px], across[size_px:], y_weight[:, np.newaxis])
    scaled /= np.float32(255)
    return scaled.reshape(size_px, size_px, 3)


def _columns(rows: Pixels, columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """Pick RGB columns out of rows of bytes; by byte is faster than by triple."""
    places = (columns[:, np.newaxis] * 3 + np.arange(3)).ravel()
    return rows.take(places, axis=1).astype(np.float32)


def _lerp(
    start: NDArray[np.float32], end: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """start + (end - start) * weight, computed inside `end`."""
    end -= start
    end *= weight
    end += start
    return end


def _open(data: bytes) -> Image.Image:
    """Read the header: format, size and mode are known afterwards, no pixel is."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnsupportedImage(f"no decoder recognises {data[:8]!r}...") from error
    except Exception as error:  # a plugin raises whatever its parsing of a bad header trips over
        raise DecodeError(f"bad header: {error!r}") from error


def _check_png(data: bytes) -> None:
    """Compare every chunk with its checksum, which decoding does not."""
    try:
        _open(data).verify()
    except DecodeError:
        raise
    except Exception as error:  # a plugin raises whatever its parsing of bad data trips over
        raise DecodeError(f"PNG: {error!r}") from error


def _refuse_scan_bomb(data: bytes) -> None:
    # Inside entropy-coded data 0xFF is always stuffed, so this counts true start-of-scan markers,
    # and at most a few more inside an embedded thumbnail.
    octets = np.frombuffer(data, np.uint8)  # numpy counts five times as fast as bytes.count
    scans = np.count_nonzero((octets[:-1] == 0xFF) & (octets[1:] == 0xDA))
    if scans > MAX_JPEG_SCANS:
        raise DecodeError(f"JPEG with {scans} scans, more than {MAX_JPEG_SCANS}")


def _decode_jpeg(data: bytes, into: Mapping[str, Any]) -> Pixels:
    """Decode with libjpeg-turbo; its warnings count as errors, for they mean guessed pixels."""
    try:
        return _turbojpeg(data, into)
    except ValueError as error:
        # Some cameras pad with zeros before the end marker. That alone loses no pixel.
        unpadded = data[: data.rfind(_END_OF_IMAGE)].rstrip(b"\0") + _END_OF_IMAGE
        if "extraneous bytes" not in str(error) or unpadded == data:
            raise DecodeError(f"JPEG: {error}") from error
    try:
        return _turbojpeg(unpadded, into)
    except ValueError as error:
        raise DecodeError(f"JPEG: {error}") from error


def _turbojpeg(data: bytes, into: Mapping[str, Any]) -> Pixels:
    decoded: Pixels = simplejpeg.decode_jpeg(data, "RGB", strict=True, **into)
    return decoded


def _decode_webp(
    data: bytes, image: Image.Image, buffer: PixelBuffer, background: Background
) -> Pixels | None:
    """Decode in a fraction of the memory that Pillow takes; None where only Pillow can, or says
    what is wrong."""
    width, height = image.size
    if image.mode == "RGB":
        pixels = buffer.shaped(height, width)
        return pixels if webp.decode_into(data, pixels) else None
    layers = np.empty((height, width, 4), np.uint8)
    if not webp.decode_into(data, layers):
        return None
    layered = Image.frombuffer("RGBA", image.size, layers, "raw", "RGBA", 0, 1)
    return _rgb(layered, buffer, background)


def _decode_with_pillow(image: Image.Image, buffer: PixelBuffer, background: Background) -> Pixels:
    try:
        tiles = getattr(image, "tile", ()) if image.format == "PNG" else ()
        samples = tiles[0].args if tiles else None
        image.load()
        _mend_transparency(image, samples)
        orientation = _orientation(image)  # after load(): Pillow turns some formats itself
        pixels = _rgb(image, buffer, background)
    except DecodeError:
        raise
    except Exception as error:  # a plugin raises whatever its parsing of bad data trips over
        raise DecodeError(f"{image.format}: {error!r}") from error
    return _upright(pixels, orientation)


def _mend_transparency(image: Image.Image, samples: Any) -> None:
    """Name the transparent grey as its samples are after loading."""
    if "transparency" not in image.info:
        return
    if samples == _DEEP_COLOURS:
        raise DecodeError("PNG: which of its colours of 48 bits is transparent is not known")
    if samples in _WIDENED:
        mask, factor = _WIDENED[samples]
        image.info["transparency"] = (image.info["transparency"] & mask) * factor


def _rgb(image: Image.Image, buffer: PixelBuffer, background: Background) -> Pixels:
    """Convert strip by strip: each step over the whole would hold a copy of it more."""
    if image.mode in ("I", "F") and not (image.mode == "I" and image.format == "PNG"):
        raise DecodeError(f"{image.format}: samples of mode {image.mode} have no defined range")
    width, height = image.size
    pixels = buffer.shaped(height, width)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image.crop((0, top, width, bottom))
        strip.info = image.info  # transparency of palettes and single colours
        layer = _layer(strip)
        if layer.mode == "RGBA":
            buffer.is_seen_through = True
            layer = Image.alpha_composite(Image.new("RGBA", layer.size, background), layer)
        pixels[top:bottom] = np.asarray(layer.convert("RGB"))
    return pixels


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


def _orientation(image: Image.Image) -> int:
    try:
        value: Any = image.getexif().get(_ORIENTATION_TAG, 1)
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


@lru_cache(maxsize=64)  # pictures from one app come in few sizes
def _taps(
    size_in: int, size_out: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each output position the two input positions around it and the second one's weight."""
    position = np.arange(size_out, dtype=np.float32) * np.float32((size_in - 1) / (size_out - 1))
    first = np.minimum(position.astype(np.intp), size_in - 1)
    second = np.minimum(first + 1, size_in - 1)
    return first, second, position - first.astype(np.float32)
