"""Searches among items as conditions, the index that each goes by, and the pages of results."""

from collections.abc import Sequence
from datetime import UTC, datetime

from admin.ports.history import Found, FoundPage, Place, Search, Span
from cloud.moderation.items import State
from server.moderation.history_indexes import BY_DECIDER, BY_DECISION, BY_UPLOAD, BY_UPLOADER
from server.moderation.item_columns import item_of_row, readable
from server.moderation.items import ITEM
from server.storage.matching import matcher
from server.storage.port import (
    All,
    Compares,
    Condition,
    Document,
    Either,
    Equals,
    Index,
    ObjectStore,
    OneOf,
    Order,
    Query,
    SortKey,
)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Of one object: each file that was ever in one of its columns is an item.
_MOST_OF_ONE_OBJECT = 200


class ItemSearch:
    """Finds items; thread-safe. Raises StoreUnavailable."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def page(self, search: Search, after: Place | None, limit: int) -> FoundPage:
        """Return a page: first the decided items, then those that nobody has decided about yet."""
        if search.name is not None:
            return FoundPage(self._named(search.name, search))
        rows: list[Document] = []
        if search.state is not State.PENDING and (after is None or after.is_decided):
            rows = self._decided(search, after, limit + 1)
            after = None
        if len(rows) <= limit and _may_be_pending(search):
            rows += self._pending(search, after, limit + 1 - len(rows))
        following = _place(rows[limit - 1]) if len(rows) > limit else None
        return FoundPage(list(readable(found, rows[:limit])), following)

    def among(self, item_ids: Sequence[str], search: Search) -> list[Document]:
        """Return those of the items that fulfil the search, in no order."""
        if not item_ids:
            return []
        rows = self._objects.find(ITEM, Query(OneOf("objectId", tuple(item_ids))))
        return _fulfilling(search, rows)

    def _decided(self, search: Search, after: Place | None, limit: int) -> list[Document]:
        is_decided = Compares("decidedAt", Order.GREATER_OR_EQUAL, _BEGINNING)
        query = Query(
            All((*conditions(search), is_decided, *_beyond("decidedAt", after))),
            order=_newest("decidedAt"),
            limit=limit,
            index=index_for(search),
        )
        return self._objects.find(ITEM, query)

    def _pending(self, search: Search, after: Place | None, limit: int) -> list[Document]:
        is_pending = Equals("state", State.PENDING.value)
        query = Query(
            All((*conditions(search), is_pending, *_beyond("createdAt", after))),
            order=_newest("createdAt"),
            limit=limit,
            index=BY_UPLOAD if search.uploader is None else None,
        )
        return self._objects.find(ITEM, query)

    def _named(self, name: str, search: Search) -> list[Found]:
        of_object = Query(Equals("subjectId", name), limit=_MOST_OF_ONE_OBJECT)
        rows = self._objects.find(ITEM, of_object)
        item = self._objects.get(ITEM, name)
        if item is not None and name not in {row["objectId"] for row in rows}:
            rows.append(item)
        rows.sort(key=lambda row: row.get("decidedAt", _BEGINNING), reverse=True)
        return list(readable(found, _fulfilling(search, rows)))


def found(row: Document, distance: int | None = None) -> Found:
    """Read what a search found."""
    return Found(item_of_row(row), row.get("legalHold") is True, distance)


def conditions(search: Search) -> list[Condition]:
    """Write a search, but for the name, as conditions on a row of ModerationItem."""
    wanted = {
        "uploader": search.uploader,
        "state": None if search.state is None else search.state.value,
        "category": search.category,
        "decidedBy": search.decided_by,
        "policyVersion": search.policy_version,
        "legalHold": True if search.held else None,
    }
    parts: list[Condition] = [Equals(n, value) for n, value in wanted.items() if value is not None]
    if search.scores is not None:
        column = f"score{search.scores.label}"
        parts.append(Compares(column, Order.GREATER_OR_EQUAL, search.scores.least))
        parts.append(Compares(column, Order.LESS_OR_EQUAL, search.scores.most))
    parts += within("decidedAt", search.decided)
    parts += within("createdAt", search.uploaded)
    return parts


def within(column: str, span: Span) -> list[Condition]:
    """Write that a time lies in a span."""
    parts: list[Condition] = []
    if span.start is not None:
        parts.append(Compares(column, Order.GREATER_OR_EQUAL, span.start))
    if span.end is not None:
        parts.append(Compares(column, Order.LESS, span.end))
    return parts


def index_for(search: Search) -> Index:
    """Choose the index that reads the fewest rows: one person has few among all."""
    if search.uploader is not None:
        return BY_UPLOADER
    return BY_DECISION if search.decided_by is None else BY_DECIDER


def _may_be_pending(search: Search) -> bool:
    """Whether an item that nobody has decided about, or even classified, may fulfil a search."""
    says_decision = (search.scores, search.category, search.decided_by, search.policy_version)
    is_open = search.state in (None, State.PENDING) and says_decision == (None,) * 4
    return is_open and search.decided == Span()


def _beyond(column: str, place: Place | None) -> list[Condition]:
    if place is None:
        return []
    earlier = Compares(column, Order.LESS, place.time)
    return [
        Compares(column, Order.LESS_OR_EQUAL, place.time),
        Either((earlier, Compares("objectId", Order.LESS, place.item_id))),
    ]


def _newest(column: str) -> tuple[SortKey, ...]:
    return SortKey(column, descending=True), SortKey("objectId", descending=True)


def _place(row: Document) -> Place:
    is_decided = row["state"] != State.PENDING
    return Place(row["objectId"], row["decidedAt" if is_decided else "createdAt"], is_decided)


def _fulfilling(search: Search, rows: list[Document]) -> list[Document]:
    fulfils = matcher(All(tuple(conditions(search))))
    return [row for row in rows if fulfils(row)]
