"""A file as a client sends it: the bytes themselves, or base64 in JavaScript SDKs' JSON. Pure.

It is JSON when no header named the app, so that its id had to be looked for in the body. Reading
refuses nothing, because who may not upload at all is to hear that first; `check_content` does.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cloud.moderation.errors import InvalidSource
from cloud.moderation.sources import from_base64
from server.parse.decode import refuse_operators_in_names, refuse_prohibited_keywords
from server.parse.errors import (
    FILE_SAVE_ERROR,
    INVALID_FILE_NAME,
    INVALID_JSON,
    OPERATION_FORBIDDEN,
    ParseError,
)
from server.parse.request import read_json_text

_HEADERS = {"metadata": "X-Parse-File-Metadata", "tags": "X-Parse-File-Tags"}
_RESERVED = ("metadata",)  # which is a route
_DIRECTORY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_/-]*")
# Beside the random part and the longest name, in the 255 bytes of a file system's name.
_MAX_DIRECTORY_BYTES = 90
# Far more than any SDK's metadata; a document of a database must hold it beside the file.
_MAX_METADATA_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a client sent it; its content type is the client's claim.

    `problem` says what cannot be read of what came beside the file.
    """

    data: bytes = field(repr=False)
    content_type: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    directory: str | None = None
    problem: str | None = None


def raw_upload(data: bytes, content_type: str, headers: Mapping[str, str]) -> Upload:
    """Return the file that is a request's body.

    Metadata, tags and directory stand in `headers` (by lower-case name) if those say that the body
    is a stream, as SDKs since JavaScript 8 do.
    """
    if headers.get("x-parse-upload-mode") != "stream":
        return Upload(data, content_type)
    members, problem = {}, None
    for name, header in _HEADERS.items():
        try:
            members[name] = _json_object(headers.get(header.lower()))
        except ValueError:
            problem = f"Invalid JSON in {header} header."
    directory = headers.get("x-parse-file-directory") or None
    return Upload(data, content_type, **members, directory=directory, problem=problem)


def json_upload(body: Mapping[str, Any]) -> Upload:
    """Return the file in a JSON body; empty where there is none."""
    try:
        sent = from_base64(body.get("base64")).data
    except InvalidSource:
        sent = b""
    claimed_type, file_data = body.get("_ContentType"), body.get("fileData")
    beside = file_data if isinstance(file_data, Mapping) else {}
    metadata, tags, directory = (beside.get(name) for name in ("metadata", "tags", "directory"))
    return Upload(
        sent,
        claimed_type if isinstance(claimed_type, str) else "",
        metadata if isinstance(metadata, Mapping) else {},
        tags if isinstance(tags, Mapping) else {},
        directory if isinstance(directory, str) and directory else None,
    )


def check_content(upload: Upload, max_bytes: int, *, master: bool) -> None:
    """Raise ParseError 130 for an empty file, 413 for a large one, 105, 107 or 121 for metadata and
    tags that are no JSON or have names that mean something to a database.

    A directory is for the master key, 119 to others; 122 for one that cannot be.
    """
    if not upload.data:
        raise ParseError(FILE_SAVE_ERROR, "Invalid file upload.")
    if upload.problem is not None:
        raise ParseError(INVALID_JSON, upload.problem)
    if upload.directory is not None:
        if not master:
            message = "Directory can only be set using the Master Key."
            raise ParseError(OPERATION_FORBIDDEN, message)
        _check_directory(upload.directory)
    if len(upload.data) > max_bytes:
        raise ParseError(None, "request entity too large", 413)
    for beside in (upload.metadata, upload.tags):
        if len(json.dumps(beside)) > _MAX_METADATA_BYTES:
            message = f"Invalid file upload: the metadata is over {_MAX_METADATA_BYTES} bytes."
            raise ParseError(FILE_SAVE_ERROR, message)
        refuse_prohibited_keywords(beside)
        refuse_operators_in_names(beside)


def _check_directory(directory: str) -> None:
    """Parse Server's `validateDirectory`, in its order; only shorter, for a file's whole name is
    one name of a file system here."""
    reserved = directory.partition("/")[0]
    rules = [
        (len(quote(directory, safe="")) > _MAX_DIRECTORY_BYTES, "Directory path is too long."),
        (".." in directory, 'Directory must not contain "..".'),
        (directory != directory.strip("/"), 'Directory must not start or end with "/".'),
        ("//" in directory, "Directory must not contain consecutive slashes."),
        (
            reserved in _RESERVED,
            f'Directory must not start with reserved segment "{reserved}".',
        ),
        (not _DIRECTORY.fullmatch(directory), "Directory contains invalid characters."),
    ]
    for is_broken, message in rules:
        if is_broken:
            raise ParseError(INVALID_FILE_NAME, message)


def _json_object(text: str | None) -> dict[str, Any]:
    """Read a header. Raises ValueError unless it is missing, or a JSON object."""
    if not text:
        return {}
    try:
        value = read_json_text(text)
    except ParseError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value
