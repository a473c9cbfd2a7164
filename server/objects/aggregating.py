"""Pipelines and distinct values over a class, for the master key."""

from typing import Any

from server.auth import Caller
from server.objects.finding import Finder
from server.objects.schemas import Schemas
from server.parse.aggregate import AggregateRequest
from server.storage.mongo.columns import column_name
from server.storage.mongo.rows import parse_result
from server.storage.mongo.values import parse_value
from server.storage.pipeline import Field, Group, Row, Stage
from server.storage.port import ClassSchema, Database, Document


class Aggregator:
    """Answers `/aggregate`; thread-safe."""

    def __init__(self, database: Database, schemas: Schemas, finder: Finder) -> None:
        self._database, self._schemas, self._finder = database, schemas, finder

    def distinct(self, caller: Caller, schema: ClassSchema, request: AggregateRequest) -> list[Any]:
        """Return the values at `request.distinct`, null aside. Raises ParseError."""
        path = request.distinct or ""
        if self._schemas.find(schema.class_name) is None:
            return []
        where = self._finder.condition(caller, schema, request.where)
        found = self._database.pipelines.distinct(schema, path, where, caller.budget)
        column = schema.columns.get(column_name(schema, path) or "")
        is_pointer = column is not None and column.kind == "Pointer"
        return [
            parse_value(column if is_pointer else None, value)
            for value in found
            if value is not None
        ]

    def run(self, caller: Caller, schema: ClassSchema, request: AggregateRequest) -> list[Document]:
        """Return what comes out of the pipeline, as documents."""
        if self._schemas.find(schema.class_name) is None:
            return []
        rows = self._database.pipelines.run(
            schema,
            request.stages,
            hint=request.hint,
            comment=request.comment,
            read_preference=request.read_preference,
            budget=caller.budget,
        )
        by_pointer = _groups_by_pointer(request.stages)
        return [parse_result(schema, _identified(row, by_pointer=by_pointer)) for row in rows]

    def explain(self, schema: ClassSchema, request: AggregateRequest) -> Any:
        """Return what the database says of how it would run the pipeline."""
        return self._database.pipelines.explain(
            schema, request.stages, request.explain or "", request.hint
        )


def _groups_by_pointer(stages: tuple[Stage, ...]) -> bool:
    keys = [stage.key for stage in stages if isinstance(stage, Group)]
    return any(isinstance(key, Field) and key.path.startswith("_p_") for key in keys)


def _identified(row: Row, *, by_pointer: bool) -> Row:
    """The row with the `_id` that Parse Server shows: a pointer's objectId; nothing is null."""
    if "_id" not in row:
        return row
    identity = row["_id"]
    if by_pointer and isinstance(identity, str) and "$" in identity:
        identity = identity.partition("$")[2]
    return {**row, "_id": None if identity in ("", {}, []) else identity}
