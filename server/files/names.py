"""What a file may be called, and what its name says of it. Pure.

Judges by names and first bytes alone: no decoder of images runs in a web process.
"""

import mimetypes
import re
import secrets

from server.files.uploads import Upload
from server.parse.errors import FILE_SAVE_ERROR, INVALID_FILE_NAME, ParseError

_MAX_NAME_LENGTH = 128
# parse-server's FilesAdapter.validateFilename.
_NAME = re.compile(r"[_a-zA-Z0-9][a-zA-Z0-9@. ~_-]*")
# Longer than every name that this server or Parse Server gives.
_MAX_STORED_NAME_LENGTH = 512
_NEVER_IN_STORED_NAME = re.compile(r"[\x00-\x1f\x7f\\]")

# How the formats of ml_models.images begin, and the usual extension of each. AVIF and HEIF are
# ISO media files that differ from films by the brand after `ftyp`.
_SIGNATURES = {
    "jpg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG\r\n\x1a\n",
    "gif": rb"GIF8[79]a",
    "webp": rb"RIFF....WEBPVP8",
    "bmp": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "tiff": rb"II[*+]\0|MM\0[*+]",
    "avif": rb"....ftypavi[fs]",
    "heic": rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)",
}
_FORMATS = [(name, re.compile(start, re.DOTALL)) for name, start in _SIGNATURES.items()]

# What browsers may show in place. None of it can hold a script; SVG, HTML and XML can.
SHOWN_TYPES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jfif": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
IMAGE_EXTENSIONS = frozenset(
    name for name, media_type in SHOWN_TYPES.items() if media_type.startswith("image/")
)


def name_to_store(name: str, upload: Upload, allowed: frozenset[str] | None) -> str:
    """Return a unique name for an upload: 32 random hex digits, `_`, and the client's name, with
    an extension if it had none; below the upload's directory, if it has one.

    `allowed` are the extensions of FILE_UPLOAD_EXTENSIONS, None for the master key, to which no
    rule but the name's applies. Raises ParseError 122 for the name, 130 for the type.
    """
    _check_name(name)
    image_type = image_extension(upload.data)
    if allowed is not None:
        _check_type(name, upload.content_type, image_type, allowed)
    if not extension_of(name):
        guessed = mimetypes.guess_extension(upload.content_type.partition(";")[0].strip())
        name += f".{image_type}" if image_type else guessed or ""
    folder = "" if upload.directory is None else f"{upload.directory}/"
    return f"{folder}{secrets.token_hex(16)}_{name}"


def image_extension(data: bytes) -> str | None:
    """Return the usual extension of the image that `data` begins like, or None."""
    return next((name for name, start in _FORMATS if start.match(data)), None)


def image_type(data: bytes) -> str | None:
    """Return the media type of the image that `data` begins like, or None."""
    extension = image_extension(data)
    return None if extension is None else SHOWN_TYPES[extension]


def extension_of(name: str) -> str:
    """Return what follows the last dot, in lower case; empty without one."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_stored_name(name: str) -> bool:
    """Whether a file could be stored under this name; any other is not looked for.

    Wider than what may be uploaded: files of an older Parse have other names.
    """
    return (
        0 < len(name) <= _MAX_STORED_NAME_LENGTH
        and not _NEVER_IN_STORED_NAME.search(name)
        and not any(step in ("", ".", "..") for step in name.split("/"))
    )


def _check_name(name: str) -> None:
    if len(name) > _MAX_NAME_LENGTH:
        raise ParseError(INVALID_FILE_NAME, "Filename too long.")
    if not _NAME.fullmatch(name):
        raise ParseError(INVALID_FILE_NAME, "Filename contains invalid characters.")


def _check_type(
    name: str, content_type: str, image_type: str | None, allowed: frozenset[str]
) -> None:
    claimed = content_type.partition(";")[0].rpartition("/")[2].strip().lower()
    extension = extension_of(name) or image_type or claimed
    if extension not in allowed and "*" not in allowed:
        raise ParseError(FILE_SAVE_ERROR, f"File upload of extension {extension} is disabled.")
    if extension in IMAGE_EXTENSIONS and image_type is None:
        message = "Invalid file upload: the content is no image of a supported format."
        raise ParseError(FILE_SAVE_ERROR, message)
