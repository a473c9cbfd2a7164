"""`/files`: uploads, deletion with the master key, and downloads, which need no key.

Every file is served as what cannot run in a page; `server/files/` holds the rules.
"""

from collections.abc import Iterator
from itertools import chain

from flask import Blueprint, Response, request
from werkzeug.http import is_resource_modified

from cloud.values import File
from config import Uploader
from server.auth import Caller
from server.files.downloads import RangeNotSatisfiable, download_headers, requested_bytes
from server.files.names import is_stored_name, name_to_store
from server.files.placeholders import metadata_to_store, public_metadata
from server.files.triggers import FileTriggers
from server.files.uploads import Upload, check_content
from server.files.urls import file_url
from server.parse.errors import (
    FILE_DELETE_ERROR,
    FILE_SAVE_ERROR,
    INVALID_FILE_NAME,
    OPERATION_FORBIDDEN,
    ParseError,
)
from server.routes.answers import json_answer
from server.routes.router import Answer, Call, ParseRouter
from server.services import Services
from server.storage.port import FileStore, StoredFile

_PIECE_BYTES = 256 * 1024


def add_routes(router: ParseRouter, services: Services) -> None:
    """Take uploads from whom FILE_UPLOAD_FROM names, and delete for the master key."""
    settings = services.settings
    stored = services.database.files

    def triggers_of(call: Call) -> FileTriggers:
        return FileTriggers(lambda: services.context_of(call.caller, dict(call.context)))

    def upload(call: Call) -> Answer:
        call.caller.require_write()
        _check_uploader(call.caller, settings.file_upload_from)
        sent = call.upload or Upload(b"")
        check_content(sent, settings.max_image_bytes, master=call.caller.master)
        allowed = None if call.caller.master else settings.file_upload_extensions
        name = name_to_store(call.path["name"], sent, allowed)
        triggers = triggers_of(call)
        changed = triggers.before_save(call.path["name"], sent)
        if isinstance(changed, File):
            url = changed.url or file_url(settings, call.mount_url, changed.name)
            triggers.after_save(changed.name, url, None)
            return _stored_as(changed.name, url)
        if changed is not None:  # what cloud code puts in its place is bound by the name's rule
            sent = Upload(
                changed.data,
                changed.content_type,
                changed.metadata,
                changed.tags,
                changed.directory or None,
            )
            check_content(sent, settings.max_image_bytes, master=True)
            name = name_to_store(changed.name, sent, None)
        placeholder = services.placeholders.make(sent.data) if settings.moderated_files else None
        stored.put(name, sent.data, metadata_to_store(sent, placeholder))
        url = file_url(settings, call.mount_url, name)
        triggers.after_save(name, url, sent)
        return _stored_as(name, url)

    def refuse_nameless(_call: Call) -> Answer:
        raise ParseError(INVALID_FILE_NAME, "Filename not provided.")

    def delete(call: Call) -> Answer:
        call.caller.require_master()
        call.caller.require_write()
        name = call.path["name"]
        if not is_stored_name(name):
            raise _no_such_file()
        triggers, url = triggers_of(call), file_url(settings, call.mount_url, name)
        triggers.before_delete(name, url)
        if not stored.delete(name):
            raise _no_such_file()
        triggers.after_delete(name, url)
        return Answer({})

    # An encoded slash in a name arrives as a slash, and is to be told why.
    router.add("POST", "/files/<path:name>", upload)
    router.add("POST", "/files", refuse_nameless)
    router.add("DELETE", "/files/<path:name>", delete)


def files_blueprint(services: Services, mounts: list[str]) -> Blueprint:
    """Serve files and their metadata below each mount to everybody who knows their names."""
    blueprint = Blueprint("files", __name__)
    stored = services.database.files

    def find(app_id: str, name: str) -> StoredFile | None:
        if app_id != services.settings.app_id:
            raise ParseError(OPERATION_FORBIDDEN, "Invalid application ID.", 403)
        return stored.stat(name) if is_stored_name(name) else None

    def download(app_id: str, name: str) -> Response:
        file = find(app_id, name)
        return _not_found() if file is None else _serve(stored, file)

    def metadata(app_id: str, name: str) -> Response:
        file = find(app_id, name)
        return json_answer({} if file is None else {"metadata": public_metadata(file.metadata)})

    for mount in mounts:
        at = f"{mount}/files/<app_id>"
        blueprint.add_url_rule(f"{at}/<path:name>", view_func=download)
        blueprint.add_url_rule(f"{at}/metadata/<path:name>", view_func=metadata)
    return blueprint


def _stored_as(name: str, url: str) -> Answer:
    return Answer({"url": url, "name": name}, 201, {"Location": url})


def _no_such_file() -> ParseError:
    return ParseError(FILE_DELETE_ERROR, "FileNotFound")


def _check_uploader(caller: Caller, may_upload: frozenset[Uploader]) -> None:
    """Raise ParseError 130 unless this kind of caller may upload."""
    if caller.master:
        return
    kind: Uploader
    if caller.user is None:
        kind, words = "public", "public"
    elif (caller.user.get("authData") or {}).get("anonymous"):
        kind, words = "anonymous", "anonymous user"
    else:
        kind, words = "users", "authenticated user"
    if kind not in may_upload:
        raise ParseError(FILE_SAVE_ERROR, f"File upload by {words} is disabled.")


def _serve(stored: FileStore, file: StoredFile) -> Response:
    """Answer with the whole file, the range that is asked for, or that nothing has changed."""
    response = Response(headers=download_headers(file))
    if not is_resource_modified(request.environ, response.headers.get("ETag")):
        response.status_code = 412 if request.if_match else 304
        return response
    if request.method == "HEAD":
        response.content_length = file.length
        return response
    try:
        part = _wanted_part(response, file.length)
    except RangeNotSatisfiable:
        return Response(status=416, headers={"Content-Range": f"bytes */{file.length}"})
    start, end = part or (0, file.length)
    # Without a random part, a file may be replaced meanwhile: it is read at once.
    in_pieces = stored.reads_parts and "ETag" in response.headers
    step = _PIECE_BYTES if in_pieces else file.length
    first = stored.read(file.name, start, min(start + step, end))
    if first is None:  # deleted a moment ago
        return _not_found()
    if start + step < end:
        response.response = chain([first], _rest(stored, file.name, start + step, end))
        response.content_length = end - start
    else:
        response.set_data(first)
    if part:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.length}"
    return response


def _rest(stored: FileStore, name: str, start: int, end: int) -> Iterator[bytes]:
    """Read no faster than it is sent: a slow client costs one piece of memory."""
    for at in range(start, end, _PIECE_BYTES):
        data = stored.read(name, at, min(at + _PIECE_BYTES, end))
        if data is None:  # deleted meanwhile: the connection is closed, short of its length
            return
        yield data


def _wanted_part(response: Response, length: int) -> tuple[int, int] | None:
    """Return the range that is asked for, unless it is of another content than today's."""
    if request.if_range.date or (request.if_range.etag not in (None, response.get_etag()[0])):
        return None
    return requested_bytes(request.headers.get("Range"), length)


def _not_found() -> Response:
    return Response("File not found.", 404, mimetype="text/plain")
