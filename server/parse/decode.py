"""Parse's JSON to values: `{"__type": ...}` becomes the class it names, within bounds and checked.

Knows no schema: whether a value fits its column is for the schemas to say.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from cloud.values import File, GeoPoint, Pointer, Polygon, Relation, Value
from server.parse.errors import (
    INCORRECT_TYPE,
    INTERNAL_SERVER_ERROR,
    INVALID_ACL,
    INVALID_KEY_NAME,
    INVALID_NESTED_KEY,
    ParseError,
)

# Parse Server's default `requestKeywordDenylist`: what has attacked JavaScript servers. We are
# none, but one may read our database.
_DENIED_KEYS = ("constructor", "__proto__")
_DENIED_PAIR = ("_bsontype", "Code")

MAX_CORNERS = 1000
"""Of an area, stored or asked for: each object found may have to be compared with each side."""

_CLASS_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")


def decode(value: Any) -> Value:
    """Turn JSON into values; what is a value already, as cloud code has them, stays.

    A dict becomes a typed value only if that says all that was in it, so nothing is lost: any
    other `__type`, malformed or with more keys, stays a dict. Datetimes become UTC in whole
    milliseconds. Raises TypeError for what is no Parse value.
    """
    if isinstance(value, Mapping):
        typed = _typed_or_none(value)
        return {key: decode(member) for key, member in value.items()} if typed is None else typed
    if isinstance(value, list | tuple):
        return [decode(member) for member in value]
    if isinstance(value, datetime):
        return _whole_milliseconds(value)
    if value is None or isinstance(value, _VALUES):
        return value
    raise TypeError(f"a {type(value).__name__} is no Parse value")


def decode_column(name: str, value: Any) -> Value:
    """Turn what a client sends for a whole column into its value.

    Strict where `decode` is lenient: raises ParseError 111 for a malformed `__type` and for a
    Polygon of more than MAX_CORNERS, 121 for nested names with `$` or `.`, 105 for prohibited
    keywords.
    """
    if name == "ACL":
        return decode_acl(value)
    refuse_prohibited_keywords(value)
    if isinstance(value, Mapping) and isinstance(value.get("__type"), str):
        typed = _typed(value["__type"], value)
        if isinstance(typed, Polygon) and len(typed.points) > MAX_CORNERS + 1:  # a closed ring
            message = f"Polygon.coordinates should contain at most {MAX_CORNERS} GeoPoints"
            raise ParseError(INCORRECT_TYPE, message)
        return typed
    refuse_operators_in_names(value)
    return decode(value)


def decode_acl(value: Any) -> dict[str, dict[str, bool]]:
    """Read an ACL: who may "read" and "write"; only what is true is kept.

    Raises ParseError 123 for the placeholder of a user not saved yet, 111 for anything malformed:
    a typing error must not open an object to everybody, nor close it.
    """
    refuse_prohibited_keywords(value)
    if not isinstance(value, Mapping):
        raise _not_valid("ACL")
    if "*unresolved" in value:
        raise ParseError(INVALID_ACL, "Invalid ACL.")
    rights = {principal: _rights(principal, granted) for principal, granted in value.items()}
    return {principal: granted for principal, granted in rights.items() if granted}


def parse_date(text: str) -> datetime:
    """Read ISO 8601 as UTC in whole milliseconds; without an offset it is UTC.

    Raises ParseError 111.
    """
    try:
        return _whole_milliseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):  # an offset may lead out of the calendar
        raise _not_valid("Date") from None


def refuse_prohibited_keywords(value: Any) -> None:
    """Raise ParseError 105 if a prohibited keyword stands anywhere in request data."""
    for mapping in mappings_in(value):
        for key in _DENIED_KEYS:
            if key in mapping:
                raise _prohibited({"key": key})
        key, member = _DENIED_PAIR
        if mapping.get(key) == member:
            raise _prohibited({"key": key, "value": member})


def mappings_in(value: Any) -> Iterable[Mapping[str, Any]]:
    """Yield every JSON object in a value, itself included."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for member in value:
            if isinstance(member, Mapping | list | tuple):
                yield from mappings_in(member)


def _prohibited(keyword: Mapping[str, str]) -> ParseError:
    text = json.dumps(keyword, separators=(",", ":"))
    return ParseError(INVALID_KEY_NAME, f"Prohibited keyword in request data: {text}.")


def refuse_operators_in_names(value: Any) -> None:
    """Raise ParseError 121 if a name, however deep, means something to a database."""
    for mapping in mappings_in(value):
        for key in mapping:
            if "$" in key or "." in key:
                message = "Nested keys should not contain the '$' or '.' characters"
                raise ParseError(INVALID_NESTED_KEY, message)
            if "\0" in key:  # BSON has no form for it
                message = "Nested keys should not contain the NUL character"
                raise ParseError(INVALID_NESTED_KEY, message)


def _rights(principal: str, granted: Any) -> dict[str, bool]:
    if not isinstance(granted, Mapping) or not principal or "\0" in principal:
        raise _not_valid("ACL")
    rights = {right: granted.get(right) for right in ("read", "write")}
    if not all(allowed is None or isinstance(allowed, bool) for allowed in rights.values()):
        raise _not_valid("ACL")
    return {right: True for right, allowed in rights.items() if allowed}


def _whole_milliseconds(moment: datetime) -> datetime:
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


# --- one reader for each __type -------------------------------------------------------------------


def _typed_or_none(value: Mapping[str, Any]) -> Value | None:
    kind = value.get("__type")
    if not isinstance(kind, str) or frozenset(value) not in _EXACT_KEYS.get(kind, ()):
        return None
    try:
        return _READERS[kind](value)
    except ParseError:
        return None


def _typed(kind: str, value: Mapping[str, Any]) -> Value:
    if kind not in _READERS:
        raise _not_valid(kind)
    return _READERS[kind](value)


def _not_valid(kind: str) -> ParseError:
    return ParseError(INCORRECT_TYPE, f"This is not a valid {kind}")


def _text(value: Mapping[str, Any], key: str, kind: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text:
        raise _not_valid(kind)
    return text


def _class_name(value: Mapping[str, Any], kind: str) -> str:
    """MongoDB holds a pointer as `class$id`, so a `$` in the class would make it another's."""
    name = _text(value, "className", kind)
    if not _CLASS_NAME.fullmatch(name):
        raise _not_valid(kind)
    return name


def _date(value: Mapping[str, Any]) -> datetime:
    return parse_date(_text(value, "iso", "Date"))


def _bytes(value: Mapping[str, Any]) -> bytes:
    text = value.get("base64")
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise _not_valid("Bytes")


def _pointer(value: Mapping[str, Any]) -> Pointer:
    return Pointer(_class_name(value, "Pointer"), _text(value, "objectId", "Pointer"))


def _file(value: Mapping[str, Any]) -> File:
    url = value.get("url")
    if url is not None and not isinstance(url, str):
        raise _not_valid("File")
    return File(_text(value, "name", "File"), url)


def _relation(value: Mapping[str, Any]) -> Relation:
    return Relation(_class_name(value, "Relation"))


def _geo_point(value: Mapping[str, Any]) -> GeoPoint:
    return GeoPoint(*_place(value.get("latitude"), value.get("longitude"), "GeoPoint"))


def _polygon(value: Mapping[str, Any]) -> Polygon:
    """Close the ring, as Parse does. Parse's own code for too few points is 1, and its status
    500, which SDKs would repeat."""
    coordinates = value.get("coordinates")
    if not isinstance(coordinates, list | tuple) or not all(map(_is_pair, coordinates)):
        raise _not_valid("Polygon")
    points = [_place(latitude, longitude, "Polygon") for latitude, longitude in coordinates]
    if len(set(points)) < 3:
        message = "GeoJSON: Loop must have at least 3 different vertices"
        raise ParseError(INTERNAL_SERVER_ERROR, message, 400)
    return Polygon((*points, *points[:1]) if points[0] != points[-1] else tuple(points))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2


def _place(latitude: Any, longitude: Any, kind: str) -> tuple[float, float]:
    if _is_degree(latitude, 90) and _is_degree(longitude, 180):
        return latitude, longitude
    raise _not_valid(kind)


def _is_degree(value: Any, bound: int) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and isfinite(value) and abs(value) <= bound


_VALUES = (bool, int, float, str, bytes, Pointer, File, GeoPoint, Polygon, Relation)

_READERS: Mapping[str, Callable[[Mapping[str, Any]], Value]] = {
    "Date": _date,
    "Bytes": _bytes,
    "Pointer": _pointer,
    "File": _file,
    "GeoPoint": _geo_point,
    "Polygon": _polygon,
    "Relation": _relation,
}
_EXACT_KEYS = {
    kind: tuple(frozenset({"__type", *names.split()}) for names in forms)
    for kind, forms in {
        "Date": ("iso",),
        "Bytes": ("base64",),
        "Pointer": ("className objectId",),
        "File": ("name", "name url"),
        "GeoPoint": ("latitude longitude",),
        "Polygon": ("coordinates",),
        "Relation": ("className",),
    }.items()
}
