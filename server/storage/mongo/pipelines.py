"""The PipelineStore in MongoDB: stages and expressions as MongoDB has them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from server.storage.budget import Budget, weight_of
from server.storage.mongo.errors import more_time, refused_queries, translated_errors
from server.storage.mongo.filters import to_filter, to_hint, to_sort, without_order
from server.storage.mongo.reading import collection, explained, keyed_hint, rows_within
from server.storage.mongo.values import nested
from server.storage.pipeline import (
    HIDDEN_KEYS,
    WITH_HIDDEN_KEYS,
    AddFields,
    Apply,
    Count,
    DateText,
    Elements,
    Expression,
    Field,
    Group,
    Limit,
    Literal,
    Match,
    MatchExpression,
    Members,
    Project,
    ReplaceRow,
    Row,
    Skip,
    Sort,
    Stage,
    Unset,
    Unwind,
    WholeRow,
    without_hidden,
)
from server.storage.port import ClassSchema, Condition, Hint

_TIMEOUT_S = 60

_AS_STORED = ClassSchema("")
"""No columns: every path is taken as it stands in rows."""


class MongoPipelines:
    """The PipelineStore; see the port for its contract."""

    def __init__(self, database: Database[Row]) -> None:
        self._database = database

    def run(
        self,
        schema: ClassSchema,
        stages: Sequence[Stage],
        *,
        hint: Hint | None = None,
        comment: str | None = None,
        read_preference: str | None = None,
        budget: Budget | None = None,
    ) -> list[Row]:
        options: Row = {} if hint is None else {"hint": to_hint(hint)}
        options |= {} if comment is None else {"comment": comment}
        rows = collection(self._database, schema, read_preference)
        pipeline = to_pipeline(schema, stages)
        with self._asking():
            if budget is None:
                found = list(rows.aggregate(pipeline, **options))
            else:
                codec = rows.codec_options
                raw = rows.with_options(codec.with_options(document_class=RawBSONDocument))
                found_raw = (bytes(row.raw) for row in raw.aggregate(pipeline, **options))
                found = list(rows_within(found_raw, codec, budget))
        return [without_hidden(row) for row in found] if _has_hidden(schema) else found

    def explain(
        self, schema: ClassSchema, stages: Sequence[Stage], verbosity: str, hint: Hint | None = None
    ) -> Any:
        asked: Row = {"aggregate": schema.class_name, "pipeline": to_pipeline(schema, stages)}
        asked |= {"cursor": {}} | ({} if hint is None else {"hint": keyed_hint(hint)})
        with self._asking():
            return explained(self._database, asked, verbosity)

    def distinct(
        self, schema: ClassSchema, path: str, where: Condition, budget: Budget | None = None
    ) -> list[Any]:
        if path.partition(".")[0] in HIDDEN_KEYS:
            return []
        selected = to_filter(schema, without_order(where))
        with self._asking():
            found = self._database[schema.class_name].distinct(path, selected)
        if budget is not None:  # an answer of MongoDB's, so it has 16 MB at most
            budget.take(weight_of(found))
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with translated_errors(), more_time(self._database, _TIMEOUT_S), refused_queries():
            yield


def to_pipeline(schema: ClassSchema, stages: Sequence[Stage]) -> list[Row]:
    """Translate stages. Some classes have keys that nobody gets to see."""
    translated = [_stage(stage) for stage in stages]
    if _has_hidden(schema):
        return [{"$project": dict.fromkeys(sorted(HIDDEN_KEYS), 0)}, *translated]
    return translated


def _has_hidden(schema: ClassSchema) -> bool:
    return WITH_HIDDEN_KEYS.match(schema.class_name) is not None


def _stage(stage: Stage) -> Row:
    match stage:
        case Match(where):
            return {"$match": to_filter(_AS_STORED, where)}
        case MatchExpression(test):
            return {"$match": {"$expr": _expression(test)}}
        case Project(kept, computed, with_id):
            identity: Row = {} if with_id else {"_id": 0}
            values = {path: _computed(part) for path, part in computed.items()}
            return {"$project": {**identity, **dict.fromkeys(kept, 1), **values}}
        case AddFields(computed):
            return {"$addFields": _each(computed)}
        case Unset(paths):
            return {"$project": dict.fromkeys(paths, 0)}
        case Group(key, fields):
            taken = {
                name: {accumulator: _expression(argument)}
                for name, (accumulator, argument) in fields.items()
            }
            return {"$group": {"_id": _expression(key), **taken}}
        case Sort(order):
            return {"$sort": dict(to_sort(_AS_STORED, order))}
        case Skip(count):
            return {"$skip": count}
        case Limit(count):
            return {"$limit": count}
        case Unwind(path, keeps_empty, index_name):
            index = {} if index_name is None else {"includeArrayIndex": index_name}
            empty = {"preserveNullAndEmptyArrays": True} if keeps_empty else {}
            return {"$unwind": {"path": f"${path}", **index, **empty}}
        case Count(name):
            return {"$count": name}
        case ReplaceRow(row):
            return {"$replaceRoot": {"newRoot": _expression(row)}}


def _each(computed: Mapping[str, Expression]) -> Row:
    return {path: _expression(part) for path, part in computed.items()}


def _computed(part: Expression) -> Any:
    """Where MongoDB would take a number for "keep what stands there"."""
    if isinstance(part, Literal):
        return {"$literal": nested(part.value)}
    return _expression(part)


_PLAIN = (int, float, str, datetime, type(None))


def _expression(expression: Expression) -> Any:
    match expression:
        case Literal(value):
            is_plain = isinstance(value, _PLAIN) and not str(value).startswith("$")
            return value if is_plain else {"$literal": nested(value)}
        case Field(path):
            return f"${path}"
        case WholeRow():
            return "$$ROOT"
        case Members(members):
            return _each(members)
        case Elements(elements):
            return [_expression(element) for element in elements]
        case DateText(date, text_format):
            return {"$dateToString": {"format": text_format, "date": _expression(date)}}
        case Apply(operator, arguments):
            return {operator: [_expression(argument) for argument in arguments]}
