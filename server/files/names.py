"""What a file may be called, how it is served, and at which URL. Pure.

Judges by names and first bytes alone: no decoder of images runs in a web process.
"""

import mimetypes
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from werkzeug.http import parse_range_header

from config import Settings
from server.files.uploads import Upload
from server.parse.errors import FILE_SAVE_ERROR, INVALID_FILE_NAME, ParseError
from server.storage.port import StoredFile

# --- placeholders -------------------------------------------------------------------------------

# The server's own key beside those of the client.
_PLACEHOLDER = "_placeholder"
# 4 x 3 components, or 3 x 4, in base 83.
_BLURHASH = re.compile(r"[LT][0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{27}")


def metadata_to_store(upload: Upload, placeholder: str | None) -> dict[str, Any]:
    """Return the client's metadata and, out of the client's reach, the placeholder."""
    kept = public_metadata(upload.metadata)
    return kept if placeholder is None else kept | {_PLACEHOLDER: placeholder}


def public_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the client sent of a file's metadata."""
    return {name: value for name, value in metadata.items() if name != _PLACEHOLDER}


def placeholder_of(file: StoredFile | None) -> str | None:
    """Return the BlurHash that was made when the file was uploaded, if there is one."""
    found = None if file is None else file.metadata.get(_PLACEHOLDER)
    return found if isinstance(found, str) and _BLURHASH.fullmatch(found) else None


# --- names and types ----------------------------------------------------------------------------

_MAX_NAME_LENGTH = 128
# parse-server's FilesAdapter.validateFilename.
_NAME = re.compile(r"[_a-zA-Z0-9][a-zA-Z0-9@. ~_-]*")
# Longer than every name that this server or Parse Server gives.
_MAX_STORED_NAME_LENGTH = 512
_NEVER_IN_STORED_NAME = re.compile(r"[\x00-\x1f\x7f\\]")
_RANDOM_PART = re.compile(r"([0-9a-f]{32})_")

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
_SHOWN_TYPES = {
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
    name for name, media_type in _SHOWN_TYPES.items() if media_type.startswith("image/")
)
# What says more of a download than "bytes" and still is neither script nor style to a page.
_SAVED_TYPES = {
    "json": "application/json",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
}


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
    return None if extension is None else _SHOWN_TYPES[extension]


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


# --- downloads ----------------------------------------------------------------------------------

_CACHED_S = 3600


class RangeNotSatisfiable(Exception):
    """The range lies beyond the file's end."""


def download_headers(file: StoredFile) -> dict[str, str]:
    """Return the headers with which a file is served, so that no browser takes it for a page.

    The content type follows from the extension alone, for the databases keep none. A name with
    a random part always has the same content, so its copies may be kept; not for long, because
    a deleted image is to disappear.
    """
    extension = extension_of(file.name)
    shown_type = _SHOWN_TYPES.get(extension)
    headers = {
        "Content-Type": shown_type or _SAVED_TYPES.get(extension, "application/octet-stream"),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
    }
    if shown_type is None:
        headers["Content-Disposition"] = "attachment"
    random_part = _RANDOM_PART.match(file.name.rpartition("/")[2])
    if random_part:
        headers |= {"Cache-Control": f"max-age={_CACHED_S}", "ETag": f'"{random_part[1]}"'}
    return headers


def requested_bytes(range_header: str | None, length: int) -> tuple[int, int] | None:
    """Return start and end, exclusive, of the one range that a Range header asks for.

    None is the whole file, which RFC 9110 14.2 allows for several ranges and asks for with other
    units. Raises RangeNotSatisfiable.
    """
    ranges = parse_range_header(range_header)
    if ranges is None or ranges.units != "bytes" or len(ranges.ranges) != 1:
        return None
    start, end = ranges.ranges[0]
    if start < 0:
        start = max(0, length + start)
    if start >= length:
        raise RangeNotSatisfiable
    return start, length if end is None else min(end, length)


# --- URLs ---------------------------------------------------------------------------------------

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


def file_url(settings: Settings, mount_url: str, name: str) -> str:
    """Return where a client that finds Parse's routes below `mount_url` reads a file.

    Each step of the name is encoded as JavaScript encodes a component.
    """
    elsewhere = settings.production_files_url or settings.local_files_url
    here = f"{mount_url}/files/{quote(settings.app_id, safe='')}"
    kept = "/!*'()" if is_stored_name(name) else "!*'()"  # no step that leads elsewhere
    return f"{elsewhere or here}/" + quote(name, safe=kept)


def public_mount_url(settings: Settings, scheme: str, host: str, mount: str) -> str:
    """Return where the client of a request finds Parse's routes.

    SERVER_URL if it is set. Otherwise the `Host` that the request names, as in Parse Server, if
    it could be one: what else a client writes there must not get into other clients' answers.
    """
    if settings.server_url:
        return settings.server_url
    known_host = host if _HOST.fullmatch(host) else f"localhost:{settings.port}"
    return f"{scheme}://{known_host}{mount}"
