"""Whether a picture's colours are what its samples say, or what a description beside them makes of
them.

Browsers follow such a description: an ICC profile, PNG's gAMA, cHRM and cICP, the nclx of AVIF and
HEIF. Here pixels are taken as they are, as nsfwjs does. Between the colour spaces that cameras and
programs write that is the difference between two screens; a description made for it shows another
picture. What is not much like sRGB is refused, so that a person looks at it.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml_models.errors import AmbiguousImage

_Curve = NDArray[np.float64]
"""The light that each of 256 levels stands for, 0..1."""

_LEVELS = np.arange(256) / 255
# A curve may be so much lighter or darker than sRGB's, and so much steeper: in levels of 255. Light
# itself, a gamma of 1, is 73 levels off, and steep where it is dark.
_MOST_OFF, _STEEPEST, _STEEPEST_IN_THE_DARK, _DARK = 80, 4.0, 16.0, 32
_NOISE = 128  # of 65,535, half a level
# CIE 1931 x and y. From ProPhoto's to those of old screens, as they are and adapted to D50.
_PRIMARIES = {
    "red": ((0.56, 0.80), (0.20, 0.40)),
    "green": ((0.05, 0.40), (0.52, 0.90)),
    "blue": ((-0.10, 0.22), (-0.20, 0.16)),
}
_D50 = (0.9642, 1.0, 0.8249)  # ICC.1:2022, 7.2.16
_WHITE_WITHIN = 0.06
# ITU-T H.273, table 3: BT.709, unknown, BT.470 M, BT.601, sRGB, BT.2020 of 10 and 12 bits.
_ORDINARY_TRANSFERS = frozenset({1, 2, 4, 6, 13, 14, 15})
PROPERTIES_WITHIN = 256 * 1024
"""How far into a file of boxes its properties are looked for."""
_TAG_BYTES = 12
_MOST_TAGS = 100


def check(image: Image.Image, data: bytes) -> None:
    """Raise AmbiguousImage unless an image that Pillow has opened is much as its samples say."""
    if image.format == "GIF":  # whose profiles no browser reads
        return
    profile = image.info.get("icc_profile")
    if profile is None and image.format in ("JPEG", "MPO") and b"ICC_PROFILE\0" in data:
        raise AmbiguousImage("its ICC profile cannot be put together")
    check_profile(profile)
    if image.format == "PNG":
        _check_png(image.info, data, has_profile=profile is not None)
    if image.format in ("AVIF", "HEIF"):
        _check_boxes(data, is_avif=image.format == "AVIF", has_profile=profile is not None)


def check_profile(profile: bytes | None) -> None:
    """Raise AmbiguousImage unless there is no ICC profile, or one that is much like sRGB."""
    if profile and not _is_ordinary(bytes(profile)):
        raise AmbiguousImage("its ICC profile makes other colours of its samples")


@lru_cache(maxsize=64)  # pictures from one app come with few
def _is_ordinary(profile: bytes) -> bool:
    try:
        tags = dict(_tags(profile))
        return not _is_overruled(tags) and _ORDINARY[profile[16:20]](tags)
    except (KeyError, ValueError, IndexError, struct.error):
        return False


def _tags(profile: bytes) -> Iterator[tuple[bytes, bytes]]:
    """ICC.1:2022, 7.3. Raises ValueError for what is read in more than one way."""
    (count,) = struct.unpack_from(">I", profile, 128)
    if count > _MOST_TAGS:
        raise ValueError("more tags than any profile has")
    seen = set[bytes]()
    for number in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + number * _TAG_BYTES)
        if name in seen:
            raise ValueError("a tag that stands there twice")
        seen.add(name)
        yield name, profile[start : start + size]


def _is_overruled(tags: Mapping[bytes, bytes]) -> bool:
    """Whether anything is obeyed before curves and primaries are: tables, or light that another
    standard names (ICC.1:2022, 9.2.17), which phones do for the same light."""
    has_tables = any(name[:3] in (b"A2B", b"D2B") for name in tags)
    named = tags.get(b"cicp")
    return has_tables or (named is not None and named[9] not in _ORDINARY_TRANSFERS)


def _is_ordinary_rgb(tags: Mapping[bytes, bytes]) -> bool:
    columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    white = [sum(parts) for parts in zip(*columns, strict=True)]
    is_white = all(abs(a - b) <= _WHITE_WITHIN for a, b in zip(white, _D50, strict=True))
    places = [(x / (x + y + z), y / (x + y + z)) for x, y, z in columns if x + y + z > 0]
    curves = (_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    return is_white and _are_primaries(places) and all(map(_is_like_srgb, curves))


def _is_ordinary_grey(tags: Mapping[bytes, bytes]) -> bool:
    return _is_like_srgb(_curve(tags[b"kTRC"]))


_ORDINARY: dict[bytes, Callable[[Mapping[bytes, bytes]], bool]] = {
    b"RGB ": _is_ordinary_rgb,
    b"GRAY": _is_ordinary_grey,
}
"""By the profile's colour space; inks are left out, whose profiles are tables."""


def _xyz(tag: bytes) -> tuple[float, float, float]:
    x, y, z = struct.unpack_from(">3i", tag, 8)
    return x / 65536, y / 65536, z / 65536


def _curve(tag: bytes) -> _Curve:
    """ICC.1:2022, 10.6 and 10.18."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return _LEVELS
        values = np.frombuffer(tag, ">u2", count, 12).astype(float)
        if count == 1:
            return np.asarray(np.power(_LEVELS, values[0] / 256))
        # Also between the levels, for there are samples of 16 bits.
        if (np.maximum.accumulate(values) - values).max() > _NOISE:
            raise ValueError("a curve that goes down")
        return np.asarray(np.interp(_LEVELS, np.linspace(0, 1, count), values / 65535))
    if tag[:4] != b"para":
        raise ValueError("a curve of an unknown kind")
    return _parametric(tag)


def _parametric(tag: bytes) -> _Curve:
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = (1, 3, 4, 5, 7)[kind]
    g, *others = (value / 65536 for value in struct.unpack_from(f">{count}i", tag, 12))
    a, b, c, d, e, f = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if kind == 0:
        return np.asarray(np.power(_LEVELS, g))
    if kind in (1, 2):
        a, b, *added = others
        d, e = -b / a if a else 0.0, (added or [0.0])[0]
        f = e
    if kind == 3:
        a, b, c, d = others
    if kind == 4:
        a, b, c, d, e, f = others
    power = np.power(np.maximum(a * _LEVELS + b, 0), g) + e
    return np.asarray(np.where(d <= _LEVELS, power, c * _LEVELS + f))


def _is_like_srgb(light: _Curve) -> bool:
    """Whether a curve goes up, nowhere far from sRGB's and nowhere much more steeply: contrasts
    that nobody sees in the samples must not become a picture."""
    if not np.isfinite(light).all():
        return False
    shown = 255 * _encoded(np.clip(light, 0, 1))
    steps = np.diff(shown)
    return bool(
        steps.min() >= -0.5
        and steps[:_DARK].max() <= _STEEPEST_IN_THE_DARK
        and steps[_DARK:].max() <= _STEEPEST
        and np.abs(shown - 255 * _LEVELS).max() <= _MOST_OFF
    )


def _encoded(light: _Curve) -> _Curve:
    """IEC 61966-2-1, from light to sRGB's values."""
    dark = 12.92 * light
    return np.asarray(np.where(light <= 0.0031308, dark, 1.055 * np.power(light, 1 / 2.4) - 0.055))


def _are_primaries(places: Sequence[tuple[float, float]]) -> bool:
    if len(places) != len(_PRIMARIES):
        return False
    return all(
        low <= value <= high
        for place, bounds in zip(places, _PRIMARIES.values(), strict=True)
        for value, (low, high) in zip(place, bounds, strict=True)
    )


def _check_png(info: Mapping[Any, Any], data: bytes, *, has_profile: bool) -> None:
    """ISO 15948: cICP stands before iCCP, that before sRGB, and that before gAMA and cHRM."""
    head = data[: data.find(b"IDAT")]
    if b"cICP" in head:
        _primaries, transfer, matrix, full_range = head.partition(b"cICP")[2][:4].ljust(4, b"\0")
        if transfer not in _ORDINARY_TRANSFERS or matrix or not full_range:
            raise AmbiguousImage("PNG: its cICP makes other colours of its samples")
        return
    if has_profile or "srgb" in info:
        return
    if b"iCCP" in head:
        raise AmbiguousImage("PNG: its ICC profile cannot be read")
    gamma, places = info.get("gamma"), info.get("chromaticity")
    if gamma is not None and not (gamma > 0 and _is_like_srgb(np.power(_LEVELS, 1 / gamma))):
        raise AmbiguousImage("PNG: its gAMA makes other colours of its samples")
    if gamma is not None and places is not None:
        _white, *primaries = zip(places[::2], places[1::2], strict=True)
        if not _are_primaries(primaries):
            raise AmbiguousImage("PNG: its cHRM makes other colours of its samples")


def _check_boxes(data: bytes, *, is_avif: bool, has_profile: bool) -> None:
    """ISO 14496-12, 12.1.5. An AVIF that says nothing of its colours here says it in its frame."""
    described = data[:PROPERTIES_WITHIN].split(b"colrnclx")[1:]
    transfers = {int.from_bytes(each[2:4], "big") for each in described}
    if not transfers <= _ORDINARY_TRANSFERS or (is_avif and not (transfers or has_profile)):
        raise AmbiguousImage(f"{'AVIF' if is_avif else 'HEIF'}: its light is not sRGB's")
