"""A request that is sent again is done once: `X-Parse-Request-Id`, as Parse Server has it.

The database keeps each id in a unique column until it expires, so it holds for all processes, and
for a Parse Server beside us. A request that is refused before it reaches its route (a wrong key, a
session that has ended) takes no id; what the route itself refuses does.
"""

import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from cloud.clock import utc_now
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import DUPLICATE_REQUEST, ParseError
from server.storage.port import (
    All,
    ClassSchema,
    Compares,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Index,
    Order,
)

# The routes that look at the id in Parse Server, whatever IDEMPOTENCY_PATHS says.
_ROUTES = frozenset({"functions", "jobs", "classes", "users", "installations"})
_CLASS = SYSTEM_CLASSES["_Idempotency"]
_INDEXES = [
    Index("reqId_1", ("reqId",), unique=True),
    Index("ttl", ("expire",), expires=True),
]
_SWEEP_S = 60.0


class Idempotency:
    """Remembers the ids of requests on `paths`, for `ttl_s` seconds; thread-safe.

    `paths` are regular expressions that a path without its outer slashes must begin with.
    """

    def __init__(
        self, database: Database, schemas: Schemas, *, paths: Sequence[str], ttl_s: int
    ) -> None:
        self._objects, self._schemas = database.objects, schemas
        self._paths = [re.compile(path) for path in paths]
        self._lasts = timedelta(seconds=ttl_s)
        self._is_prepared = False
        self._swept_at = -_SWEEP_S

    def claim(self, method: str, path: str, request_id: str | None) -> None:
        """Take the request's id. Raises ParseError 159 where somebody took it before."""
        if request_id is None or not self._covers(method, path.strip("/")):
            return
        schema, now = self._prepared(), utc_now()
        self._forget_old_ones(schema, now)
        if self._is_new(schema, request_id, now):
            return
        mine = Equals("reqId", request_id)
        expired = self._objects.delete(schema, All((mine, _expired(now))))
        if not expired or not self._is_new(schema, request_id, now):
            raise ParseError(DUPLICATE_REQUEST, "Duplicate request")

    def _covers(self, method: str, path: str) -> bool:
        is_route = method in ("POST", "PUT") and path.partition("/")[0].lower() in _ROUTES
        return is_route and any(pattern.match(path) for pattern in self._paths)

    def _is_new(self, schema: ClassSchema, request_id: str, now: datetime) -> bool:
        times = {"createdAt": now, "updatedAt": now, "expire": now + self._lasts}
        document: Document = {"objectId": new_object_id(), "reqId": request_id, **times}
        try:
            self._objects.insert(schema, document)
        except DuplicateObject:
            return False
        return True

    def _forget_old_ones(self, schema: ClassSchema, now: datetime) -> None:
        """MongoDB sees to that itself, the embedded database does not."""
        if time.monotonic() - self._swept_at >= _SWEEP_S:
            self._swept_at = time.monotonic()
            self._objects.delete(schema, _expired(now))

    def _prepared(self) -> ClassSchema:
        """Make the class and its indexes: once, and again when it was taken away."""
        if self._is_prepared and self._schemas.is_stored(_CLASS.class_name):
            return _CLASS
        schema = self._schemas.declare(_CLASS)
        for index in _INDEXES:
            self._objects.ensure_index(schema, index)
        self._is_prepared = True
        return _CLASS


def _expired(now: datetime) -> Compares:
    return Compares("expire", Order.LESS_OR_EQUAL, now)
