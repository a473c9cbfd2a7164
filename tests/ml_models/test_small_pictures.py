"""Pictures for people and placeholders for apps: how large, how veiled, and what is left behind."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data
from test_images import encoded, mean_difference, picture

from ml_models.blurhash import blurhash
from ml_models.errors import DecodeError, ImageTooLarge, UnsupportedImage
from ml_models.images import decode
from ml_models.pictures import picture as make
from ml_models.pictures import placeholder
from ml_models.types import Rendering

MAX_PIXELS = 50_000_000
SCREEN, PREVIEW = Rendering(1024), Rendering(128, veiled=True)
PHOTO = Image.fromarray(data.astronaut())


def made(image_bytes, rendering=SCREEN):
    return Image.open(io.BytesIO(make(image_bytes, MAX_PIXELS, rendering)))


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((2000, 1500), 1024, (1024, 768)),
        ((1500, 2000), 320, (240, 320)),
        ((1025, 10), 1024, (1024, 10)),
        ((1024, 1024), 1024, (1024, 1024)),
        ((300, 200), 1024, (300, 200)),
        ((3000, 1), 1024, (1024, 1)),
        ((1, 1), 320, (1, 1)),
    ],
)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_longest_side_is_bounded_and_nothing_is_enlarged(image_format, size, side, expected):
    result = made(encoded(PHOTO.resize(size), image_format), Rendering(side))
    assert (result.format, result.size) == ("JPEG", expected)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
def test_picture_shows_what_the_image_shows(image_format):
    result = made(encoded(PHOTO, image_format), Rendering(256))
    assert mean_difference(np.asarray(result), PHOTO.resize((256, 256))) < 5


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
@pytest.mark.parametrize("rendering", [SCREEN, Rendering(40), PREVIEW])
def test_picture_stands_upright_and_keeps_no_metadata(image_format, rendering):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera of Alice"  # turned right by 90 degrees to be upright
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sideways = PHOTO.resize((400, 200)).transpose(Image.Transpose.ROTATE_90)
    result = made(encoded(sideways, image_format, exif=exif, icc_profile=profile), rendering)
    assert result.width == 2 * result.height
    assert not result.getexif()
    assert not {"exif", "icc_profile", "comment"} & result.info.keys()
    upright, shown = PHOTO.resize(result.size), np.asarray(result)
    overturned = upright.transpose(Image.Transpose.ROTATE_180)
    if not rendering.veiled:
        assert mean_difference(shown, upright) < mean_difference(shown, overturned) / 3


def test_first_frame_of_an_animation_is_shown():
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert mean_difference(np.asarray(made(data)), frames[0]) < 3


def test_preview_is_small_grey_and_blurred_beyond_recognition():
    data = encoded(PHOTO.resize((2000, 2000)), "JPEG")
    preview = np.asarray(made(data, PREVIEW)).astype(int)
    assert preview.shape == (128, 128, 3)
    assert np.ptp(preview, axis=2).max() <= 2
    clear = np.asarray(made(data, Rendering(128)).convert("L")).astype(int)

    def detail(grey):  # what changes from one pixel to its neighbour
        return np.abs(np.diff(grey, axis=1)).mean()

    assert detail(preview[:, :, 0]) < detail(clear) / 4
    assert len(make(data, MAX_PIXELS, PREVIEW)) < 4096


def test_checks_are_those_of_classifying():
    data = encoded(PHOTO, "JPEG")
    for work in (lambda d, m: make(d, m, Rendering(64)), placeholder):
        with pytest.raises(ImageTooLarge):
            work(data, 512 * 512 - 1)
        with pytest.raises(DecodeError):
            work(data[: len(data) // 2], MAX_PIXELS)
        with pytest.raises(UnsupportedImage):
            work(b"nonsense", MAX_PIXELS)


def test_decoding_enough_pixels_is_never_too_few():
    for size in [(1000, 700), (700, 1000), (129, 3), (128, 128), (4001, 3)]:
        data = encoded(PHOTO.resize(size), "JPEG")
        height, width, _ = decode(data, MAX_PIXELS, enough_px=128).shape
        assert max(width, height) >= 128
        assert width <= size[0]
        assert height <= size[1]
    assert decode(encoded(PHOTO.resize((4000, 3000)), "JPEG"), MAX_PIXELS, enough_px=128).size < (
        4000 * 3000 * 3 // 50
    )


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_placeholder_is_a_blurhash_of_the_picture(image_format):
    small = np.asarray(PHOTO.resize((32, 32), Image.Resampling.BOX))
    mean = blurhash(small, 1, 1)
    found = placeholder(encoded(PHOTO, image_format), MAX_PIXELS)
    assert (len(found), found[0]) == (28, "L")  # 4 x 3
    ours, theirs = colour(found), colour("00" + mean[2:])
    assert np.abs(np.subtract(ours, theirs)).max() < 12


def colour(blurhash_text):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
    number = 0
    for character in blurhash_text[2:6]:
        number = number * 83 + digits.index(character)
    return number >> 16, number >> 8 & 255, number & 255


def test_what_is_higher_than_wide_has_more_components_down():
    assert placeholder(encoded(picture(40, 60), "PNG"), MAX_PIXELS)[0] == "T"  # 3 x 4


def test_what_must_be_decoded_whole_and_is_large_has_no_placeholder():
    large = Image.new("L", (3001, 3000))
    with pytest.raises(ImageTooLarge):
        placeholder(encoded(large, "PNG"), MAX_PIXELS)
    assert len(placeholder(encoded(large, "JPEG"), MAX_PIXELS)) == 28


@pytest.mark.parametrize("ink", ["white", "black"])
def test_what_only_one_page_shows_is_seen_by_who_moderates(ink):
    layer = Image.new("RGBA", (64, 64), ink)
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (16, 16, 48, 48))
    layer.putalpha(mask)
    buffer = io.BytesIO()
    layer.save(buffer, "PNG")
    pixels = np.asarray(made(buffer.getvalue()).convert("L")).astype(int)
    assert abs(pixels[32, 32] - pixels[4, 4]) > 90
