"""How objects are answered: found, saved, with files' URLs as this call's client reaches them."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from cloud.operations import Delete
from cloud.values import File
from config import Settings
from server.files.urls import file_url
from server.objects.finding import Found
from server.objects.save import Saved
from server.parse.encode import FileUrl, iso_date, object_json
from server.routes.router import Answer, Call
from server.storage.pipeline import ACCOUNT_KEYS
from server.storage.port import ClassSchema, Document

_PATHS = {"_User": "users"}  # where Location says a new object is; others lie under /classes
# Which SDKs understand that a column is gone: JavaScript since 1.9, and who sends no version.
_JAVASCRIPT = re.compile(r"js(\d+)\.(\d+)")


class ObjectAnswers:
    """Says objects to clients."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def one(self, call: Call, document: Document, schema: ClassSchema) -> dict[str, Any]:
        """One object."""
        internal = _internal(call, schema)
        return object_json(document, schema, self._url_of(call), internal=internal)

    def found(self, call: Call, found: Found, class_name: str) -> dict[str, Any]:
        """The results of a find; with their class where another one than asked for was found."""
        url_of = self._url_of(call)
        internal = _internal(call, found.schema)
        results = [
            object_json(row, found.schema, url_of, internal=internal) for row in found.documents
        ]
        if found.schema.class_name != class_name:
            results = [{**row, "className": found.schema.class_name} for row in results]
        answer: dict[str, Any] = {"results": results}
        return answer if found.count is None else {**answer, "count": found.count}

    def saved(self, call: Call, saved: Saved, echoed: frozenset[str] = frozenset()) -> Answer:
        """What the client does not know of its save; `echoed` are columns that it operated on."""
        if saved.created:
            times = {
                "objectId": saved.object_id,
                "createdAt": iso_date(saved.document["createdAt"]),
            }
        else:
            times = {"updatedAt": iso_date(saved.document["updatedAt"])}
        if saved.body is not None:
            body = {**saved.body}
        else:
            columns = {name: saved.document[name] for name in echoed & saved.document.keys()}
            body = {**_news(call, {**columns, **saved.news}, self._url_of(call)), **times}
        if not saved.created:
            return Answer(body)
        return Answer(body, 201, {"Location": _location(call, saved)})

    def _url_of(self, call: Call) -> FileUrl:
        return partial(file_url, self._settings, call.mount_url)


def _internal(call: Call, schema: ClassSchema) -> frozenset[str]:
    """What the maintenance key alone sees."""
    is_shown = call.caller.maintenance and schema.class_name == "_User"
    return ACCOUNT_KEYS if is_shown else frozenset()


def _location(call: Call, saved: Saved) -> str:
    class_name = saved.schema.class_name
    folder = _PATHS.get(class_name, f"classes/{class_name}")
    return f"{call.mount_url}/{folder}/{saved.object_id}"


def _news(call: Call, news: Mapping[str, Any], url_of: FileUrl) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in news.items():
        if isinstance(value, Delete):
            if _understands_deletion(call.caller.client_version):
                shown[name] = {"__op": "Delete"}
        elif isinstance(value, File) and value.url is None:
            shown[name] = File(value.name, url_of(value.name))
        else:
            shown[name] = value
    return shown


def _understands_deletion(client_version: str | None) -> bool:
    if client_version is None:
        return True
    match = _JAVASCRIPT.match(client_version)
    return match is not None and (int(match[1]), int(match[2])) >= (1, 9)
