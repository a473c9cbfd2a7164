r"""Documents as JSON text, in the one way that SQL expressions can rely on.

A date is `{"$date": "2026-11-22T18:27:49.690Z"}`, always as wide, so that its text sorts as time
does; bytes are `{"$bytes": base64}`; a Pointer, File, GeoPoint or Polygon is the JSON that Parse
has for it, and JSON of exactly that form is read as one. SQLite ends a text at U+0000, so that
character is kept as U+0001 U+0001, and U+0001 itself as U+0001 U+0002: order and equality stay.
"""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation
from server.storage.port import Refused
from server.storage.typed_json import typed_json

# Each also takes in an escaped backslash, behind which `u0000` is only text.
_PLAIN_CONTROL = re.compile(r"\\(?:u000[01]|.)")
_KEPT_CONTROL = re.compile(r"\\(?:u0001\\u000[12]|.)")
_TO_KEEP = {r"\u0000": r"\u0001\u0001", r"\u0001": r"\u0001\u0002"}
_TO_READ = {kept: plain for plain, kept in _TO_KEEP.items()}


def dump(value: Any) -> str:
    """Write a document or value. Raises TypeError or Refused for what no document may hold."""
    try:
        text = json.dumps(
            value, default=_typed, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except ValueError as error:  # a number that is none
        raise Refused(f"SQLite: {error}") from error
    if "\\u000" not in text:
        return text
    return _PLAIN_CONTROL.sub(lambda match: _TO_KEEP.get(match[0], match[0]), text)


def load(text: str) -> Any:
    """Read what `dump` wrote."""
    if "\\u0001" in text:
        text = _KEPT_CONTROL.sub(lambda match: _TO_READ.get(match[0], match[0]), text)
    return _JSON.decode(text)


def kept_text(text: str) -> str:
    """Write a text as SQL sees it in a document."""
    return text.replace("\1", "\1\2").replace("\0", "\1\1")


def read_text(kept: str) -> str:
    """Read what SQL sees as a text in a document."""
    if "\1" not in kept:
        return kept
    return re.sub("\1[\1\2]", lambda match: "\0" if match[0] == "\1\1" else "\1", kept)


def kept_date(moment: datetime) -> str:
    """Write a moment as SQL sees it in a document."""
    in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    return in_utc.isoformat(timespec="milliseconds") + "Z"


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case datetime():
            return {"$date": kept_date(value)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
    typed = typed_json(value)
    if typed is None:
        raise TypeError(f"a {type(value).__name__} cannot be stored")
    return typed


def _untyped(value: dict[str, Any]) -> Any:
    """Read an object of exactly one of our forms; whatever else there is stays a dict."""
    if len(value) > 1 and "__type" not in value:
        return value
    try:
        match value:
            case {"$date": str(text), **rest} if not rest and text.endswith(("Z", "+00:00")):
                return datetime.fromisoformat(text).astimezone(UTC)
            case {"$bytes": str(text), **rest} if not rest:
                return base64.b64decode(text, validate=True)
            case {"__type": str(name), **members}:
                return _parse_value(name, members) or value
    except (TypeError, ValueError):
        return value
    return value


_JSON = json.JSONDecoder(object_hook=_untyped)


def _parse_value(name: str, members: dict[str, Any]) -> Any:
    match name, members:
        case "Pointer", {"className": str(target), "objectId": str(object_id), **rest} if not rest:
            return Pointer(target, object_id)
        case "File", {"name": str(file), **rest} if not rest:
            return File(file)
        case "File", {"name": str(file), "url": str(url), **rest} if not rest:
            return File(file, url)
        case "GeoPoint", {"latitude": latitude, "longitude": longitude, **rest} if not rest:
            return GeoPoint(float(latitude), float(longitude))
        case "Polygon", {"coordinates": points, **rest} if not rest:
            return Polygon(
                tuple((float(latitude), float(longitude)) for latitude, longitude in points)
            )
        case "Relation", {"className": str(target), **rest} if not rest:
            return Relation(target)
    return None
