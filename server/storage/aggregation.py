"""Runs a pipeline over rows in memory, with MongoDB's semantics; the embedded store's way. Pure.

Rows pass one by one where a stage allows it; sorting and grouping hold what they must.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import total_ordering
from heapq import nsmallest
from itertools import islice
from typing import Any

from server.storage.expressions import (
    MISSING,
    Evaluate,
    at_path,
    compiled,
    greatest,
    is_number,
    is_true,
    least,
    mean,
    or_none,
    refused,
    total,
    within_numbers,
)
from server.storage.matching import comparable, leaves, matcher, sort_key
from server.storage.pipeline import (
    AddFields,
    Count,
    Group,
    Limit,
    Match,
    MatchExpression,
    Project,
    ReplaceRow,
    Row,
    Skip,
    Sort,
    Stage,
    Unset,
    Unwind,
    without_hidden,
)
from server.storage.port import SortKey

Hold = Callable[[Any], None]
"""Told of each value or row that stays in memory; it may raise, which ends the pipeline."""


def run(
    stages: Sequence[Stage], rows: Iterable[Row], hold: Hold = lambda _held: None
) -> Iterator[Row]:
    """Return the rows that come out of the last stage. Raises RefusedQuery, also while iterated."""
    flow: Iterator[Row] = map(without_hidden, rows)
    for number, stage in enumerate(stages):
        following = stages[number + 1] if number + 1 < len(stages) else None
        if isinstance(stage, Sort) and isinstance(following, Limit):
            candidates = _held(flow, hold, following.count)
            flow = iter(nsmallest(following.count, candidates, key=_place_in(stage)))
        else:
            flow = _after(stage, flow, hold)
    return flow


def distinct(rows: Iterable[Row], path: str, hold: Hold = lambda _held: None) -> list[Any]:
    """Return every value that stands at a path, in the order in which they come up."""
    found: dict[Any, Any] = {}
    for row in rows:
        for leaf in leaves(without_hidden(row), path):
            for value in leaf if isinstance(leaf, list) else [leaf]:
                key = comparable(value)
                if key not in found:
                    hold(value)
                    found[key] = value
    return list(found.values())


def _held(rows: Iterator[Row], hold: Hold, most: int | None = None) -> Iterator[Row]:
    for row in islice(rows, most):
        hold(row)
        yield row
    yield from rows


def _after(stage: Stage, rows: Iterator[Row], hold: Hold) -> Iterator[Row]:
    match stage:
        case Match(where):
            return filter(matcher(where), rows)
        case MatchExpression(test):
            decide = compiled(test)
            return (row for row in rows if is_true(decide(row)))
        case Project():
            return _projected(stage, rows)
        case AddFields(computed):
            fields = [(tuple(path.split(".")), compiled(part)) for path, part in computed.items()]
            return (_with_fields(row, fields) for row in rows)
        case Unset(paths):
            names = [tuple(path.split(".")) for path in paths]
            return (_without(row, names) for row in rows)
        case Group():
            return _grouped(stage, rows, hold)
        case Sort():
            return iter(sorted(_held(rows, hold), key=_place_in(stage)))
        case Skip(count):
            return islice(rows, count, None)
        case Limit(count):
            return islice(rows, count)
        case Unwind():
            return _unwound(stage, rows)
        case Count(name):
            return _counted(name, rows)
        case ReplaceRow(expression):
            return map(_row_of(compiled(expression)), rows)


def _counted(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    count = sum(1 for _ in rows)
    if count:
        yield {name: count}


def _row_of(evaluate: Evaluate) -> Callable[[Row], Row]:
    def replaced(row: Row) -> Row:
        value = evaluate(row)
        if not isinstance(value, dict):
            raise refused("$replaceRoot", or_none(value))
        return value

    return replaced


# --- sorting --------------------------------------------------------------------------------------


@total_ordering
class _Descending:
    """A key that sorts the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.key == other.key)

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.key < self.key)


def _place_in(stage: Sort) -> Callable[[Row], Any]:
    def place(row: Row) -> tuple[Any, ...]:
        return tuple(_part(row, key) for key in stage.order)

    return place


def _part(row: Row, key: SortKey) -> Any:
    part = sort_key(row, key)
    return _Descending(part) if key.descending else part


# --- grouping -------------------------------------------------------------------------------------


def _grouped(stage: Group, rows: Iterator[Row], hold: Hold) -> Iterator[Row]:
    key_of = compiled(stage.key)
    fields = [(name, *_accumulator(*field)) for name, field in stage.fields.items()]
    groups: dict[Any, tuple[Any, list[list[Any]]]] = {}
    for row in rows:
        key = or_none(key_of(row))
        made: tuple[Any, list[list[Any]]] = key, [[] for _ in fields]
        _, taken = group = groups.setdefault(comparable(key), made)
        if group is made:
            hold({"_id": key, **dict.fromkeys(stage.fields)})
        for values, (_, take, argument, _finish) in zip(taken, fields, strict=True):
            value, had = argument(row), len(values)
            take(values, value)
            if len(values) > had:
                hold(value)
    for key, taken in groups.values():
        finished = {
            name: finish(values) for values, (name, _, _, finish) in zip(taken, fields, strict=True)
        }
        yield {"_id": key, **finished}


_Take = Callable[[list[Any], Any], None]
_Finish = Callable[[list[Any]], Any]


def _accumulator(name: str, argument: Any) -> tuple[_Take, Evaluate, _Finish]:
    take, finish = _ACCUMULATORS[name]
    return within_numbers(name, take), compiled(argument), within_numbers(name, finish)


def _take_all(values: list[Any], value: Any) -> None:
    if value is not MISSING:
        values.append(value)


def _take_number(values: list[Any], value: Any) -> None:
    if is_number(value):
        values.append(value)


def _take_into_sum(values: list[Any], value: Any) -> None:
    """Whole numbers add up as they come: their sum is exact."""
    if isinstance(value, int) and not isinstance(value, bool) and values and _is_whole(values[0]):
        values[0] += value
    elif isinstance(value, int) and not isinstance(value, bool):
        values.insert(0, value)
    else:
        _take_number(values, value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int)


def _take_first(values: list[Any], value: Any) -> None:
    if not values:
        values.append(or_none(value))


def _take_last(values: list[Any], value: Any) -> None:
    values[:] = [or_none(value)]


def _take_least(values: list[Any], value: Any) -> None:
    values[:] = [least([*values, value])]


def _take_greatest(values: list[Any], value: Any) -> None:
    values[:] = [greatest([*values, value])]


def _only(values: list[Any]) -> Any:
    return values[0] if values else None


def _each_once(values: list[Any]) -> list[Any]:
    return list({comparable(value): value for value in values}.values())


def _deviation(values: list[Any]) -> float | None:
    return statistics.pstdev(map(float, values)) if values else None


def _deviation_of_sample(values: list[Any]) -> float | None:
    return statistics.stdev(map(float, values)) if len(values) > 1 else None


_ACCUMULATORS: dict[str, tuple[_Take, _Finish]] = {
    "$sum": (_take_into_sum, total),
    "$avg": (_take_number, mean),
    "$min": (_take_least, _only),
    "$max": (_take_greatest, _only),
    "$first": (_take_first, _only),
    "$last": (_take_last, _only),
    "$push": (_take_all, list),
    "$addToSet": (_take_all, _each_once),
    "$stdDevPop": (_take_number, _deviation),
    "$stdDevSamp": (_take_number, _deviation_of_sample),
}
"""How each takes a row's value in, and what it comes to at the end."""


# --- shapes ---------------------------------------------------------------------------------------


def _projected(stage: Project, rows: Iterator[Row]) -> Iterator[Row]:
    kept = [tuple(path.split(".")) for path in stage.kept]
    kept = [("_id",), *kept] if stage.with_id and "_id" not in stage.computed else kept
    computed = [(tuple(path.split(".")), compiled(part)) for path, part in stage.computed.items()]
    for row in rows:
        chosen = _chosen(row, kept)
        yield _with_computed(chosen, row, computed)


def _chosen(value: Any, paths: Sequence[tuple[str, ...]]) -> Any:
    """The value with what the paths lead to alone; MISSING for what has no members."""
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        found = [_chosen(element, paths) for element in value if isinstance(element, dict | list)]
        return [one for one in found if one is not MISSING]
    if not isinstance(value, dict):
        return MISSING
    chosen = {}
    for name, member in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        found = _chosen(member, below) if below else MISSING
        if found is not MISSING:
            chosen[name] = found
    return chosen


_Computed = Sequence[tuple[tuple[str, ...], Evaluate]]


def _with_fields(row: Row, fields: _Computed) -> Row:
    return _with_computed(row, row, fields)


def _with_computed(result: Row, row: Row, fields: _Computed) -> Row:
    for path, evaluate in fields:
        value = evaluate(row)
        if value is not MISSING:
            result = _with_member(result, path, value)
        elif at_path(result, path) is not MISSING:
            result = _without(result, [path])
    return result


def _with_member(holder: Any, path: tuple[str, ...], value: Any) -> Any:
    """The holder with the value at the path, in each of its elements if it is an array."""
    if not path:
        return value
    if isinstance(holder, list):
        return [_with_member(element, path, value) for element in holder]
    members = holder if isinstance(holder, dict) else {}
    return {**members, path[0]: _with_member(members.get(path[0]), path[1:], value)}


def _without(value: Any, paths: Sequence[tuple[str, ...]]) -> Any:
    if isinstance(value, list):
        return [_without(element, paths) for element in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, member in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        if () not in below:
            kept[name] = _without(member, below) if below else member
    return kept


def _unwound(stage: Unwind, rows: Iterator[Row]) -> Iterator[Row]:
    path = tuple(stage.path.split("."))
    for row in rows:
        value = _member(row, path)
        if isinstance(value, list) and value:
            for index, element in enumerate(value):
                yield _numbered(_with_member(row, path, element), stage, index)
        elif value is None or value is MISSING or value == []:
            if stage.keeps_empty:
                yield _numbered(_without(row, [path]) if value == [] else row, stage, None)
        else:
            yield _numbered(row, stage, None)


def _member(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
    return value


def _numbered(row: Row, stage: Unwind, index: int | None) -> Row:
    return row if stage.index_name is None else {**row, stage.index_name: index}
