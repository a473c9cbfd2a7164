"""Items and their logs in words: what the pages of past decisions show."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from babel.numbers import format_percent

from admin.access import current_moderator
from admin.explain import Explanation, deciders_in, explain
from admin.history.query import SCORES, Query
from admin.people import Preferences
from admin.ports.history import Delivery, Dossier, Found, HoldChange
from admin.reasons import reason_labels
from admin.services import PanelServices
from admin.texts import locale, t
from cloud.moderation.items import Decision, Item, State
from cloud.moderation.review import ESCALATED, REVIEWED
from cloud.moderation.undo import UNDONE
from ml_models.types import Label, Prediction

NameOf = Callable[[str], str]

_NOT_TELLING = (REVIEWED, ESCALATED, UNDONE)
_CLASSES = (Label.PORN, Label.HENTAI, Label.SEXY)


@dataclass(frozen=True, slots=True)
class Card:
    """An item in a list of results."""

    found: Found
    decided_by: str | None
    uploader: str | None
    why: Explanation | None
    category: str | None
    score: Prediction | None
    """The most probable of the classes that matter."""

    @property
    def item(self) -> Item:
        """The item."""
        return self.found.item


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an item's timeline: a decision, or a change of its legal hold."""

    at: datetime
    who: str
    decision: Decision | None = None
    why: Sequence[Explanation] = ()
    category: str | None = None
    deliveries: Sequence[Delivery] = ()
    was_undone: bool = False
    hold: HoldChange | None = None


def preferences(services: PanelServices) -> Preferences:
    """How pictures look to whoever is signed in, within the owner's bounds."""
    wellbeing = services.house_rules.current().wellbeing
    return wellbeing.bounded(current_moderator().preferences)


def cards(services: PanelServices, found: Sequence[Found]) -> list[Card]:
    """Put results into words."""
    items = [each.item for each in found]
    why = {item.item_id: reason for item in items for reason in _telling(item.reasons)[:1]}
    name_of = names(services, _people(items, why.values()))
    categories = reason_labels(services.house_rules.current().reasons)
    return [
        Card(
            found=each,
            decided_by=None if each.item.decided_by is None else name_of(each.item.decided_by),
            uploader=uploader_name(each.item.uploader, name_of),
            why=_explained(why.get(each.item.item_id), name_of),
            category=_worded(each.item.remark.category, categories),
            score=_score(each.item),
        )
        for each in found
    ]


def chips(
    query: Query, deciders: Mapping[str, str], categories: Mapping[str, str]
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Say what a search asks for: which field, its value in words, and what to leave out without
    it."""
    words = {
        "state": {state.value: t(f"history.state_{state}") for state in State},
        "by": deciders,
        "category": categories,
        "held": {"1": t("history.yes")},
    }
    return [
        (name, words.get(name, {}).get(value, value), (name,))
        for name, value in query.values.items()
        if name not in SCORES
    ] + _score_chip(query)


def _score_chip(query: Query) -> list[tuple[str, str, tuple[str, ...]]]:
    scores = query.search.scores
    if scores is None:
        return []
    least, most = (percent(each) for each in (scores.least, scores.most))
    label = t(f"base.{scores.label}")
    return [("score", t("history.score_range", label=label, least=least, most=most), SCORES)]


def percent(fraction: float) -> str:
    """Write a bound of scores, with no more digits than it has."""
    return format_percent(fraction, "#,##0.## %", locale=locale())


def timeline(services: PanelServices, dossier: Dossier) -> list[Entry]:
    """Put a log into words, newest first, legal holds among the decisions."""
    deciders = {decision.decided_by for decision in dossier.log}
    reasons = [reason for decision in dossier.log for reason in decision.reasons]
    deciders |= {by for reason in reasons for by in deciders_in(reason)}
    deciders |= {hold.by for hold in dossier.holds}
    name_of = names(services, deciders)
    categories = reason_labels(services.house_rules.current().reasons)
    undone = {decision.undoes for decision in dossier.log}
    entries = [
        Entry(
            at=decision.decided_at,
            who=name_of(decision.decided_by),
            decision=decision,
            why=[explain(reason, name_of) for reason in _telling(decision.reasons)],
            category=_worded(decision.remark.category, categories),
            deliveries=dossier.deliveries.get(decision.decision_id, ()),
            was_undone=decision.number in undone,
        )
        for decision in dossier.log
    ]
    entries += [Entry(at=hold.at, who=name_of(hold.by), hold=hold) for hold in dossier.holds]
    return sorted(entries, key=_when, reverse=True)


def _when(entry: Entry) -> tuple[datetime, int]:
    """Of decisions in the same moment the one with the higher number is later."""
    return entry.at, 0 if entry.decision is None else entry.decision.number


def names(services: PanelServices, deciders: Iterable[str]) -> NameOf:
    """Look up all people at once."""
    known: Mapping[str, str] = services.accounts.names(set(deciders))
    return lambda decider: known.get(decider, decider)


def uploader_name(uploader: str | None, name_of: NameOf) -> str | None:
    """Name an app's user; who is gone is no former moderator, but an id."""
    if uploader is None:
        return None
    name = name_of(f"user:{uploader}")
    return uploader if name == t("base.by_former", id=uploader) else name


def _telling(reasons: Sequence[str]) -> list[str]:
    """Leave out what only says that a moderator decided: that is told beside."""
    return [reason for reason in reasons if reason not in _NOT_TELLING]


def _people(items: Iterable[Item], reasons: Iterable[str]) -> set[str]:
    deciders = {by for reason in reasons for by in deciders_in(reason)}
    for item in items:
        deciders |= {item.decided_by} if item.decided_by else set()
        deciders |= {f"user:{item.uploader}"} if item.uploader else set()
    return deciders


def _explained(reason: str | None, name_of: NameOf) -> Explanation | None:
    return None if reason is None else explain(reason, name_of)


def _worded(code: str | None, categories: Mapping[str, str]) -> str | None:
    return None if code is None else categories.get(code, code)


def _score(item: Item) -> Prediction | None:
    telling = [p for p in item.evidence.predictions if p.label in _CLASSES]
    return max(telling, key=lambda p: p.probability, default=None)
