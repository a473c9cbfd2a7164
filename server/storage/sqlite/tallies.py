"""The TallyStore in SQLite: one GROUP BY over the JSON documents."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from server.storage.port import ClassSchema, Condition
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.documents import read_text
from server.storage.sqlite.translate import class_condition, translate, translate_key
from server.storage.tally_port import DayOf, StepOf, TallyKey, TallyValue


class SqliteTallies:
    """The TallyStore; see the port for its contract."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def tally(
        self, schema: ClassSchema, where: Condition, by: Sequence[TallyKey]
    ) -> Mapping[tuple[TallyValue, ...], int]:
        condition = translate(schema, where)
        if not condition.exact:
            raise ValueError("a tally has conditions on columns of one type only")
        keys = [_expression(schema, key) for key in by]
        statement = (
            f"SELECT {', '.join([*keys, 'count(*)'])} FROM objects "  # noqa: S608 - from the schema
            f"WHERE {class_condition(schema.class_name)} AND {condition.text}{_grouped(by)}"
        )
        with (
            self._connections.reading() as connection,
            closing(connection.execute(statement, condition.parameters)) as rows,
        ):
            return {
                tuple(_value(schema, key, v) for key, v in zip(by, row, strict=False)): row[-1]
                for row in rows
            }


def _grouped(by: Sequence[TallyKey]) -> str:
    numbers = ", ".join(str(number) for number in range(1, len(by) + 1))
    return f" GROUP BY {numbers}" if numbers else ""


def _expression(schema: ClassSchema, key: TallyKey) -> str:
    match key:
        case DayOf(path):
            return f"substr({translate_key(schema, path, ('Date',))}, 1, 10)"
        case StepOf(path, bounds):
            number = translate_key(schema, path, ("Number",))
            return f"CASE WHEN {number} IS NOT NULL THEN {_step(number, bounds, 0)} END"
    return translate_key(schema, key, ("String", "Boolean"))


def _step(number: str, bounds: Sequence[float], reached: int) -> str:
    """Find a number's step as one finds a word in a dictionary: half of them is ruled out at a
    time."""
    if not bounds:
        return str(reached)
    middle = len(bounds) // 2
    below = _step(number, bounds[:middle], reached)
    above = _step(number, bounds[middle + 1 :], reached + middle + 1)
    return f"CASE WHEN {number} < {float(bounds[middle])!r} THEN {below} ELSE {above} END"


def _value(schema: ClassSchema, key: TallyKey, value: Any) -> TallyValue:
    if isinstance(key, str) and value is not None and schema.columns[key].kind == "Boolean":
        return bool(value)
    return read_text(value) if isinstance(value, str) else value
