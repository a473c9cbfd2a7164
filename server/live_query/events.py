"""Which event a write is to one subscription, and what its client may see of it. Pure.

Everything is decided anew for each write, by the rights that hold at that moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cloud.operations import same
from cloud.values import Pointer, Value
from server.auth import Caller
from server.live_query.messages import Subscribe
from server.live_query.writes import Write
from server.objects.access import both, condition_to, own_rows, permits, visible
from server.objects.finding import paths, refuse_protected
from server.parse.encode import FileUrl, object_json, to_json
from server.parse.errors import INVALID_QUERY, INVALID_SESSION_TOKEN, ParseError
from server.parse.query import read_where
from server.storage.matching import matcher
from server.storage.port import EVERYTHING, ClassSchema, Condition, Document
from server.storage.regex import Budget

# What all subscriptions with the same query may take of a write: an honest pattern on a text
# takes microseconds.
_REGEX_LIMIT_S = 0.05
_ALWAYS_SHOWN = frozenset({"className", "objectId", "createdAt", "updatedAt", "ACL"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """A query that a client hears of, read and permitted once; `text` is the same for all that ask
    the same."""

    class_name: str
    where: Condition
    text: str
    operation: str
    """The permission that it needs: "get" where it names one object, else "find"."""
    keys: frozenset[str] | None = None
    watch: tuple[str, ...] | None = None
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """What a client is told: `kind` is create, enter, update, leave or delete."""

    kind: str
    object: Document
    original: Document | None = None


def read_subscription(asked: Subscribe, caller: Caller, schema: ClassSchema) -> Subscription:
    """Read the query and check the rights to it. Raises ParseError and, for a pattern, Refused."""
    if schema.class_name == "_Session" and not caller.master and caller.user_id is None:
        raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")
    where = read_where(asked.where, _NoSubqueries(), master=caller.searches_all)
    _refuse_relations(schema, paths(where))
    matcher(where, budget=Budget(_REGEX_LIMIT_S))
    names_one = asked.where.keys() == {"objectId"} and isinstance(asked.where["objectId"], str)
    subscription = Subscription(
        asked.class_name,
        where,
        to_json([caller.master, asked.where]),
        "get" if names_one else "find",
        None if asked.keys is None else frozenset(key.partition(".")[0] for key in asked.keys),
        asked.watch,
        asked.session_token,
    )
    _readable(subscription, caller, schema)
    return subscription


class Matching:
    """One write held against queries; those that are the same are asked once."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self._found: dict[str, tuple[bool, bool]] = {}

    def __call__(self, subscription: Subscription) -> tuple[bool, bool]:
        """Whether the object was found before, and is now. Raises Refused when a pattern takes too
        long."""
        if subscription.text not in self._found:
            test = matcher(subscription.where, budget=Budget(_REGEX_LIMIT_S))
            before, after = self.write.before, self.write.after
            was, is_now = (row is not None and test(row) for row in (before, after))
            self._found[subscription.text] = was, is_now
        return self._found[subscription.text]


def event_of(
    matching: Matching, subscription: Subscription, caller: Caller, schema: ClassSchema
) -> Event | None:
    """Return what the write is to the subscription; None if its client is not to hear of it.

    Of the object's state before and after, only one that the caller may read is told. Raises
    ParseError once the caller has lost the right to the query itself, and Refused as Matching does.
    """
    may_read = _readable(subscription, caller, schema)
    found_before, found_after = matching(subscription)
    if not (found_before or found_after):
        return None
    before, after = (
        None if row is None or not may_read(row) else visible(caller, schema, row)
        for row in (matching.write.before, matching.write.after)
    )
    event = _choose(matching.write, before, after, found_before, found_after)
    if event is None or not _is_watched(event, subscription.watch):
        return None
    return event


def shown(
    document: Document, subscription: Subscription, schema: ClassSchema, url_of: FileUrl
) -> dict[str, Any]:
    """Show an object as it stands in an event."""
    found = {"className": schema.class_name, **object_json(document, schema, url_of)}
    if subscription.keys is None:
        return found
    wanted = _ALWAYS_SHOWN | subscription.keys
    return {name: value for name, value in found.items() if name in wanted}


def _choose(
    write: Write,
    before: Document | None,
    after: Document | None,
    found_before: bool,
    found_after: bool,
) -> Event | None:
    was = before if found_before else None
    now = after if found_after else None
    if was is not None and write.after is None:
        return Event("delete", was)
    if was is not None and now is not None:
        return Event("update", now, was)
    if was is not None:  # of what it has become, only what they may still read
        return Event("leave", was if after is None else after, was)
    if now is not None and write.before is None:
        return Event("create", now)
    if now is not None:
        return Event("enter", now, before)
    return None


def _is_watched(event: Event, watch: tuple[str, ...] | None) -> bool:
    if watch is None or event.kind not in ("create", "update"):
        return True
    return any(
        not same(_value_at(event.object, path), _value_at(event.original, path)) for path in watch
    )


def _value_at(document: Document | None, path: str) -> Value:
    value: Value = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _readable(subscription: Subscription, caller: Caller, schema: ClassSchema) -> Any:
    """Check the right to the query; returns the test of an object's state."""
    permitted = condition_to(subscription.operation, caller, schema)
    asked = [*paths(subscription.where), *(subscription.watch or ())]
    refuse_protected(caller, schema, asked)
    condition = both(permitted, own_rows(caller, schema), permits("read", caller))
    return matcher(condition) if condition != EVERYTHING else lambda _document: True


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
