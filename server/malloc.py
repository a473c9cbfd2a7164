"""Memory for request bodies, kept between requests.

glibc's malloc returns blocks of over 128 KB, which photos are, to the kernel at once and gets them
back page by page: two thirds of the time of taking in a photo of 2.4 MB.
"""

import ctypes

# mallopt(3)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8


def keep_memory() -> None:
    """Tell malloc so, within bounds; call it before threads start. Other C libraries ignore it."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(_M_ARENA_MAX, 2)  # else each of many threads keeps memory of its own
    mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
    mallopt(_M_TRIM_THRESHOLD, 64 * 1024 * 1024)
    mallopt(_M_TOP_PAD, 8 * 1024 * 1024)
