"""Replace pointers in found documents by the objects that they point to."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cloud.values import Pointer
from server.auth import Caller
from server.objects.system_classes import BUILT_IN_COLUMNS
from server.parse.encode import IncludedObject
from server.parse.errors import INVALID_QUERY, ParseError
from server.parse.query import FindRequest
from server.storage.budget import weight_of
from server.storage.port import ClassSchema, Document

_MAX_INCLUDED = 50_000

if TYPE_CHECKING:
    from server.objects.finding import Finder


def include(
    finder: "Finder",
    caller: Caller,
    schema: ClassSchema,
    documents: list[Document],
    request: FindRequest,
) -> list[Document]:
    """Follow each path of `include`, its beginnings first, with one query for each class.

    A pointer to what is missing, or not for this caller, disappears, as in Parse Server.
    """
    for path in _paths(schema, request):
        steps = path.split(".")
        pointers = _counted(_pointers(documents, steps))
        objects = _fetch(finder, caller, pointers, path, request)
        documents = [_replaced(document, steps, objects) for document in documents]
    return documents


def _counted(pointers: Iterable[Pointer]) -> Counter[Pointer]:
    """How often each pointer is there. Raises ParseError 102 where an answer would grow beyond
    measure: a user who points to himself sixty times is 216,000 users three levels down."""
    found = Counter[Pointer]()
    for count, pointer in enumerate(pointers):
        if count >= _MAX_INCLUDED:
            message = f"include would put more than {_MAX_INCLUDED} objects into the answer"
            raise ParseError(INVALID_QUERY, message)
        found[pointer] += 1
    return found


def _paths(schema: ClassSchema, request: FindRequest) -> list[str]:
    """All paths, shorter ones first; `request.include` holds their beginnings already.

    All columns are those that clients see, not the server's own.
    """
    asked = set(request.include)
    if request.include_all:
        asked |= {
            name
            for name, column in schema.columns.items()
            if column.kind in ("Pointer", "Array") and not name.startswith("_")
        }
    return sorted(asked, key=lambda path: (path.count("."), path))


def _chosen(document: Document, path: str, request: FindRequest) -> Document:
    """What `keys` and `excludeKeys` leave of an object at this path; without any, all of it."""
    wanted = {key.partition(".")[0] for key in _below(path, request.keys)}
    unwanted = set(_below(path, request.exclude_keys))
    if not wanted and not unwanted:
        return document
    return {
        name: value
        for name, value in document.items()
        if name in BUILT_IN_COLUMNS or (name not in unwanted and (not wanted or name in wanted))
    }


def _below(path: str, keys: Iterable[str] | None) -> list[str]:
    prefix = f"{path}."
    return [key.removeprefix(prefix) for key in keys or () if key.startswith(prefix)]


def _read_preference(request: FindRequest) -> str | None:
    return request.include_read_preference or request.read_preference


def _fetch(
    finder: "Finder",
    caller: Caller,
    pointers: Counter[Pointer],
    path: str,
    request: FindRequest,
) -> dict[Pointer, IncludedObject]:
    ids_by_class: dict[str, list[str]] = {}
    for pointer in pointers:
        ids_by_class.setdefault(pointer.class_name, []).append(pointer.object_id)
    objects = {}
    for class_name, ids in ids_by_class.items():
        found = finder.included(caller, class_name, ids, _read_preference(request))
        for document in found.documents:
            pointer = Pointer(class_name, document.get("objectId", ""))
            shown = _chosen(document, path, request)
            if caller.budget is not None and pointers[pointer] > 1:  # once it was taken when read
                caller.budget.take(weight_of(shown), pointers[pointer] - 1)
            objects[pointer] = IncludedObject(shown, found.schema)
    return objects


def _pointers(values: Iterable[Any], steps: list[str]) -> Iterator[Pointer]:
    for value in values:
        match value:
            case list():
                yield from _pointers(value, steps)
            case Pointer() if not steps:
                yield value
            case IncludedObject() if steps:
                yield from _pointers([value.document], steps)
            case dict() if steps and steps[0] in value:
                yield from _pointers([value[steps[0]]], steps[1:])


_GONE = object()


def _replaced(value: Any, steps: list[str], objects: dict[Pointer, IncludedObject]) -> Any:
    """The value with its pointers at the end of `steps` replaced, or gone."""
    match value:
        case list():
            members = [_replaced(member, steps, objects) for member in value]
            return [member for member in members if member is not _GONE]
        case Pointer() if not steps:
            return objects.get(value, _GONE)
        case IncludedObject() if steps:
            return IncludedObject(_replaced(value.document, steps, objects), value.schema)
        case dict() if steps and steps[0] in value:
            member = _replaced(value[steps[0]], steps[1:], objects)
            rest = {name: kept for name, kept in value.items() if name != steps[0]}
            return rest if member is _GONE else {**value, steps[0]: member}
    return value
