"""The operators of `where` that speak of places, to conditions. Pure."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from cloud.values import GeoPoint
from server.parse.decode import MAX_CORNERS, decode
from server.parse.errors import INVALID_JSON, INVALID_QUERY, ParseError
from server.storage.geo import (
    GeoCondition,
    Intersects,
    Near,
    Place,
    WithinBox,
    WithinPolygon,
    WithinSphere,
)
from server.storage.port import All, Condition, Either, Neither

# What a radian is, in miles and kilometres; and where several stand there, which one counts, as in
# Parse Server: the last.
_RADIANS = {
    "$maxDistanceInRadians": 1,
    "$maxDistanceInMiles": 3959,
    "$maxDistanceInKilometers": 6371,
    "$maxDistance": 1,
}

GEO_OPERATORS = frozenset(["$nearSphere", *_RADIANS, "$within", "$geoWithin", "$geoIntersects"])


def read_geo(path: str, operators: Mapping[str, Any]) -> list[Condition]:
    """Read those operators that stand at a path. Raises ParseError 107."""
    conditions: list[Condition] = []
    distances = {name: operators[name] for name in _RADIANS if name in operators}
    if "$nearSphere" in operators:
        conditions.append(_near(path, operators["$nearSphere"], distances))
    elif distances:
        raise ParseError(INVALID_JSON, f"bad constraint: {next(iter(distances))}")
    for name, read in _READERS.items():
        if name in operators:
            operand = operators[name]
            conditions.append(read(path, operand if isinstance(operand, Mapping) else {}))
    return conditions


def check_near(condition: Condition) -> None:
    """Refuse `$nearSphere` where it cannot say an order. Raises ParseError 102, with MongoDB's
    sentences."""
    nears = _nears(condition, is_at_top=True)
    if nears > 1:
        raise ParseError(INVALID_QUERY, "Too many geoNear expressions")


def _nears(condition: Condition, *, is_at_top: bool) -> int:
    match condition:
        case All(parts):
            return sum(_nears(part, is_at_top=is_at_top) for part in parts)
        case Either(parts) | Neither(parts):
            return sum(_nears(part, is_at_top=False) for part in parts)
        case Near():
            if not is_at_top:
                raise ParseError(INVALID_QUERY, "geo $near must be top-level expr")
            return 1
    return 0


def _near(path: str, point: Any, distances: Mapping[str, Any]) -> GeoCondition:
    limit = None
    for name, distance in distances.items():
        if not _is_distance(distance):
            raise ParseError(INVALID_JSON, f"bad {name} value")
        limit = distance / _RADIANS[name]
    return Near(path, _point(point, "bad $nearSphere value"), limit)


def _within(path: str, operand: Mapping[str, Any]) -> GeoCondition:
    box = operand.get("$box")
    refusal = "malformatted $within arg"
    if not isinstance(box, list | tuple) or len(box) != 2:
        raise ParseError(INVALID_JSON, refusal)
    return WithinBox(path, _point(box[0], refusal), _point(box[1], refusal))


def _geo_within(path: str, operand: Mapping[str, Any]) -> GeoCondition:
    if operand.get("$polygon") is not None:
        return WithinPolygon(path, _ring(operand["$polygon"]))
    sphere = operand.get("$centerSphere")
    if sphere is None:
        raise ParseError(INVALID_JSON, "bad $geoWithin value")
    if not isinstance(sphere, list | tuple) or len(sphere) < 2:
        message = "$centerSphere should be an array of Parse.GeoPoint and distance"
        raise ParseError(INVALID_JSON, f"bad $geoWithin value; {message}")
    refusal = "bad $geoWithin value; $centerSphere geo point invalid"
    pair = _pair(sphere[0])
    center = _point(sphere[0], refusal) if pair is None else GeoPoint(*pair)
    if not _is_distance(sphere[1]):
        message = "bad $geoWithin value; $centerSphere distance invalid"
        raise ParseError(INVALID_JSON, message)
    return WithinSphere(path, center, sphere[1])


def _geo_intersects(path: str, operand: Mapping[str, Any]) -> GeoCondition:
    refusal = "bad $geoIntersect value; $point should be GeoPoint"
    return Intersects(path, _point(operand.get("$point"), refusal))


_READERS = {"$within": _within, "$geoWithin": _geo_within, "$geoIntersects": _geo_intersects}


def _ring(polygon: Any) -> tuple[Place, ...]:
    """Read the GeoPoints around an area, or a Polygon.

    Pairs of numbers are longitude and latitude to Parse Server here, a Polygon's included.
    """
    if isinstance(polygon, Mapping) and polygon.get("__type") == "Polygon":
        points = polygon.get("coordinates")
        few = "Polygon.coordinates should contain at least 3 lon/lat pairs"
    else:
        points, few = polygon, "$polygon should contain at least 3 GeoPoints"
        if not isinstance(points, list | tuple):
            message = "$polygon should be Polygon object or Array of Parse.GeoPoint's"
            raise ParseError(INVALID_JSON, f"bad $geoWithin value; {message}")
    if not isinstance(points, list | tuple) or len(points) < 3:
        raise ParseError(INVALID_JSON, f"bad $geoWithin value; {few}")
    if len(points) > MAX_CORNERS:
        message = f"$polygon should contain at most {MAX_CORNERS} GeoPoints"
        raise ParseError(INVALID_JSON, f"bad $geoWithin value; {message}")
    return tuple(_place(point) for point in points)


def _place(point: Any) -> Place:
    pair = _pair(point)
    if pair is not None:
        return pair
    found = _point(point, "bad $geoWithin value")
    return found.latitude, found.longitude


def _pair(value: Any) -> Place | None:
    """Read longitude and latitude."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    typed = {"__type": "GeoPoint", "latitude": value[1], "longitude": value[0]}
    found = _point(typed, "bad $geoWithin value")
    return found.latitude, found.longitude


def _point(value: Any, refusal: str) -> GeoPoint:
    point = decode(value)
    if not isinstance(point, GeoPoint):
        raise ParseError(INVALID_JSON, refusal)
    return point


def _is_distance(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and isfinite(value) and value >= 0
