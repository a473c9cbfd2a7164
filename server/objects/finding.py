"""Find, get and count objects as one caller sees them, with what they point to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloud.values import Pointer, Value, value_at
from server.auth import Caller
from server.objects.access import (
    both,
    columns_to_judge_by,
    condition_to,
    own_rows,
    permits,
    visible,
)
from server.objects.find_triggers import FindTriggers
from server.objects.including import include
from server.objects.pointer_texts import with_pointers
from server.objects.schemas import Schemas
from server.objects.search_rights import (
    has_text_search,
    hidden_columns,
    is_about_oneself,
    paths,
    refuse_protected,
    with_hidden,
)
from server.objects.system_classes import BUILT_IN_COLUMNS
from server.objects.triggers import ContextOf
from server.parse.errors import (
    INVALID_QUERY,
    ParseError,
    object_not_found,
)
from server.parse.query import FindRequest
from server.parse.where import read_where
from server.storage.port import (
    EVERYTHING,
    SCORE,
    All,
    ClassSchema,
    Condition,
    Database,
    Differs,
    Document,
    Either,
    Equals,
    Join,
    Neither,
    NoneOf,
    OneOf,
    Query,
    SortKey,
)

# A query inside a query inside a query: each level asks the database once more.
_MAX_SUBQUERY_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a find: documents with their schema, and the count if it was asked for."""

    schema: ClassSchema
    documents: list[Document]
    count: int | None = None


class Finder:
    """Reads objects with the rights of a caller; thread-safe."""

    def __init__(self, database: Database, schemas: Schemas, context_of: ContextOf) -> None:
        self._database, self._schemas, self._context_of = database, schemas, context_of

    def find(
        self,
        caller: Caller,
        class_name: str,
        request: FindRequest,
        context: Mapping[str, Any],
    ) -> Found:
        """Find objects; the client's `context` reaches the triggers. Raises ParseError."""
        triggers = self._triggers(caller, context)
        request = triggers.before(class_name, request)
        schema = self._schemas.for_reading(caller, self._queried_class(class_name, request))
        if schema.class_name != class_name:  # whose triggers hold at this door too
            request = triggers.before(schema.class_name, request)
        preference = request.subquery_read_preference or request.read_preference
        only_counts = request.count and request.limit == 0  # as SDKs count
        operation = "count" if only_counts else "find"
        where = self._condition(caller, schema, operation, request.where, preference)
        documents = []
        if request.limit != 0:
            query = _query(caller, schema, where, request)
            documents = self._stored(schema, query)
        count = None
        if request.count:
            counted = both(where, condition_to("count", caller, schema))
            count = self._counted(schema, counted)
        documents = self._finished(caller, schema, documents, request)
        return Found(schema, triggers.after(schema.class_name, request, documents), count)

    def explain(self, caller: Caller, class_name: str, request: FindRequest) -> Any:
        """Return what the database says of how it would find them. Raises ParseError."""
        if not caller.master:
            message = "Using the explain query parameter requires the master key"
            raise ParseError(INVALID_QUERY, message)
        schema = self._schemas.for_reading(caller, self._queried_class(class_name, request))
        where = self._condition(caller, schema, "find", request.where)
        query = _query(caller, schema, where, request)
        return self._database.objects.explain(schema, query, request.explain or "queryPlanner")

    def get(
        self,
        caller: Caller,
        class_name: str,
        object_id: str,
        request: FindRequest,
        context: Mapping[str, Any],
    ) -> Found:
        """Get one object. Raises ParseError 101 when it isn't there or not for this caller."""
        schema = self._schemas.for_reading(caller, class_name)
        triggers = self._triggers(caller, context, is_get=True)
        request = triggers.before(class_name, replace(request, where={"objectId": object_id}))
        where = self._condition(caller, schema, "get", request.where)
        query = Query(
            where,
            limit=1,
            columns=_columns_to_read(schema, request),
            read_preference=request.read_preference,
            budget=caller.budget,
        )
        documents = self._finished(caller, schema, self._stored(schema, query), request)
        documents = triggers.after(class_name, request, documents) if documents else []
        if not documents:
            raise object_not_found()
        return Found(schema, documents)

    def count(
        self,
        caller: Caller,
        class_name: str,
        where: Mapping[str, Any],
        context: Mapping[str, Any],
    ) -> int:
        """Count objects. Raises ParseError."""
        schema = self._schemas.for_reading(caller, class_name)
        request = FindRequest(where=where, limit=0, count=True)
        request = self._triggers(caller, context).before(class_name, request)
        return self._counted(schema, self._condition(caller, schema, "count", request.where))

    def included(
        self,
        caller: Caller,
        class_name: str,
        ids: Iterable[str],
        read_preference: str | None = None,
    ) -> Found:
        """Get what is included, as `by_ids` does, and let the class's triggers have their say."""
        wanted = tuple(ids)
        if not FindTriggers.exist_for(class_name):
            return self.by_ids(caller, class_name, wanted, read_preference)
        is_get = len(wanted) == 1
        asked = {"objectId": wanted[0] if is_get else {"$in": list(wanted)}}
        triggers = self._triggers(caller, {}, is_get=is_get)
        request = triggers.before(class_name, FindRequest(where=asked, limit=len(wanted)))
        schema = self._schemas.find(class_name) or ClassSchema(class_name)
        condition = self._condition(caller, schema, "get", request.where)
        both_hold = both(OneOf("objectId", wanted), condition)
        query = Query(both_hold, read_preference=read_preference, budget=caller.budget)
        documents = self._stored(schema, query)
        shown = [_chosen(visible(caller, schema, document), request) for document in documents]
        return Found(schema, triggers.after(class_name, request, shown))

    def by_ids(
        self,
        caller: Caller,
        class_name: str,
        ids: Iterable[str],
        read_preference: str | None = None,
    ) -> Found:
        """Get the objects of these ids that the caller may read. Raises ParseError 119."""
        schema = self._schemas.find(class_name) or ClassSchema(class_name)
        where = both(OneOf("objectId", tuple(ids)), self._condition(caller, schema, "get", {}))
        query = Query(where, read_preference=read_preference, budget=caller.budget)
        documents = self._stored(schema, query)
        return Found(schema, [visible(caller, schema, document) for document in documents])

    def _triggers(
        self, caller: Caller, context: Mapping[str, Any], *, is_get: bool = False
    ) -> FindTriggers:
        return FindTriggers(self._context_of, self._schemas, caller, context, is_get=is_get)

    def _stored(self, schema: ClassSchema, query: Query) -> list[Document]:
        """Ask the database, but for Parse's classes alone: it may hold other things besides."""
        is_class = self._schemas.find(schema.class_name) is not None
        return self._database.objects.find(schema, query) if is_class else []

    def _counted(self, schema: ClassSchema, where: Condition) -> int:
        is_class = self._schemas.find(schema.class_name) is not None
        return self._database.objects.count(schema, where) if is_class else 0

    def _queried_class(self, class_name: str, request: FindRequest) -> str:
        schema = self._schemas.find(class_name)
        column = schema and schema.columns.get(request.redirect_class_name_for_key or "")
        if column and column.kind == "Relation" and column.target_class:
            return column.target_class
        return class_name

    def _finished(
        self,
        caller: Caller,
        schema: ClassSchema,
        documents: list[Document],
        request: FindRequest,
    ) -> list[Document]:
        documents = [visible(caller, schema, document) for document in documents]
        documents = include(self, caller, schema, documents, request)
        return [_chosen(document, request) for document in documents]

    def _condition(
        self,
        caller: Caller,
        schema: ClassSchema,
        operation: str,
        where: Mapping[str, Any],
        read_preference: str | None = None,
        depth: int = 0,
    ) -> Condition:
        """What the caller asks for, within all that bounds her; of a query `depth` queries deep."""
        allowed = condition_to(operation, caller, schema)
        asked: Condition = EVERYTHING
        if where:
            subqueries = _Subqueries(self, caller, depth, read_preference)
            asked = self._read_where(caller, schema, where, subqueries)
        return both(asked, allowed, own_rows(caller, schema), permits("read", caller))

    def condition(self, caller: Caller, schema: ClassSchema, where: Mapping[str, Any]) -> Condition:
        """Read a `where` on behalf of the master key, whom nothing else bounds."""
        return self._condition(caller, schema, "find", where)

    def _read_where(
        self,
        caller: Caller,
        schema: ClassSchema,
        where: Mapping[str, Any],
        subqueries: "_Subqueries",
    ) -> Condition:
        condition = read_where(where, subqueries, master=caller.searches_all)
        if not is_about_oneself(caller, schema, where):
            refuse_protected(caller, schema, paths(condition))
        condition = self._with_relations(schema, with_pointers(schema, condition))
        return with_hidden(condition, hidden_columns(caller, schema))

    def find_all(
        self,
        caller: Caller,
        class_name: str,
        where: Mapping[str, Any],
        path: str,
        depth: int,
        read_preference: str | None,
    ) -> Found:
        """Find what stands at a path, without a limit, for a query inside another one."""
        if depth > _MAX_SUBQUERY_DEPTH:
            message = f"queries may be nested {_MAX_SUBQUERY_DEPTH} deep"
            raise ParseError(INVALID_QUERY, message)
        schema = self._schemas.for_reading(caller, class_name)
        triggers = self._triggers(caller, {})
        request = triggers.before(class_name, FindRequest(where=where))
        query = Query(
            self._condition(caller, schema, "find", request.where, read_preference, depth),
            columns=_columns_of_subquery(schema, path),
            read_preference=read_preference,
            budget=caller.budget,
        )
        documents = self._stored(schema, query)
        shown = [visible(caller, schema, document) for document in documents]
        return Found(schema, triggers.after(class_name, request, shown))

    def related_to(self, caller: Caller, owner: Pointer, key: str) -> tuple[str, ...]:
        """Return the ids that `key` of the owner relates to, if the caller may read the owner."""
        found = self.by_ids(caller, owner.class_name, [owner.object_id])
        refuse_protected(caller, found.schema, [key])
        if not found.documents:
            return ()
        join = Join(key, owner.class_name)
        return tuple(self._database.relations.related_ids(join, [owner.object_id]))

    def _with_relations(self, schema: ClassSchema, condition: Condition) -> Condition:
        """Replace conditions on relation columns, which no document has, by ones on objectId."""
        match condition:
            case All(parts) | Either(parts) | Neither(parts):
                replaced = tuple(self._with_relations(schema, part) for part in parts)
                return replace(condition, parts=replaced)
            case Equals(path, value) if _is_relation(schema, path):
                return OneOf("objectId", self._owners(schema, path, [value]))
            case OneOf(path, values) if _is_relation(schema, path):
                return OneOf("objectId", self._owners(schema, path, values))
            case Differs(path, value) if _is_relation(schema, path):
                return NoneOf("objectId", self._owners(schema, path, [value]))
            case NoneOf(path, values) if _is_relation(schema, path):
                return NoneOf("objectId", self._owners(schema, path, values))
        return condition

    def _owners(self, schema: ClassSchema, key: str, values: Iterable[Value]) -> tuple[str, ...]:
        related = [value.object_id for value in values if isinstance(value, Pointer)]
        join = Join(key, schema.class_name)
        return tuple(self._database.relations.owning_ids(join, related)) if related else ()


class _Subqueries:
    """Answers the queries inside a query, with the rights of the same caller."""

    def __init__(
        self, finder: Finder, caller: Caller, depth: int, read_preference: str | None
    ) -> None:
        self._finder, self._caller = finder, caller
        self._depth, self._read_preference = depth + 1, read_preference

    def in_query(self, class_name: str, where: Mapping[str, Any]) -> tuple[Pointer, ...]:
        found = self._found(class_name, where, "objectId")
        return tuple(Pointer(class_name, row["objectId"]) for row in found.documents)

    def select(self, class_name: str, where: Mapping[str, Any], key: str) -> tuple[Value, ...]:
        if key.startswith("_"):
            raise ParseError(INVALID_QUERY, "improper usage of $select")
        found = self._found(class_name, where, key)
        values = [value_at(row, key) for row in found.documents]
        return tuple(value for value in values if value is not None)

    def related_to(self, owner: Pointer, key: str) -> tuple[str, ...]:
        return self._finder.related_to(self._caller, owner, key)

    def _found(self, class_name: str, where: Mapping[str, Any], path: str) -> Found:
        return self._finder.find_all(
            self._caller, class_name, where, path, self._depth, self._read_preference
        )


def _query(caller: Caller, schema: ClassSchema, where: Condition, request: FindRequest) -> Query:
    if not is_about_oneself(caller, schema, request.where):
        refuse_protected(caller, schema, (key.path for key in request.order), "sort by")
    is_scored = has_text_search(where)
    known: tuple[SortKey, ...] = tuple(
        key
        for key in request.order
        if (is_scored and key.path == SCORE) or _is_column(schema, key.path.partition(".")[0])
    )
    return Query(
        where,
        order=known,
        skip=request.skip,
        limit=request.limit,
        columns=_columns_to_read(schema, request),
        hint=request.hint,
        comment=request.comment,
        read_preference=request.read_preference,
        with_score=is_scored and SCORE in (request.keys or ()),
        budget=caller.budget,
    )


def _is_column(schema: ClassSchema, name: str) -> bool:
    return name in schema.columns or name in BUILT_IN_COLUMNS


def _is_relation(schema: ClassSchema, path: str) -> bool:
    column = schema.columns.get(path)
    return column is not None and column.kind == "Relation"


def _columns_to_read(schema: ClassSchema, request: FindRequest) -> frozenset[str] | None:
    if request.keys is None or request.include_all:
        return None
    wanted = [*request.keys, *request.include, *columns_to_judge_by(schema)]
    return frozenset(path.partition(".")[0] for path in wanted) - {SCORE}


def _columns_of_subquery(schema: ClassSchema, path: str) -> frozenset[str] | None:
    """What a query inside another one reads; an app's trigger is shown whole objects."""
    if FindTriggers.exist_for(schema.class_name):
        return None
    return frozenset([path.partition(".")[0], *columns_to_judge_by(schema)])


def _chosen(document: Document, request: FindRequest) -> Document:
    """The document with `keys`, without `excludeKeys`; ids, times and ACL always stay."""
    if request.keys is not None:
        wanted = {key.partition(".")[0] for key in request.keys} | BUILT_IN_COLUMNS.keys()
        wanted |= {"score"} if SCORE in wanted else set()
        document = {name: value for name, value in document.items() if name in wanted}
    if request.exclude_keys:
        unwanted = set(request.exclude_keys) - BUILT_IN_COLUMNS.keys()
        document = {name: value for name, value in document.items() if name not in unwanted}
    return document
