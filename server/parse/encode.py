"""Values to Parse's JSON, exactly as SDKs expect it.

Knows how a value looks on the wire; who may see which column is decided before.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.storage.port import ClassSchema, Document

FileUrl = Callable[[str], str]
"""Where a client may read the file of this name."""


@dataclass(frozen=True, slots=True)
class IncludedObject:
    """An object that stands in a document in place of its pointer."""

    document: Document
    schema: ClassSchema


def to_json(value: Any) -> str:
    """Encode for the wire: compact, UTF-8, values typed, whole floats without `.0`, no NaN.

    Integer decoders in .NET, Android and Dart stumble over `1.0`; JSON knows no NaN, and
    JavaScript writes null for it. Raises TypeError for what Parse has no form for.
    """
    return _JSON.encode(_wire(value, None))


def object_json(
    document: Document,
    schema: ClassSchema,
    file_url: FileUrl,
    *,
    with_type: bool = False,
    internal: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Show a document as a client gets it; `with_type` as it stands inside another answer.

    Columns that start with `_` are left out but for `internal`, and every relation of the class is
    named.
    """
    shown: dict[str, Any] = {}
    for name in ("objectId", "createdAt", "updatedAt"):
        if name in document:
            value = document[name]
            shown[name] = iso_date(value) if isinstance(value, datetime) else value
    for name, value in document.items():
        if name not in shown and (name[:1] != "_" or name in internal):
            shown[name] = value if type(value) in _PLAIN else _wire(value, file_url)
    for name, column in schema.columns.items():
        if column.kind == "Relation":
            shown[name] = {"__type": "Relation", "className": column.target_class}
    if with_type:
        shown["__type"] = "Object"
        shown["className"] = schema.class_name
    return shown


def iso_date(moment: datetime) -> str:
    """Format as Parse does: UTC, exactly three fractional digits, `Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

# What json writes as we want it; a float may need help, so it is not among them.
_PLAIN = frozenset({str, int, bool, type(None)})


def _wire(value: Any, file_url: FileUrl | None) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {
            key if type(key) is str else str(key): (
                member if type(member) in _PLAIN else _wire(member, file_url)
            )
            for key, member in value.items()
        }
    if kind is list:
        return [member if type(member) in _PLAIN else _wire(member, file_url) for member in value]
    if kind is float:
        return _number(value)
    return _typed(value, file_url)


def _typed(value: Any, file_url: FileUrl | None) -> Any:
    match value:
        case datetime():
            return {"__type": "Date", "iso": iso_date(value)}
        case Pointer(class_name, object_id):
            return {"__type": "Pointer", "className": class_name, "objectId": object_id}
        case File(name, url):
            found = file_url(name) if url is None and file_url else url
            return {"__type": "File", "name": name} | ({} if found is None else {"url": found})
        case GeoPoint(latitude, longitude):
            place = {"latitude": latitude, "longitude": longitude}
            return _wire({"__type": "GeoPoint"} | place, None)
        case bytes():
            return {"__type": "Bytes", "base64": base64.b64encode(value).decode("ascii")}
        case Polygon(points):
            return {"__type": "Polygon", "coordinates": _wire(points, None)}
        case Relation(target_class):
            return {"__type": "Relation", "className": target_class}
        case IncludedObject(document, schema) if file_url:
            return object_json(document, schema, file_url, with_type=True)
        case Mapping():
            return _wire(dict(value), file_url)
        case list() | tuple():
            return _wire(list(value), file_url)
        case float():
            return _number(value)
        case str() | int():
            return value
    raise TypeError(f"a {type(value).__name__} has no form in Parse's JSON")


def _number(value: float) -> float | int | None:
    if not isfinite(value):
        return None
    if not value.is_integer() or abs(value) >= 1e21:  # where JavaScript goes over to exponents
        return value
    if abs(value) <= 2**53:
        return int(value)
    return int(Decimal(repr(value)))  # the shortest digits that mean this double, then zeros
