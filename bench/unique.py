"""The same picture with other bytes: nothing is answered from what is recorded.

A comment segment tells each request's JPEG from the others; the pixels, and so the work, stay.
"""

_SOI = b"\xff\xd8"
_COMMENT = b"\xff\xfe\x00\x0a"  # marker, and a length of ten: two for itself, eight of text


def with_comment(jpeg: bytes, number: int) -> list[bytes | memoryview]:
    """The JPEG with the number in a comment, in parts that need no copy."""
    return [_SOI + _COMMENT + f"{number:08x}".encode(), memoryview(jpeg)[2:]]
