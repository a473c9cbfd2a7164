"""Conditions, orders and choices of columns to what MongoDB's find takes.

Values stand below an operator or are scalars, and paths never start with `$`: so nothing from
outside becomes an operator.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import pi
from typing import Any, assert_never

from bson.regex import Regex as BsonRegex

from cloud.values import GeoPoint
from server.storage.geo import (
    GeoCondition,
    Intersects,
    Near,
    Place,
    WithinBox,
    WithinPolygon,
    WithinSphere,
)
from server.storage.mongo.columns import ACL_KEYS, holds_auth_data, stored_path
from server.storage.mongo.values import nested, stored_value
from server.storage.port import (
    SCORE,
    All,
    ClassSchema,
    Compares,
    Condition,
    ContainedBy,
    ContainsAll,
    Differs,
    Either,
    Equals,
    Exists,
    FindsText,
    Hint,
    Matches,
    Neither,
    NoneOf,
    OneOf,
    Permits,
    Regex,
    SortKey,
)

Filter = dict[str, Any]

TEXT_SCORE = {"$meta": "textScore"}

_NOTHING: Filter = {"_id": {"$in": []}}


def to_filter(schema: ClassSchema, where: Condition) -> Filter:
    """Translate a condition; raises Refused for a path that MongoDB would not take as one."""
    match where:
        case All(parts):
            return _all([to_filter(schema, part) for part in parts])
        case Either(parts):
            return {"$or": [to_filter(schema, part) for part in parts]} if parts else _NOTHING
        case Neither(parts):
            return {"$nor": [to_filter(schema, part) for part in parts]} if parts else {}
        case Permits(right, principals):
            return {f"_{right[0]}perm": {"$in": [None, *principals]}}
        case ContainsAll(path, values) if any(_is_refused_in_lists(value) for value in values):
            return _all([to_filter(schema, Equals(path, value)) for value in values])
        case ContainedBy(path, values):
            strangers = {"$elemMatch": {"$nin": _elements(values)}}
            return {"$nor": [{stored_path(schema, path): strangers}]}
        case FindsText():
            return {"$text": _search(where)}
        case Near() | WithinBox() | WithinPolygon() | WithinSphere() | Intersects():
            return _around(schema, where)
    return {stored_path(schema, where.path): _constraint(schema, where)}


def _search(where: FindsText) -> dict[str, Any]:
    options = {
        "$language": where.language,
        "$caseSensitive": where.case_sensitive,
        "$diacriticSensitive": where.diacritic_sensitive,
    }
    return {"$search": where.term} | {name: value for name, value in options.items() if value}


def text_search(where: Condition) -> FindsText | None:
    """Return the text search of a condition, if there is one."""
    if isinstance(where, All):
        return next(filter(None, map(text_search, where.parts)), None)
    return where if isinstance(where, FindsText) else None


def without_order(where: Condition) -> Condition:
    """The same condition where MongoDB takes none that also says an order, such as in a count."""
    match where:
        case Near(path, point, limit):
            return WithinSphere(path, point, pi if limit is None else limit)
        case All(parts):
            return replace(where, parts=tuple(without_order(part) for part in parts))
    return where


def _around(schema: ClassSchema, where: GeoCondition) -> Filter:
    """Ask where a place is, as Parse Server does; of a column of another type nothing is true."""
    column = schema.columns.get(where.path)
    kind = "Polygon" if isinstance(where, Intersects) else "GeoPoint"
    if column is None or column.kind != kind:
        return _NOTHING
    return {stored_path(schema, where.path): _place(where)}


def _place(where: GeoCondition) -> Filter:
    match where:
        case Near(_, point, limit):
            return {"$nearSphere": _pair(point)} | (
                {} if limit is None else {"$maxDistance": limit}
            )
        case WithinBox(_, corner, opposite):
            return {"$within": {"$box": [_pair(corner), _pair(opposite)]}}
        case WithinPolygon(_, ring):
            return {"$geoWithin": {"$polygon": [_turned(place) for place in ring]}}
        case WithinSphere(_, center, limit):
            return {"$geoWithin": {"$centerSphere": [_pair(center), limit]}}
        case Intersects(_, point):
            return {"$geoIntersects": {"$geometry": {"type": "Point", "coordinates": _pair(point)}}}


def _pair(point: GeoPoint) -> list[float]:
    return [point.longitude, point.latitude]


def _turned(place: Place) -> list[float]:
    latitude, longitude = place
    return [longitude, latitude]


def _all(filters: list[Filter]) -> Filter:
    """Put filters into one where no key stands in two of them, as Parse Server sends them."""
    merged: Filter = {}
    for part in filters:
        if merged.keys() & part.keys():
            return {"$and": filters}
        merged |= part
    return merged


_OnePath = Equals | Differs | Compares | OneOf | NoneOf | Exists | Matches | ContainsAll


def _constraint(schema: ClassSchema, where: _OnePath) -> Any:
    """Return what is asked of the one key."""
    match where:
        case Equals(path, value):
            return _equal(schema, path, value)
        case Differs(path, value):
            return {"$ne": _value(schema, path, value)}
        case Compares(path, order, value):
            return {order.value: _value(schema, path, value)}
        case OneOf(path, values):
            return {"$in": _values(schema, path, values)}
        case NoneOf(path, values):
            return {"$nin": _values(schema, path, values)}
        case Exists(_, exists):
            return {"$exists": exists}
        case Matches(_, Regex(pattern, options)):
            return {"$regex": pattern} | ({"$options": options} if options else {})
        case ContainsAll(path, values):
            return {"$all": [_wanted_element(value) for value in values]}
        case _:
            assert_never(where)


def _equal(schema: ClassSchema, path: str, value: Any) -> Any:
    stored = _value(schema, path, value)
    column = schema.columns.get(path)
    is_array = column is not None and column.kind == "Array"
    if is_array and not isinstance(value, list | None) and not _is_refused_in_lists(value):
        return {"$all": [stored]}
    return {"$eq": stored} if isinstance(stored, dict | list) else stored


def _value(schema: ClassSchema, path: str, value: Any) -> Any:
    """Return the value as it stands at the path: only a whole column has short forms."""
    return stored_value(schema.columns.get(path), value)


def _values(schema: ClassSchema, path: str, values: Iterable[Any]) -> list[Any]:
    return [_value(schema, path, value) for value in values if not _is_refused_in_lists(value)]


def _elements(values: Iterable[Any]) -> list[Any]:
    return [nested(value) for value in values if not _is_refused_in_lists(value)]


def _wanted_element(value: Any) -> Any:
    if isinstance(value, Regex):
        return BsonRegex(value.pattern, value.options)
    return nested(value)


def _is_refused_in_lists(value: Any) -> bool:
    """Whether MongoDB reads this as an operator where it stands in a list, or refuses it.

    Parse keeps `$` out of the names in objects, so nothing that is stored equals such a value.
    """
    return isinstance(value, dict) and any(name.startswith("$") for name in value)


def to_sort(schema: ClassSchema, order: Iterable[SortKey]) -> list[tuple[str, Any]]:
    """Translate sort keys; where a path comes again, its first key counts."""
    directions: dict[str, Any] = {}
    for key in order:
        if key.path == SCORE:
            directions.setdefault("score", TEXT_SCORE)
        else:
            directions.setdefault(stored_path(schema, key.path), -1 if key.descending else 1)
    return list(directions.items())


def to_hint(hint: Hint) -> str | list[tuple[str, Any]]:
    """Translate a hint to what pymongo takes."""
    return hint if isinstance(hint, str) else list(hint)


def to_projection(
    schema: ClassSchema, columns: frozenset[str] | None, *, with_score: bool = False
) -> dict[str, Any] | None:
    """Translate the columns wanted to the keys that hold them; None reads whole rows.

    That is also for `_User.authData`, since its keys cannot be told beforehand.
    """
    score = {"score": TEXT_SCORE} if with_score else {}
    if columns is None or ("authData" in columns and holds_auth_data(schema)):
        return score or None
    paths = {stored_path(schema, name) for name in columns - {"ACL"}}
    inner = {path for path in paths if any(path.startswith(other + ".") for other in paths)}
    kept = dict.fromkeys(["_id", "_created_at", "_updated_at", *ACL_KEYS, *(paths - inner)], 1)
    return {**kept, **score}
