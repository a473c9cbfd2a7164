"""Run an app's triggers around finds: what is asked, before; what is answered, after."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from cloud.code import TriggerKind, cloud
from cloud.queries import Query
from cloud.running import run_after_find, run_before_find
from server.auth import Caller
from server.objects.parse_objects import to_document, to_parse_object
from server.objects.schemas import Schemas
from server.objects.triggers import ContextOf
from server.parse.query import FindRequest, read_find
from server.storage.port import ClassSchema, Document


class FindTriggers:
    """The triggers of one find, or of one step of it: an include, or a query inside a query.

    `shared` is what the two triggers of it hand on to one another, and the client sent along.
    """

    def __init__(
        self,
        context_of: ContextOf,
        schemas: Schemas,
        caller: Caller,
        shared: Mapping[str, Any],
        *,
        is_get: bool = False,
    ) -> None:
        self._context_of, self._schemas, self._caller = context_of, schemas, caller
        self._shared, self._is_get = dict(shared), is_get

    @staticmethod
    def exist_for(class_name: str) -> bool:
        """Whether finds of this class run any trigger."""
        kinds = (TriggerKind.BEFORE_FIND, TriggerKind.AFTER_FIND)
        return any(cloud.trigger(kind, class_name) is not None for kind in kinds)

    def before(self, class_name: str, request: FindRequest) -> FindRequest:
        """Return what is to be looked for. Raises CloudError where the trigger refuses."""
        if cloud.trigger(TriggerKind.BEFORE_FIND, class_name) is None:
            return request
        query = run_before_find(
            self._context_of(self._caller, self._shared),
            _to_query(class_name, request),
            count=request.count,
            is_get=self._is_get,
        )
        return _to_request(query, request)

    def after(
        self, class_name: str, request: FindRequest, documents: list[Document]
    ) -> list[Document]:
        """Return what is to be answered. Raises CloudError where the trigger refuses."""
        if cloud.trigger(TriggerKind.AFTER_FIND, class_name) is None:
            return documents
        objects = run_after_find(
            self._context_of(self._caller, self._shared),
            _to_query(class_name, request),
            [to_parse_object(class_name, document) for document in documents],
            count=request.count,
            is_get=self._is_get,
        )
        return [to_document(obj, self._schema_of) for obj in objects]

    def _schema_of(self, class_name: str) -> ClassSchema:
        return self._schemas.find(class_name) or ClassSchema(class_name)


def _to_query(class_name: str, request: FindRequest) -> Query:
    return Query(
        class_name,
        where=deepcopy(dict(request.where)),
        order=["-" * key.descending + key.path for key in request.order],
        limit=request.limit,
        skip=request.skip,
        include=list(request.include),
        include_all=request.include_all,
        keys=None if request.keys is None else list(request.keys),
        exclude_keys=None if request.exclude_keys is None else list(request.exclude_keys),
    )


def _to_request(query: Query, request: FindRequest) -> FindRequest:
    """Read the query as a client's is read; what a trigger cannot change stays as it was."""
    asked = read_find(
        {
            "where": query.where,
            "order": query.order,
            "limit": query.limit,
            "skip": query.skip,
            "include": query.include,
            "includeAll": query.include_all,
            "keys": query.keys,
            "excludeKeys": query.exclude_keys,
        }
    )
    changeable = ("where", "order", "limit", "skip", "include", "include_all", "keys")
    changes = {name: getattr(asked, name) for name in (*changeable, "exclude_keys")}
    return replace(request, **changes)
