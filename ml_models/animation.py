"""Whether a picture moves: of an animation only the first frame is classified.

Judges by bytes alone. In doubt it moves: a still picture that is taken for an animation is looked
at by a moderator, the other way round nobody would see the later frames.
"""

_GIF = (b"GIF87a", b"GIF89a")
_PNG = b"\x89PNG\r\n\x1a\n"
# The brands of image sequences among ISO media files (AVIF, HEIF).
_SEQUENCES = (b"avis", b"msf1", b"hevc", b"hevx")
_WEBP_ANIMATION_FLAG = 0x02


def may_be_animated(data: bytes) -> bool:
    """Say whether the data may hold more than one frame: GIF, APNG, WebP, AVIF or HEIF."""
    if data.startswith(_GIF):
        # Each frame begins with a comma, right after the end of another block.
        return data.count(b"\x00\x2c") > 1 or data.count(b"\x00\x21\xf9\x04") > 1
    if data.startswith(_PNG):
        return b"acTL" in data
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        return bool(data[20:21] and data[20] & _WEBP_ANIMATION_FLAG)
    if data[4:8] == b"ftyp":
        return any(brand in data[8:64] for brand in _SEQUENCES)
    return False
