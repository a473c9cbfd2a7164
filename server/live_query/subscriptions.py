"""What a client has subscribed to, read and permitted. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cloud.values import Pointer, Value
from server.auth import Caller
from server.live_query.limits import pattern_budget
from server.live_query.messages import Subscribe
from server.objects.access import condition_to
from server.objects.search_rights import paths, refuse_protected
from server.parse.encode import to_json
from server.parse.errors import INVALID_QUERY, INVALID_SESSION_TOKEN, ParseError
from server.parse.where import read_where
from server.storage.matching import matcher
from server.storage.port import (
    All,
    ClassSchema,
    Condition,
    ContainsAll,
    Either,
    Matches,
    Neither,
    Regex,
)
from server.storage.regex import Budget


@dataclass(frozen=True, slots=True)
class Subscription:
    """A query that a client hears of; `text` is the same for all that ask the same."""

    class_name: str
    where: Condition
    text: str
    operation: str
    """The permission that it needs: "get" where it names one object, else "find"."""
    asked: frozenset[str] = frozenset()
    """Every path that the query looks at, or that is watched."""
    keys: frozenset[str] | None = None
    watch: tuple[str, ...] | None = None
    session_token: str | None = field(default=None, repr=False)
    plain_test: Callable[[Mapping[str, Any]], bool] | None = field(default=None, repr=False)
    """The query as a test, if it has no pattern, whose time has to be counted for each write."""

    def test(self, budget: Budget) -> Callable[[Mapping[str, Any]], bool]:
        """Return the query as a test for the states of one object. Raises Refused, and so does the
        test, when its patterns take too long."""
        return self.plain_test or matcher(self.where, budget=budget)


def read_subscription(asked: Subscribe, caller: Caller, schema: ClassSchema) -> Subscription:
    """Read the query and check the rights to it. Raises ParseError and, for a pattern, Refused."""
    if schema.class_name == "_Session" and not caller.master and caller.user_id is None:
        raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")
    where = read_where(asked.where, _NoSubqueries(), master=caller.searches_all)
    _refuse_relations(schema, paths(where))
    test = matcher(where, budget=pattern_budget())
    names_one = asked.where.keys() == {"objectId"} and isinstance(asked.where["objectId"], str)
    subscription = Subscription(
        asked.class_name,
        where,
        to_json([caller.searches_all, asked.where]),
        "get" if names_one else "find",
        frozenset([*paths(where), *(asked.watch or ())]),
        None if asked.keys is None else frozenset(key.partition(".")[0] for key in asked.keys),
        asked.watch,
        asked.session_token,
        None if _has_pattern(where) else test,
    )
    right_to(subscription, caller, schema)
    return subscription


def right_to(subscription: Subscription, caller: Caller, schema: ClassSchema) -> Condition:
    """Check the right to the query; returns what holds of the objects that it may show by the
    class's permissions. Raises ParseError."""
    permitted = condition_to(subscription.operation, caller, schema)
    refuse_protected(caller, schema, subscription.asked)
    return permitted


def _has_pattern(condition: Condition) -> bool:
    match condition:
        case All(parts) | Either(parts) | Neither(parts):
            return any(_has_pattern(part) for part in parts)
        case ContainsAll(_, values):
            return any(isinstance(value, Regex) for value in values)
    return isinstance(condition, Matches)


def _refuse_relations(schema: ClassSchema, asked: Iterable[str]) -> None:
    for path in asked:
        column = schema.columns.get(path)
        if column is not None and column.kind == "Relation":
            message = f"{path} is a relation, which a LiveQuery cannot look at."
            raise ParseError(INVALID_QUERY, message)


class _NoSubqueries:
    """Refuses the queries inside a query: each write would ask the database for each client."""

    def in_query(self, *_: object) -> tuple[Pointer, ...]:
        self._refuse("$inQuery")

    def select(self, *_: object) -> tuple[Value, ...]:
        self._refuse("$select")

    def related_to(self, *_: object) -> tuple[str, ...]:
        self._refuse("$relatedTo")

    def _refuse(self, operator: str) -> NoReturn:
        raise ParseError(INVALID_QUERY, f"{operator} cannot be used in a LiveQuery.")
