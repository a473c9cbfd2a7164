"""What a cloud function returned, in a form that `server.parse.encode` can write. Pure."""

from collections.abc import Mapping
from typing import Any

from cloud.errors import CloudError
from cloud.objects import ParseObject
from cloud.values import File, Pointer
from server.parse.encode import FileUrl, object_json
from server.storage.port import ClassSchema


def result_json(value: Any, file_url: FileUrl, above: tuple[Pointer, ...] = ()) -> Any:
    """Show objects whole, those in their columns too, and files with their URLs.

    An object with unsaved changes, one of which only the id is known, and one that stands inside
    itself (`above` are those around it) is shown as a pointer. Raises CloudError for an object
    that was never saved.
    """
    match value:
        case ParseObject():
            return _object_json(value, file_url, above)
        case File(name, None):
            return File(name, file_url(name))
        case Mapping():
            return {key: result_json(member, file_url, above) for key, member in value.items()}
        case list() | tuple():
            return [result_json(member, file_url, above) for member in value]
    return value


def _object_json(obj: ParseObject, file_url: FileUrl, above: tuple[Pointer, ...]) -> Any:
    if obj.is_new:
        raise CloudError(f"A {obj.class_name} that was never saved cannot be in a result.")
    if obj.created_at is None or obj.dirty() or obj.pointer in above:
        return obj.pointer
    columns = result_json(obj.values, file_url, (*above, obj.pointer))
    return object_json(columns, ClassSchema(obj.class_name), file_url, with_type=True)
