"""What a child process can be asked to do with an image, whose bytes lie in shared memory."""

from ml_models.types import Rendering

CLASSIFY = b"classify"
PLACEHOLDER = b"placeholder"
_PICTURE = b"picture"


def picture(rendering: Rendering) -> bytes:
    """Ask for a picture."""
    most = rendering.most_pixels or 0
    return b"%s %d %d %d" % (_PICTURE, rendering.longest_side_px, rendering.veiled, most)


def rendering_of(request: bytes) -> Rendering:
    """Read what `picture` wrote. Raises ValueError for another request."""
    word, longest_side_px, veiled, most_pixels = request.split()
    if word != _PICTURE:
        raise ValueError(f"{request!r} is no request")
    return Rendering(int(longest_side_px), veiled == b"1", int(most_pixels) or None)


def framed(request: bytes, byte_count: int) -> bytes:
    """Say with a request how many bytes the image has."""
    return b"%d %s" % (byte_count, request)


def unframed(message: bytes) -> tuple[bytes, int]:
    """Read what `framed` wrote: the request, and the count."""
    byte_count, _, request = message.partition(b" ")
    return request, int(byte_count)
