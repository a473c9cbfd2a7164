"""Conditions on places, and the geometry behind them: MongoDB's, for its legacy points.

A box and a polygon lie on the flat map of degrees; a circle, a distance and a stored Polygon lie on
the sphere. Knows no database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import asin, atan2, cos, degrees, hypot, pi, radians, sin, sqrt
from typing import Any

from cloud.values import GeoPoint, Polygon

Place = tuple[float, float]
"""Latitude and longitude, in degrees."""

_Vector = tuple[float, float, float]

# On the border is inside; MongoDB asks with a cell of about a centimetre.
_BORDER_RAD = 1e-9
_SLACK_DEG = 1e-6


# --- conditions: each holds of a column of GeoPoint, Intersects of one of Polygon ----------------


@dataclass(frozen=True, slots=True)
class Near:
    """At most `max_radians` of the earth's radius from `point`, or anywhere if that is None.

    It stands at the top of a query or within All, once: without an order the nearest come first.
    """

    path: str
    point: GeoPoint
    max_radians: float | None = None


@dataclass(frozen=True, slots=True)
class WithinBox:
    """Between two corners, which lie opposite each other; the border is inside."""

    path: str
    corner: GeoPoint
    opposite: GeoPoint


@dataclass(frozen=True, slots=True)
class WithinPolygon:
    """Inside a ring of at least three places, which closes itself."""

    path: str
    ring: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class WithinSphere:
    """At most `max_radians` of the earth's radius from `center`."""

    path: str
    center: GeoPoint
    max_radians: float


@dataclass(frozen=True, slots=True)
class Intersects:
    """A Polygon around `point`; where its ring parts the earth, the smaller part counts."""

    path: str
    point: GeoPoint


GeoCondition = Near | WithinBox | WithinPolygon | WithinSphere | Intersects


def holds(condition: GeoCondition, value: Any) -> bool:
    """Whether the value of a column fulfils the condition; what is no place never does."""
    match condition, value:
        case Near(_, point, limit), GeoPoint():
            return limit is None or distance(point, value) <= limit
        case WithinSphere(_, center, limit), GeoPoint():
            return distance(center, value) <= limit
        case WithinBox(), GeoPoint():
            south, north, west, east = _box(condition)
            return south <= value.latitude <= north and west <= value.longitude <= east
        case WithinPolygon(_, ring), GeoPoint():
            return _is_in_flat_ring(value, ring)
        case Intersects(_, point), Polygon(points):
            return _is_in_ring_on_sphere(point, points)
    return False


def distance(one: GeoPoint, other: GeoPoint) -> float:
    """The way between two places in radians: times 6371 it is kilometres."""
    north = sin(radians(other.latitude - one.latitude) / 2) ** 2
    east = sin(radians(other.longitude - one.longitude) / 2) ** 2
    chord = north + cos(radians(one.latitude)) * cos(radians(other.latitude)) * east
    return 2 * asin(sqrt(min(1.0, chord)))


def bounds(condition: GeoCondition) -> tuple[float, float, float, float] | None:
    """South, north, west and east, in degrees, between which all lies that fulfils the condition;
    None where nothing that simple can be said."""
    match condition:
        case WithinBox():
            return _box(condition)
        case WithinPolygon(_, ring):
            latitudes, longitudes = zip(*ring, strict=True)
            return min(latitudes), max(latitudes), min(longitudes), max(longitudes)
        case Near(_, point, limit) if limit is not None:
            return _around(point, limit)
        case WithinSphere(_, center, limit):
            return _around(center, limit)
    return None


def _box(box: WithinBox) -> tuple[float, float, float, float]:
    south, north = sorted((box.corner.latitude, box.opposite.latitude))
    west, east = sorted((box.corner.longitude, box.opposite.longitude))
    return south, north, west, east


def _around(center: GeoPoint, limit: float) -> tuple[float, float, float, float] | None:
    if limit >= pi / 2:
        return None
    up = degrees(limit) + _SLACK_DEG
    south, north = center.latitude - up, center.latitude + up
    west, east = -180.0, 180.0
    if south > -90 and north < 90:
        aside = degrees(asin(min(1.0, sin(limit) / cos(radians(center.latitude))))) + _SLACK_DEG
        if abs(center.longitude) + aside <= 180:
            west, east = center.longitude - aside, center.longitude + aside
    return south, north, west, east


def _is_in_flat_ring(place: GeoPoint, ring: Sequence[Place]) -> bool:
    """Count the sides that a ray crosses; corners and sides along the map's lines are inside, as
    MongoDB's `Polygon::contains` has it."""
    y, x = place.latitude, place.longitude
    crossed = False
    for (y1, x1), (y2, x2) in _sides(ring):
        if (y, x) in ((y1, x1), (y2, x2)):
            return True
        if y1 == y2 == y and min(x1, x2) <= x <= max(x1, x2):
            return True
        if y1 == y2 or not min(y1, y2) < y <= max(y1, y2) or x > max(x1, x2):
            continue
        if x1 == x2 == x:
            return True
        if x1 == x2 or x <= (y - y1) * (x2 - x1) / (y2 - y1) + x1:
            crossed = not crossed
    return crossed


def _sides(ring: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
    return pairwise([*ring, ring[0]])


# --- on the sphere --------------------------------------------------------------------------------


def _is_in_ring_on_sphere(place: GeoPoint, ring: Sequence[Place]) -> bool:
    """Turn as who stands there and looks along the ring: once around, in the sense in which the
    ring goes around its smaller part, is inside."""
    here = _vector((place.latitude, place.longitude))
    corners = [_vector(point) for point in ring]
    turned = 0.0
    for one, other in pairwise([*corners, corners[0]]):
        if _is_on_side(here, one, other):
            return True
        turned += atan2(
            _dot(here, _cross(one, other)), _dot(one, other) - _dot(here, one) * _dot(here, other)
        )
    return turned * _area(corners) > 0 and abs(turned) > pi


def _area(corners: Sequence[_Vector]) -> float:
    """The area in steradians to the left of a ring, negative if the smaller one is to its right."""
    first, area = corners[0], 0.0
    for one, other in pairwise(corners[1:]):
        cosines = 1 + _dot(first, one) + _dot(one, other) + _dot(other, first)
        area += 2 * atan2(_dot(first, _cross(one, other)), cosines)
    return (area + 2 * pi) % (4 * pi) - 2 * pi


def _is_on_side(here: _Vector, one: _Vector, other: _Vector) -> bool:
    normal = _cross(one, other)
    length = hypot(*normal)
    if length < _BORDER_RAD:  # a corner that stands there twice
        return hypot(*_cross(here, one)) <= _BORDER_RAD and _dot(here, one) > 0
    is_on_line = abs(_dot(here, normal)) <= _BORDER_RAD * length
    ends = _dot(_cross(one, here), normal), _dot(_cross(here, other), normal)
    return is_on_line and min(ends) >= -_BORDER_RAD * length


def _vector(place: Place) -> _Vector:
    latitude, longitude = radians(place[0]), radians(place[1])
    return cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)


def _dot(a: _Vector, b: _Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: _Vector, b: _Vector) -> _Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
