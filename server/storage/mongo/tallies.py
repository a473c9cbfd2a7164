"""The TallyStore in MongoDB: one pipeline of $match and $group."""

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.database import Database

from server.storage.mongo.columns import stored_path
from server.storage.mongo.errors import more_time, translated_errors
from server.storage.mongo.filters import to_filter
from server.storage.mongo.rows import Row
from server.storage.port import ClassSchema, Condition
from server.storage.tally_port import DayOf, StepOf, TallyKey, TallyValue

# Nobody waits for a tally, and it reads very many rows.
_TIMEOUT_S = 60

_NUMBERS = ["int", "long", "double", "decimal"]
_KINDS: Mapping[type, tuple[str, ...]] = {
    str: ("String", "Boolean"),
    DayOf: ("Date",),
    StepOf: ("Number",),
}


class MongoTallies:
    """The TallyStore; see the port for its contract."""

    def __init__(self, database: Database[Row]) -> None:
        self._database = database

    def tally(
        self, schema: ClassSchema, where: Condition, by: Sequence[TallyKey]
    ) -> Mapping[tuple[TallyValue, ...], int]:
        for key in by:
            _check(schema, key)
        names = [f"k{number}" for number in range(len(by))]
        keys = {name: _expression(schema, key) for name, key in zip(names, by, strict=True)}
        stages: list[Row] = [
            {"$match": to_filter(schema, where)},
            {"$group": {"_id": keys or None, "count": {"$sum": 1}}},
        ]
        with translated_errors(), more_time(self._database, _TIMEOUT_S):
            groups = list(self._database[schema.class_name].aggregate(stages))
        counts: dict[tuple[TallyValue, ...], int] = {}
        for group in groups:
            found = group["_id"] or {}
            values = tuple(
                _value(schema, key, found.get(n)) for n, key in zip(names, by, strict=True)
            )
            counts[values] = counts.get(values, 0) + int(group["count"])
        return counts if by else {(): sum(counts.values())}


def _check(schema: ClassSchema, key: TallyKey) -> None:
    path = key if isinstance(key, str) else key.path
    is_date = path in ("createdAt", "updatedAt")
    kind = "Date" if is_date else schema.columns[path].kind if path in schema.columns else None
    if kind not in _KINDS[type(key)]:
        kinds = " or ".join(_KINDS[type(key)])
        raise ValueError(f"{schema.class_name}.{path} is no column of {kinds}")


def _expression(schema: ClassSchema, key: TallyKey) -> Any:
    match key:
        case DayOf(path):
            date = {"format": "%Y-%m-%d", "date": f"${stored_path(schema, path)}"}
            return {"$dateToString": date}
        case StepOf(path, bounds):
            number = f"${stored_path(schema, path)}"
            is_number = {"$in": [{"$type": number}, _NUMBERS]}
            return {"$cond": [is_number, _step(number, bounds, 0), None]}
    return f"${stored_path(schema, key)}"


def _step(number: str, bounds: Sequence[float], reached: int) -> Any:
    """Find a number's step as one finds a word in a dictionary: half of them is ruled out at a
    time."""
    if not bounds:
        return reached
    middle = len(bounds) // 2
    below = _step(number, bounds[:middle], reached)
    above = _step(number, bounds[middle + 1 :], reached + middle + 1)
    return {"$cond": [{"$lt": [number, float(bounds[middle])]}, below, above]}


def _value(schema: ClassSchema, key: TallyKey, value: Any) -> TallyValue:
    match key:
        case DayOf():
            fits = isinstance(value, str)
        case StepOf():
            fits = isinstance(value, int)
        case name:
            fits = isinstance(value, bool if schema.columns[name].kind == "Boolean" else str)
    return value if fits else None
