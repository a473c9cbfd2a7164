"""A picture whose colours a description changes much is not judged by its samples."""

import io
import struct
import zlib

import numpy as np
import pytest
from icc_profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    LEVELS,
    PROPHOTO,
    SRGB,
    curve_tag,
    gamma_tag,
    grey_profile,
    parametric_tag,
    rgb_profile,
    srgb_curve,
)
from PIL import Image, ImageCms

from ml_models.errors import AmbiguousImage
from ml_models.images import decode

MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF")


def picture(mode="RGB"):
    rng = np.random.default_rng(3)
    return Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).convert(mode)


def saved(image_format, profile=None, mode="RGB", **options):
    buffer = io.BytesIO()
    given = {} if profile is None else {"icc_profile": profile}
    picture(mode).save(buffer, image_format, **given, **options)
    return buffer.getvalue()


def srgb_of_lcms():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


IPHONE_CURVE = parametric_tag(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
ORDINARY = {
    "sRGB": rgb_profile(),
    "lcms's sRGB": srgb_of_lcms(),
    "a phone's Display P3": rgb_profile(DISPLAY_P3, IPHONE_CURVE),
    "Adobe RGB": rgb_profile(ADOBE_RGB, gamma_tag(563 / 256)),
    "ProPhoto": rgb_profile(PROPHOTO, gamma_tag(1.8), white=(0.9642, 1, 0.8249)),
    "light itself": rgb_profile(SRGB, b"curv\0\0\0\0\0\0\0\0"),
    "an old Mac's": rgb_profile(SRGB, gamma_tag(1.8)),
    "light that is named as well": rgb_profile(
        DISPLAY_P3, IPHONE_CURVE, added=[(b"cicp", b"cicp\0\0\0\0\x0c\x0d\0\x01")]
    ),
    "few points": rgb_profile(SRGB, srgb_curve(np.linspace(0, 1, 64))),
}
LOW_BITS = srgb_curve((np.arange(256) & 15) / 15)
STRETCHED = srgb_curve(np.clip((np.arange(256) - 100) / 60, 0, 1))
WIGGLY = srgb_curve(np.linspace(0, 1, 4096)) + np.tile([0, 0.2], 2048)
STAIRS = srgb_curve(np.round(LEVELS * 8) / 8)
ODD = {
    "a picture in the low bits": rgb_profile(SRGB, LOW_BITS),
    "contrasts that nobody sees": rgb_profile(SRGB, STRETCHED),
    "steps between the levels": rgb_profile(SRGB, WIGGLY),
    "stairs": rgb_profile(SRGB, STAIRS),
    "a negative": rgb_profile(SRGB, 1 - srgb_curve()),
    "all black": rgb_profile(SRGB, gamma_tag(60)),
    "a curve of no number": rgb_profile(SRGB, parametric_tag(1, 2.4, 0, 0.5)),
    "red is green": rgb_profile((SRGB[1], SRGB[0], SRGB[2])),
    "blue is all": rgb_profile(((0.64, 0.33), (0.30, 0.60), (0.31, 0.33))),
    "tables": rgb_profile(added=[(b"A2B0", b"mft2" + bytes(60))]),
    "another standard": rgb_profile(added=[(b"cicp", b"cicp\0\0\0\0\x09\x10\0\x01")]),
    "another standard, cut off": rgb_profile(added=[(b"cicp", b"cicp")]),
    "a tag twice": rgb_profile(added=[(b"rTRC", curve_tag(LOW_BITS))]),
    "inks": rgb_profile(space=b"CMYK"),
    "cut off": rgb_profile()[:300],
    "none": b"nonsense" * 30,
}


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("name", ORDINARY)
def test_profiles_of_cameras_and_programs_are_taken_as_srgb(image_format, name):
    with_it, without = saved(image_format, ORDINARY[name]), saved(image_format)
    assert np.array_equal(decode(with_it, MAX_PIXELS), decode(without, MAX_PIXELS))


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("name", ODD)
def test_profile_that_makes_another_picture_is_refused(image_format, name):
    with pytest.raises(AmbiguousImage):
        decode(saved(image_format, ODD[name]), MAX_PIXELS)


def test_greys_have_profiles_as_well():
    ordinary, odd = grey_profile(LEVELS**2.2), grey_profile(LOW_BITS)
    assert decode(saved("JPEG", ordinary, "L"), MAX_PIXELS).shape == (40, 60, 3)
    for image_format in ("JPEG", "PNG"):
        with pytest.raises(AmbiguousImage):
            decode(saved(image_format, odd, "L"), MAX_PIXELS)


def test_profile_that_cannot_be_put_together_is_refused():
    data = saved("JPEG", rgb_profile())
    place = data.index(b"ICC_PROFILE\0") + 13  # how many pieces there are
    with pytest.raises(AmbiguousImage):
        decode(data[:place] + b"\x02" + data[place + 1 :], MAX_PIXELS)


# --- PNG's own -----------------------------------------------------------------------------------


def png_with(*chunks):
    """A PNG with chunks behind its header."""
    data = saved("PNG")
    return data[:33] + b"".join(map(chunk, *zip(*chunks, strict=True))) + data[33:]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def gamma_of(value):
    return b"gAMA", struct.pack(">I", value)


def chromaticities(*values):
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


OF_SRGB = chromaticities(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SWAPPED = chromaticities(0.3127, 0.3290, 0.30, 0.60, 0.64, 0.33, 0.15, 0.06)


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma_of(45455)], [gamma_of(55556)], [gamma_of(100_000)], [gamma_of(45455), OF_SRGB],
        [(b"sRGB", b"\0"), gamma_of(4000)],  # which sRGB overrules
        [SWAPPED],  # which without a gamma nobody heeds
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"cICP", bytes([12, 13, 0, 1])), gamma_of(4000)],
    ],
)  # fmt: skip
def test_ordinary_gammas_of_png_are_taken_as_srgb(chunks):
    assert np.array_equal(decode(png_with(*chunks), MAX_PIXELS), decode(saved("PNG"), MAX_PIXELS))


@pytest.mark.parametrize(
    "chunks",
    [
        [gamma_of(4000)], [gamma_of(0)], [gamma_of(400_000)], [gamma_of(45455), SWAPPED],
        [(b"cICP", bytes([9, 16, 0, 1]))], [(b"cICP", bytes([9, 18, 0, 1])), (b"sRGB", b"\0")],
        [(b"cICP", bytes([1, 8, 0, 1]))], [(b"cICP", bytes([1, 13, 0, 0]))], [(b"cICP", b"")],
        [(b"iCCP", b"x\0\0" + b"nonsense")],
    ],
)  # fmt: skip
def test_other_light_of_png_is_refused(chunks):
    with pytest.raises(AmbiguousImage):
        decode(png_with(*chunks), MAX_PIXELS)


# --- AVIF's and HEIF's ---------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("transfer", [8, 16, 18])
def test_light_of_high_dynamic_range_is_refused(image_format, transfer):
    data = saved(image_format)
    if b"colrnclx" not in data:
        pytest.skip("pillow-heif writes none here")
    place = data.index(b"colrnclx") + 10
    changed = data[:place] + struct.pack(">H", transfer) + data[place + 2 :]
    with pytest.raises(AmbiguousImage):
        decode(changed, MAX_PIXELS)


def test_avif_without_a_word_about_its_colours_is_refused():
    with pytest.raises(AmbiguousImage):
        decode(saved("AVIF").replace(b"colrnclx", b"freenclx"), MAX_PIXELS)
