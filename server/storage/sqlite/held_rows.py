"""Rows as they are read from SQLite, and what those that are held take out of a budget."""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from server.storage.budget import Budget, Weight, weight_of, weight_of_json
from server.storage.port import Document
from server.storage.sqlite.documents import load

Row = tuple[int, Document]
"""A row's number and document."""

Test = Callable[[Document], bool]
Chosen = Callable[[Document], Document]

# What a row may come to in memory, for a moment, whatever the budget.
_HARMLESS_LENGTH = 20_000
# Sorted and cut to those that are wanted when there are as many again, but not for a few.
_CUT_AT_LEAST = 200


def plain_rows(texts: Iterable[tuple[int, str]], test: Test | None) -> Iterator[Row]:
    """Unpack rows, those alone that pass the test."""
    for sequence, text in texts:
        document = load(text)
        if test is None or test(document):
            yield sequence, document


class HeldRows:
    """The rows of one query that are in memory. Raises TooMuchData rather than hold more.

    With `may_let_go` that is left to whoever keeps the rows, and first looks which it can do
    without.
    """

    def __init__(self, budget: Budget, *, may_let_go: bool) -> None:
        self.budget, self._may_let_go = budget, may_let_go
        self._weights: dict[int, Weight] = {}

    def read(
        self, texts: Iterable[tuple[int, str]], chosen: Chosen | None, test: Test | None
    ) -> Iterator[Row]:
        """Unpack rows, and hold of those that pass the test what is `chosen`, or all."""
        budget, holds_whole = self.budget, chosen is None and not self._may_let_go
        for sequence, text in texts:
            if holds_whole and test is None and budget.takes_unseen(len(text)):
                yield sequence, load(text)
                continue
            document = unpacked(text, budget)
            if test is not None and not test(document):
                continue
            if chosen is not None:
                document = chosen(document)
            if self._may_let_go or not budget.takes_unseen(len(text)):
                weight = weight_of_json(text) if chosen is None else weight_of(document)
                self._weights[sequence] = weight
                budget.note(weight)
            if not self._may_let_go:
                budget.check()
            yield sequence, document

    def let_go(self, rows: Iterable[Row]) -> None:
        """These are held no more."""
        for sequence, _ in rows:
            weight = self._weights.pop(sequence, None)
            if weight is not None:
                self.budget.give_back(weight)


def unpacked(text: str, budget: Budget) -> Document:
    """Read a document. Raises TooMuchData for one that is too much by itself."""
    if len(text) > _HARMLESS_LENGTH:
        budget.refuse_alone(weight_of_json(text))
    document: Document = load(text)
    return document


def first_rows(
    rows: Iterable[Row],
    end: int | None,
    arranged: Callable[[list[Row]], list[Row]],
    held: HeldRows | None,
) -> list[Row]:
    """Return the first rows of an order, up to `end`, without holding many more of them.

    `arranged` sorts rows that come in the order of their numbers.
    """
    kept: list[Row] = []
    for row in rows:
        kept.append(row)
        is_too_much = held is not None and held.budget.is_spent
        if end is not None and (is_too_much or len(kept) >= 2 * end + _CUT_AT_LEAST):
            kept = arranged(kept)
            if held is not None:
                held.let_go(kept[end:])
            kept = sorted(kept[:end], key=itemgetter(0))
        if held is not None:
            held.budget.check()
    return arranged(kept)[:end]
