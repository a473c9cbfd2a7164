"""Values as Parse Server stores them in MongoDB.

What stands in a column of Pointer, File, GeoPoint or Polygon has a short form of its own; within
arrays and objects these values keep their JSON with `__type`, and only dates and bytes become BSON.
"""

from typing import Any

from bson import Decimal128, Int64, ObjectId

from cloud.values import File, GeoPoint, Pointer, Polygon
from server.parse.decode import decode
from server.storage.port import ColumnType
from server.storage.typed_json import typed_json

_INT64 = range(-(2**63), 2**63)


def stored_value(column: ColumnType | None, value: Any) -> Any:
    """Return what stands in a column for this value; `None` is a column that is not known."""
    match column, value:
        case ColumnType("Pointer"), Pointer(class_name, object_id):
            return f"{class_name}${object_id}"
        case ColumnType("Pointer", str(target)), str():  # to Parse Server, the pointer's objectId
            return f"{target}${value}"
        case ColumnType("File"), File(name):
            return name
        case ColumnType("GeoPoint"), GeoPoint(latitude, longitude):
            return [longitude, latitude]
        case ColumnType("Polygon"), Polygon(points):
            ring = [[longitude, latitude] for latitude, longitude in points]
            return {"type": "Polygon", "coordinates": [ring]}
    return nested(value)


def nested(value: Any) -> Any:
    """Return what stands for this value within an array or object."""
    match value:
        case dict():
            return {key: nested(member) for key, member in value.items()}
        case list() | tuple():
            return [nested(element) for element in value]
        case int() if value not in _INT64:
            return float(value)  # as every number is to Parse Server
    typed = typed_json(value)
    return value if typed is None else typed


def parse_value(column: ColumnType | None, stored: Any) -> Any:
    """Return the value that stands in a column; what does not fit its type comes as it is."""
    match column, stored:
        case ColumnType("Pointer"), str() if "$" in stored:
            class_name, _, object_id = stored.partition("$")
            return Pointer(class_name, object_id)
        case ColumnType("File"), str():
            return File(stored)
        case ColumnType("GeoPoint"), [int() | float() as longitude, int() | float() as latitude]:
            return GeoPoint(latitude, longitude)
        case ColumnType("Polygon"), {"type": "Polygon", "coordinates": [[*ring], *_]}:
            places = [place[::-1] if isinstance(place, list) else place for place in ring]
            return _typed(stored, "Polygon", coordinates=places)
        case ColumnType("Bytes"), str():  # in old rows
            return _typed(stored, "Bytes", base64=stored)
    return parse_nested(stored)


def _typed(stored: Any, type_name: str, **members: Any) -> Any:
    """Return the value that this would be in Parse's JSON, or if it is none, what is stored."""
    value = decode({"__type": type_name, **members})
    return stored if isinstance(value, dict) else value


def parse_nested(stored: Any) -> Any:
    """Return the value that stands within an array or object."""
    match stored:
        case dict():
            members = {key: parse_nested(member) for key, member in stored.items()}
            return decode(members) if "__type" in members else members
        case list():
            return [parse_nested(element) for element in stored]
        case Int64():
            return int(stored)
        case Decimal128():
            return float(stored.to_decimal())
        case bytes():
            return bytes(stored)
        case ObjectId():
            return str(stored)
    return stored
