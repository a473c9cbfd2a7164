"""Which event a write is to one subscription, and what its client may see of it. Pure.

Everything is decided anew for each write, by the rights that hold at that moment; but what many
clients have in common is decided once for all of them.
"""

from dataclasses import dataclass
from typing import Any

from cloud.operations import same
from cloud.values import value_at
from server.auth import Caller
from server.live_query.limits import PATTERNS_OF_WRITE_S, pattern_budget
from server.live_query.subscriptions import Subscription, right_to
from server.live_query.writes import Write
from server.objects.access import both, own_rows, permits, visible
from server.parse.encode import FileUrl, object_json, to_json
from server.storage.matching import matcher
from server.storage.port import EVERYTHING, ClassSchema, Document, Refused
from server.storage.regex import Budget

_ALWAYS_SHOWN = frozenset({"className", "objectId", "createdAt", "updatedAt", "ACL"})

States = tuple[Document | None, Document | None]
"""An object before and after a write, as far as somebody may read them."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a client is told: `kind` is create, enter, update, leave or delete."""

    kind: str
    object: Document
    original: Document | None = None


class PatternsOverrun(Exception):
    """The patterns of other clients have taken all the time that there is for one write."""


class Told:
    """One write, as it is told to all who may hear of it. Not thread-safe."""

    def __init__(self, write: Write, schema: ClassSchema) -> None:
        self._write, self._schema = write, schema
        self._found: dict[str, tuple[bool, bool]] = {}
        self._patterns = Budget(PATTERNS_OF_WRITE_S)
        self._budgets: dict[str, Budget] = {}
        self._states: dict[Any, States] = {}
        self._texts: dict[Any, str] = {}

    @property
    def pattern_seconds(self) -> dict[str, float]:
        """What the patterns of each client have taken that has any."""
        return {client_id: budget.spent_s for client_id, budget in self._budgets.items()}

    def event_of(self, subscription: Subscription, caller: Caller, client_id: str) -> Event | None:
        """Return what the write is to the subscription; None if its client is not to hear of it.

        Of the object's state before and after, only one that the caller may read is told. Raises
        ParseError once the caller has lost the right to the query itself, Refused when its client's
        patterns take too long, and PatternsOverrun when everybody's do.
        """
        before, after = self._readable(subscription, caller)
        found_before, found_after = self._finds(subscription, client_id)
        event = _choose(self._write, before, after, found_before, found_after)
        if event is None or not _is_watched(event, subscription.watch):
            return None
        return event

    def text_of(self, document: Document, keys: frozenset[str] | None, url_of: FileUrl) -> str:
        """Return the JSON of an object as it stands in an event."""
        key = id(document), keys, url_of
        if key not in self._texts:
            class_name = self._schema.class_name
            shown = {"className": class_name, **object_json(document, self._schema, url_of)}
            if keys is not None:
                wanted = _ALWAYS_SHOWN | keys
                shown = {name: value for name, value in shown.items() if name in wanted}
            self._texts[key] = to_json(shown)
        return self._texts[key]

    def _finds(self, subscription: Subscription, client_id: str) -> tuple[bool, bool]:
        """Whether the query found the object before, and finds it now.

        That one client has no time left says nothing of another one that asks the same.
        """
        found = self._found.get(subscription.text)
        if found is None:
            budget = self._budget_of(subscription, client_id)
            try:
                test = subscription.test(budget)
                before, after = self._write.before, self._write.after
                found = (
                    before is not None and test(before),
                    after is not None and test(after),
                )
            except Refused as refusal:
                if self._patterns.is_spent and not budget.is_spent:
                    raise PatternsOverrun from refusal
                raise
            self._found[subscription.text] = found
        return found

    def _budget_of(self, subscription: Subscription, client_id: str) -> Budget:
        if subscription.plain_test is not None:
            return pattern_budget()
        if client_id not in self._budgets:
            self._budgets[client_id] = pattern_budget(self._patterns)
        return self._budgets[client_id]

    def _readable(self, subscription: Subscription, caller: Caller) -> States:
        """Return what the caller may see; who has the same rights sees the same."""
        who = caller.master, caller.read_only, caller.user_id, caller.principals
        key = who, subscription.operation, subscription.asked
        if key not in self._states:
            permitted = right_to(subscription, caller, self._schema)
            rights = permitted, own_rows(caller, self._schema), permits("read", caller)
            condition = both(*rights)
            test = matcher(condition) if condition != EVERYTHING else None
            self._states[key] = (
                self._seen(self._write.before, test, caller),
                self._seen(self._write.after, test, caller),
            )
        return self._states[key]

    def _seen(self, document: Document | None, test: Any, caller: Caller) -> Document | None:
        if document is None or (test is not None and not test(document)):
            return None
        return visible(caller, self._schema, document)


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
        not same(value_at(event.object, path), value_at(event.original, path)) for path in watch
    )
