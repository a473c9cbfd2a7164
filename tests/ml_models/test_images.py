"""Bytes to pixels: every format, every orientation, and nothing half-decoded called whole."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFilter

from ml_models.errors import DecodeError, ImageError, ImageTooLarge, UnsupportedImage
from ml_models.images import decode
from ml_models.jpeg import MAX_SCANS
from ml_models.memory import PixelBuffer
from ml_models.scaling import resize

MAX_PIXELS = 50_000_000
LOSSLESS = ["PNG", "GIF", "BMP", "TIFF"]
LOSSY = ["JPEG", "WEBP", "AVIF", "HEIF"]


def picture(width=61, height=43):
    """A smooth picture with four different corners, few enough colours for a GIF palette."""
    x, y = np.meshgrid(np.arange(width) // 8, np.arange(height) // 8)
    return Image.fromarray(np.stack((x * 30, y * 40, 200 - x * 20), axis=2).astype(np.uint8))


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def mean_difference(pixels, image):
    return np.abs(pixels.astype(int) - np.asarray(image.convert("RGB")).astype(int)).mean()


@pytest.mark.parametrize("format", LOSSLESS)
def test_lossless_format_decodes_to_the_same_pixels(format):
    pixels = decode(encoded(picture(), format), MAX_PIXELS)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(picture()))


@pytest.mark.parametrize("format", LOSSY)
def test_lossy_format_decodes_to_nearly_the_same_pixels(format):
    pixels = decode(encoded(picture(64, 48), format, quality=95), MAX_PIXELS)
    assert pixels.shape == (48, 64, 3)
    assert mean_difference(pixels, picture(64, 48)) < 6


def test_jpeg_pixels_are_those_of_pillow():
    data = encoded(picture(640, 480).filter(ImageFilter.GaussianBlur(2)), "JPEG", quality=85)
    assert np.array_equal(decode(data, MAX_PIXELS), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"subsampling": 2}])
def test_jpeg_variants_decode(options):
    data = encoded(picture(), "JPEG", quality=95, **options)
    assert mean_difference(decode(data, MAX_PIXELS), picture()) < 4


def test_mpo_decodes_its_first_picture():
    data = encoded(picture(), "MPO", save_all=True, append_images=[picture().rotate(180)])
    assert mean_difference(decode(data, MAX_PIXELS), picture()) < 4


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation_is_decoded(format):
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(
        picture(), format, save_all=True, append_images=[Image.new("RGB", (61, 43))], **options
    )
    assert mean_difference(decode(data, MAX_PIXELS), picture()) < 1


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_colour_modes_become_rgb(mode):
    image = picture().convert(mode)
    format = "TIFF" if mode == "CMYK" else "PNG"
    assert np.array_equal(
        decode(encoded(image, format), MAX_PIXELS), np.asarray(image.convert("RGB"))
    )


def test_grey_and_cmyk_jpeg_become_rgb():
    grey = picture().convert("L")
    assert mean_difference(decode(encoded(grey, "JPEG", quality=95), MAX_PIXELS), grey) < 3
    cmyk = encoded(picture().convert("CMYK"), "JPEG", quality=95)
    assert mean_difference(decode(cmyk, MAX_PIXELS), picture()) < 4


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_alpha_is_composited_on_white(format):
    image = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 16, 32))
    pixels = decode(encoded(image, format), MAX_PIXELS)
    assert np.abs(pixels[16, 4].astype(int) - (0, 0, 200)).max() < 12
    assert np.abs(pixels[16, 28].astype(int) - (255, 255, 255)).max() < 12


def test_half_transparent_grey_blends_with_white():
    pixels = decode(encoded(Image.new("LA", (4, 4), (100, 128)), "PNG"), MAX_PIXELS)
    assert pixels[0, 0].tolist() == pytest.approx([177, 177, 177], abs=1)


def test_transparent_palette_entry_becomes_white():
    image = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    index = image.getpixel((0, 0))
    pixels = decode(encoded(image, "PNG", transparency=index), MAX_PIXELS)
    assert pixels[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_what_is_blank_on_white_shows_on_black(format):
    image = Image.new("RGBA", (32, 32), "white")
    image.putalpha(picture(32, 32).convert("L"))
    data, buffer = encoded(image, format), PixelBuffer()
    assert decode(data, MAX_PIXELS, buffer).min() > 250
    assert buffer.is_seen_through
    dark = decode(data, MAX_PIXELS, buffer, background="black")
    assert mean_difference(dark, picture(32, 32).convert("L")) < 6


@pytest.mark.parametrize("image", [picture().convert("RGBA"), picture().convert("LA"), picture()])
def test_nothing_is_seen_through_what_is_opaque(image):
    buffer = PixelBuffer()
    decode(encoded(Image.new("LA", (4, 4)), "PNG"), MAX_PIXELS, buffer)
    assert buffer.is_seen_through
    decode(encoded(image, "PNG"), MAX_PIXELS, buffer)
    assert not buffer.is_seen_through
    decode(encoded(Image.new("LA", (4, 4)), "PNG"), MAX_PIXELS, buffer)
    decode(encoded(picture(), "JPEG"), MAX_PIXELS, buffer)
    assert not buffer.is_seen_through


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_grey_of_any_depth_is_seen_through(bits):
    """Beside it stands the next grey or, of one bit, the other; of 16 both have one high byte."""
    most = 2**bits - 1
    clear = most - 1
    row = f"{most:0{bits}b}{clear:0{bits}b}".ljust(32, "0")
    data = png(2, bits, 0, int(row, 2).to_bytes(4), clear.to_bytes(2))
    buffer = PixelBuffer()
    assert decode(data, MAX_PIXELS, buffer)[0].min() == 255
    assert buffer.is_seen_through
    dark = decode(data, MAX_PIXELS, buffer, background="black")
    assert dark[0].tolist() == [[255] * 3, [0] * 3]


def test_transparent_colour_of_48_bits_is_refused():
    row, clear = struct.pack(">6H", *[0xFFFF] * 3, *[0xFFFE] * 3), struct.pack(">3H", *[0xFFFE] * 3)
    with pytest.raises(DecodeError, match="48 bits"):
        decode(png(2, 16, 2, row, clear), MAX_PIXELS)


def png(width, bits, colour_type, row, transparent):
    """A PNG of one row, with the sample that is transparent."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    used = row[: -(-width * bits * (3 if colour_type == 2 else 1) // 8)]
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + used))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [*chunks, (b"IEND", b"")]
    )


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_high_byte(format):
    samples = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(samples), format), MAX_PIXELS)
    assert np.array_equal(pixels[:, :, 0], np.arange(256).reshape(16, 16))


def test_16_bit_colour_png_keeps_its_high_byte():
    row = b"".join(struct.pack(">HHH", 0xFFFF, 0x8000, 0x1234) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    )
    assert decode(data, MAX_PIXELS)[0, 0].tolist() == [0xFF, 0x80, 0x12]


def test_float_samples_are_refused():
    data = encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(DecodeError, match="no defined range"):
        decode(data, MAX_PIXELS)


UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", UNDO)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_exif_orientation_is_applied(format, orientation):
    upright = picture(64, 48)
    stored = upright if UNDO[orientation] is None else upright.transpose(UNDO[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    pixels = decode(encoded(stored, format, exif=exif.tobytes(), quality=95, **options), MAX_PIXELS)
    assert pixels.shape == (48, 64, 3)
    assert mean_difference(pixels, upright) < 6


def test_damaged_exif_is_as_good_as_none():
    exif = b"Exif\0\0II*\0\xff\xff\xff\xff"
    assert decode(encoded(picture(), "JPEG", exif=exif), MAX_PIXELS).shape == (43, 61, 3)


def test_embedded_colour_profile_is_no_obstacle():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(picture(), "PNG", icc_profile=profile)
    assert np.array_equal(decode(data, MAX_PIXELS), np.asarray(picture()))


@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_size_limit_is_exact(format):
    data = encoded(picture(64, 48), format)
    assert decode(data, 64 * 48).shape == (48, 64, 3)
    with pytest.raises(ImageTooLarge) as refusal:
        decode(data, 64 * 48 - 1)
    assert (refusal.value.width_px, refusal.value.height_px) == (64, 48)


def test_pixel_bomb_is_refused_from_its_header_alone():
    data = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(ImageTooLarge):
        decode(bytes(data), MAX_PIXELS)


def test_jpeg_with_absurdly_many_scans_is_refused():
    data = encoded(picture(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : data.rindex(b"\xff\xd9")]
    with pytest.raises(DecodeError, match="scans"):
        decode(data[:-2] + scan * MAX_SCANS + b"\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("format", [*LOSSLESS, *LOSSY])
def test_truncated_file_is_never_a_good_picture(format):
    whole = encoded(picture(200, 150).filter(ImageFilter.GaussianBlur(1)), format)
    good = decode(whole, MAX_PIXELS)
    for size in {*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1}:
        try:
            pixels = decode(whole[:size], MAX_PIXELS)
        except ImageError:
            continue
        assert np.array_equal(pixels, good), f"{size} of {len(whole)} bytes passed for a picture"


def test_jpeg_with_a_hole_is_a_decode_error():
    data = encoded(picture(400, 300).filter(ImageFilter.GaussianBlur(3)), "JPEG", quality=30)
    middle = len(data) // 2
    with pytest.raises(DecodeError):
        decode(data[:middle] + data[middle + 50 :], MAX_PIXELS)


def test_baseline_jpeg_with_absurdly_many_scans_is_refused():
    data = encoded(picture(), "JPEG")
    scan = data[data.rindex(b"\xff\xda") : data.rindex(b"\xff\xd9")]
    with pytest.raises(DecodeError, match="scans"):
        decode(data[:-2] + scan * MAX_SCANS + b"\xff\xd9", MAX_PIXELS)


def test_megabytes_of_padding_are_gone_through_once():
    data = encoded(picture(), "JPEG")
    with pytest.raises(DecodeError):
        decode(data[:-2] + bytes(2_000_000) + b"\x01\xff\xd9", MAX_PIXELS)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_png_overwritten_with_zeros_is_a_decode_error(share):
    data = encoded(Image.effect_noise((200, 150), 60), "PNG")
    kept = int(len(data) * share)
    with pytest.raises(DecodeError):
        decode(data[:kept] + bytes(len(data) - kept), MAX_PIXELS)


def test_zero_padding_before_the_end_of_a_jpeg_is_harmless():
    data = encoded(picture(), "JPEG")
    padded = data[:-2] + bytes(7) + data[-2:]
    assert np.array_equal(decode(padded, MAX_PIXELS), decode(data, MAX_PIXELS))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"not an image" * 50],
)
def test_data_of_no_known_format_is_unsupported(data):
    with pytest.raises(UnsupportedImage):
        decode(data, MAX_PIXELS)


@pytest.mark.parametrize("format", ["PPM", "ICO", "PCX", "TGA", "EPS"])
def test_format_outside_the_list_is_unsupported(format):
    with pytest.raises(UnsupportedImage):
        decode(encoded(picture(), format), MAX_PIXELS)


@given(
    format=st.sampled_from([*LOSSLESS, *LOSSY]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_damaged_file_raises_nothing_but_image_errors(format, changes):
    data = bytearray(encoded(picture(), format))
    for position, value in changes:
        data[int(position * (len(data) - 1))] = value
    try:
        pixels = decode(bytes(data), 1_000_000)
    except ImageError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


def slow_resize(pixels, size):
    """The definition, one output value at a time."""
    height, width, _ = pixels.shape
    result = np.empty((size, size, 3))
    for i in range(size):
        y = i * (height - 1) / (size - 1)
        y0, y1 = int(y), min(int(y) + 1, height - 1)
        for j in range(size):
            x = j * (width - 1) / (size - 1)
            x0, x1 = int(x), min(int(x) + 1, width - 1)
            corners = pixels[[y0, y0, y1, y1], [x0, x1, x0, x1]].astype(float)
            upper = corners[0] * (1 - (x - x0)) + corners[1] * (x - x0)
            lower = corners[2] * (1 - (x - x0)) + corners[3] * (x - x0)
            result[i, j] = (upper * (1 - (y - y0)) + lower * (y - y0)) / 255
    return result


@pytest.mark.parametrize("shape", [(9, 9), (1, 1), (1, 40), (37, 53), (300, 200), (2, 8)])
def test_resize_is_bilinear_with_aligned_corners(shape):
    pixels = np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)
    scaled = resize(pixels, 9)
    assert scaled.dtype == np.float32
    assert np.allclose(scaled, slow_resize(pixels, 9), atol=1e-5)


def test_resize_to_the_same_size_only_divides():
    pixels = np.random.default_rng(7).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert np.array_equal(resize(pixels, 224), pixels.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    "turned",
    [
        lambda pixels: pixels.transpose(1, 0, 2),
        lambda pixels: pixels[:, ::-1],
        lambda pixels: pixels[::-1, ::-1],
        lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1],
        lambda pixels: pixels.transpose(1, 0, 2)[::-1],
    ],
)
def test_turned_view_is_scaled_like_its_upright_copy(turned):
    view = turned(np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8))
    scaled = resize(view, 32)
    assert np.allclose(scaled, resize(np.ascontiguousarray(view), 32), atol=1e-6)
