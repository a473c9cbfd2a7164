"""The log of decisions, read from one end to the other a page at a time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from admin.ports.history import Search
from cloud.moderation.items import Decision
from cloud.moderation.statements import LoggedDecision
from cloud.values import Pointer
from server.moderation.history_indexes import BY_TIME
from server.moderation.item_columns import decision_of_row, readable
from server.moderation.items import DECISION, ITEM
from server.panel.searching import within
from server.storage.port import (
    All,
    Compares,
    Condition,
    Document,
    Either,
    ObjectStore,
    OneOf,
    Order,
    Query,
    SortKey,
)

_PAGE = 500
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class DecisionLog:
    """Reads decisions; thread-safe. Raises StoreUnavailable."""

    def __init__(self, objects: ObjectStore, *, page_size: int = _PAGE) -> None:
        self._objects, self._page_size = objects, page_size

    def matching(self, search: Search) -> Iterator[LoggedDecision]:
        """Yield the decisions that fulfil a search, oldest first."""
        for decisions in self._pages(search):
            wanted = [each for each in decisions if _fulfils(each, search)]
            if wanted:
                yield from self._in_context(wanted, search)

    def _pages(self, search: Search) -> Iterator[list[Decision]]:
        since = Compares("createdAt", Order.GREATER_OR_EQUAL, _BEGINNING)
        bounds = (since, *within("createdAt", search.decided))
        beyond: tuple[Condition, ...] = ()
        while True:
            query = Query(
                All((*bounds, *beyond)),
                order=(SortKey("createdAt"), SortKey("objectId")),
                limit=self._page_size,
                index=BY_TIME,
            )
            rows = self._objects.find(DECISION, query)
            yield list(readable(decision_of_row, rows))
            if len(rows) < self._page_size:
                return
            beyond = _after(rows[-1])

    def _in_context(self, wanted: Sequence[Decision], search: Search) -> Iterator[LoggedDecision]:
        item_ids = tuple({each.item_id for each in wanted})
        items, logs = self._items(item_ids), self._logs(item_ids)
        for decision in wanted:
            item = items.get(decision.item_id)
            if item is not None and _is_of(item, search):  # a purge may be at it
                log = tuple(logs[decision.item_id])
                yield LoggedDecision(decision, item["createdAt"], item.get("uploader"), log)

    def _items(self, item_ids: tuple[str, ...]) -> Mapping[str, Document]:
        wanted = frozenset({"uploader", "legalHold"})
        rows = self._objects.find(ITEM, Query(OneOf("objectId", item_ids), columns=wanted))
        return {row["objectId"]: row for row in rows}

    def _logs(self, item_ids: tuple[str, ...]) -> Mapping[str, list[Decision]]:
        pointers = tuple(Pointer(ITEM.class_name, item_id) for item_id in item_ids)
        rows = self._objects.find(
            DECISION, Query(OneOf("item", pointers), order=(SortKey("number"),))
        )
        logs: dict[str, list[Decision]] = {}
        for decision in readable(decision_of_row, rows):
            logs.setdefault(decision.item_id, []).append(decision)
        return logs


def _after(row: Document) -> tuple[Condition, ...]:
    time = row["createdAt"]
    later = Compares("createdAt", Order.GREATER, time)
    beyond = Either((later, Compares("objectId", Order.GREATER, row["objectId"])))
    return Compares("createdAt", Order.GREATER_OR_EQUAL, time), beyond


def _fulfils(decision: Decision, search: Search) -> bool:
    """Whether the decision is what is sought, as far as it can tell."""
    wanted_and_found = [
        (search.state, decision.after),
        (search.category, decision.remark.category),
        (search.decided_by, decision.decided_by),
        (search.policy_version, decision.evidence.policy_version),
    ]
    if any(wanted not in (None, found) for wanted, found in wanted_and_found):
        return False
    named = (decision.item_id, decision.subject.object_id)
    return (search.name is None or search.name in named) and _has_score(decision, search)


def _has_score(decision: Decision, search: Search) -> bool:
    wanted = search.scores
    if wanted is None:
        return True
    scores = {p.label: p.probability for p in decision.evidence.predictions}
    return wanted.label in scores and wanted.least <= scores[wanted.label] <= wanted.most


def _is_of(item: Document, search: Search) -> bool:
    """Whether the item is what is sought."""
    start, end = search.uploaded.start, search.uploaded.end
    return (
        search.uploader in (None, item.get("uploader"))
        and (start is None or item["createdAt"] >= start)
        and (end is None or item["createdAt"] < end)
        and (not search.held or item.get("legalHold") is True)
    )
