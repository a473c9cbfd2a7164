"""BMP pictures: which of them are shown alike everywhere.

Browsers see through alpha that Pillow does not look at, and through what run lengths leave out;
and Pillow unpacks run lengths byte by byte, seconds for a few kilobytes.
"""

import struct

from ml_models.errors import AmbiguousImage, DecodeError

# BITMAPINFOHEADER and those after it, by their sizes; the first of all is OS/2's.
_OS2_HEADER, _HEADER = 12, 40
_HEADER_WITH_ALPHA = 56
_PLAIN, _BITFIELDS = 0, 3  # compressions
_ALPHA_MASK = 66


def check(data: bytes) -> None:
    """Raise AmbiguousImage unless it is opaque samples, one after the other."""
    try:
        (header_bytes,) = struct.unpack_from("<I", data, 14)
        if header_bytes == _OS2_HEADER:
            return
        bits, compression = struct.unpack_from("<HI", data, 28)
        has_alpha = header_bytes >= _HEADER_WITH_ALPHA and any(data[_ALPHA_MASK : _ALPHA_MASK + 4])
    except struct.error as error:
        raise DecodeError("BMP: its header is incomplete") from error
    if header_bytes < _HEADER or compression not in (_PLAIN, _BITFIELDS):
        raise AmbiguousImage(f"BMP: compression {compression}, header of {header_bytes} bytes")
    if has_alpha and bits in (16, 32):
        raise AmbiguousImage(f"BMP: alpha among {bits} bits")
