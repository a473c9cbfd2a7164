"""Image bytes in, small pictures of them out: for a person to look at, or to stand in for one.

What comes out is made of the decoded pixels alone: upright, the first frame, no metadata. Runs in
the child process, for it decodes what strangers sent.
"""

import numpy as np
import simplejpeg
from PIL import Image, ImageFilter

from ml_models.blurhash import blurhash
from ml_models.images import decode
from ml_models.memory import PixelBuffer
from ml_models.scaling import Pixels, shrink
from ml_models.types import Rendering

_JPEG, _JPEG_QUALITY = b"\xff\xd8\xff", 85
# Of the longest side: as a blur of 32 pixels does to a picture of 1024.
_BLUR = 1 / 32
# The few cosines of a placeholder are the same from here up.
_PLACEHOLDER_SIDE_PX = 32
# What has to be decoded whole, unlike a JPEG, gets a placeholder up to the size of a 4K screen.
_PLACEHOLDER_MAX_PIXELS = 9_000_000


def picture(
    data: bytes, max_pixels: int, rendering: Rendering, buffer: PixelBuffer | None = None
) -> bytes:
    """Make a JPEG, never larger than the image itself. Raises ImageError as `decode` does.

    What is seen through lies on grey, where what only a white or only a dark page shows is seen.
    """
    side = rendering.longest_side_px
    pixels = decode(data, max_pixels, buffer, enough_px=side, background="grey")
    height, width, _ = pixels.shape
    pixels = shrink(pixels, rendering.longest_side_of(width, height))
    if rendering.veiled:
        pixels = _veil(pixels)
    made: bytes = simplejpeg.encode_jpeg(pixels, _JPEG_QUALITY, colorsubsampling="420")
    return made


def placeholder(data: bytes, max_pixels: int, buffer: PixelBuffer | None = None) -> str:
    """Make a BlurHash of 4 x 3 components, or 3 x 4 for what is higher than wide.

    Raises ImageError as `decode` does, ImageTooLarge also for what would take too long.
    """
    if not data.startswith(_JPEG):
        max_pixels = min(max_pixels, _PLACEHOLDER_MAX_PIXELS)
    side = _PLACEHOLDER_SIDE_PX
    pixels = shrink(decode(data, max_pixels, buffer, enough_px=4 * side), side)
    height, width, _ = pixels.shape
    return blurhash(pixels, 4, 3) if width >= height else blurhash(pixels, 3, 4)


def _veil(pixels: Pixels) -> Pixels:
    """Blur until only masses of light and dark are left, without colour."""
    image = Image.fromarray(pixels).convert("L")
    blurred = image.filter(ImageFilter.GaussianBlur(max(image.size) * _BLUR))
    return np.asarray(blurred.convert("RGB"))
