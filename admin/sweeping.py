"""A sweep: many images at once, of which one word decides all that are not marked.

What a moderator asks for is read and checked here, and carried out image by image: each is a
decision of its own, and what cannot be had of one does not stop the others.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from admin.lane.requests import MAX_NOTE
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import Decision, Item, Remark, State, item_of
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ReviewDesk, Reviewer, ReviewError, ReviewOrder, Ruling
from cloud.moderation.similarity import chain
from ml_models.types import Label

logger = logging.getLogger(__name__)

SIZES = (12, 24, 48)
_USUAL_SIZE = 24
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DECISION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}-[0-9]{1,9}")
_SHOWN = re.compile(r"[A-Za-z0-9_-]{1,64}:[0-9]{1,9}")
_KEY = re.compile(r"[A-Za-z0-9-]{16,64}")
# The classes that the risk of an image is the greatest probability of.
RISKS = (Label.HENTAI, Label.PORN, Label.SEXY)

RISK, AGE, SIMILAR = "risk", "age", "similar"
ARRANGEMENTS = (RISK, SIMILAR, AGE, *(label.value for label in Label))
"""By what the images of a sweep are arranged: besides these three by one class's probability."""


class BadSweep(ValueError):
    """A request that says nothing that could be done; `text_key` is what the panel says to it."""

    def __init__(self, text_key: str) -> None:
        self.text_key = text_key
        super().__init__(text_key)


@dataclass(frozen=True, slots=True)
class View:
    """Which images a moderator wants to see, and how."""

    size: int = _USUAL_SIZE
    take: ReviewOrder = ReviewOrder.OLDEST
    arrangement: str = RISK

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Read a query; what is not among the choices is as if it were not said."""
        size = values.get("size", "")
        take, arrangement = values.get("take"), values.get("by")
        return cls(
            size=int(size) if size in map(str, SIZES) else _USUAL_SIZE,
            take=ReviewOrder(take) if take in list(ReviewOrder) else ReviewOrder.OLDEST,
            arrangement=arrangement if arrangement in ARRANGEMENTS else RISK,
        )


def score(item: Item, arrangement: str) -> tuple[Label, float] | None:
    """The class to show of an image, and its probability: the one that it is arranged by, or the
    most probable of those that matter. None: it could not be classified."""
    scores = {p.label: p.probability for p in item.evidence.predictions}
    if not scores:
        return None
    chosen = (
        Label(arrangement) if arrangement in list(Label) else max(RISKS, key=scores.__getitem__)
    )
    return chosen, scores[chosen]


class Apart(StrEnum):
    """Why an image shall not be decided with all the rest, unless somebody says so."""

    NOT_CLASSIFIED = "not_classified"
    ANIMATION = "animation"
    """A thumbnail shows its first frame, which is all that was judged."""
    APPEAL = "appeal"


def apart(item: Item) -> Apart | None:
    """Say why an image arrives marked, if it does."""
    if not item.evidence.predictions:
        return Apart.NOT_CLASSIFIED
    if item.evidence.fingerprint is None:  # only an animation has none
        return Apart.ANIMATION
    return None if item.appeal is None else Apart.APPEAL


def arranged(items: Sequence[Item], arrangement: str) -> list[Item]:
    """Arrange the images of a page; first of all come those that could not be classified."""
    if arrangement == AGE:
        return sorted(items, key=lambda item: item.created_at)
    if arrangement == SIMILAR:
        return [items[place] for place in chain([item.evidence.fingerprint for item in items])]

    def rank(item: Item) -> float:
        shown = score(item, arrangement)
        return -2.0 if shown is None else -shown[1]

    return sorted(items, key=rank)


class Marked(StrEnum):
    """What becomes of the images that are marked."""

    LEFT = "left"
    """They stay in review, to be looked at one by one."""
    OPPOSITE = "opposite"


_DECIDES = {"approve": State.APPROVED, "reject": State.REJECTED}
_OPPOSITE = {State.APPROVED: State.REJECTED, State.REJECTED: State.APPROVED}


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a moderator says of the images of a page."""

    rest: State
    """What becomes of those that are not marked."""
    marked_fate: Marked
    shown: Mapping[str, int]
    """The images, and of each how many decisions there were when it was shown: what was decided
    since is not overruled."""
    marked: frozenset[str]
    key: str
    """Names this request: a repeated one decides nothing twice."""
    category: str | None = None
    note: str | None = None

    def after(self, item_id: str) -> State | None:
        """What becomes of an image; None: it is left."""
        if item_id not in self.marked:
            return self.rest
        return _OPPOSITE[self.rest] if self.marked_fate is Marked.OPPOSITE else None

    def ruling(self, item_id: str) -> Ruling | None:
        """What to tell the review desk of an image; None: nothing."""
        after = self.after(item_id)
        if after is None:
            return None
        category = self.category if after is State.REJECTED else None
        note = self.note if after is State.REJECTED else None
        remark = Remark(category, note, f"{self.key}-{item_id}")
        return Ruling(after, remark, seen=self.shown[item_id])


def read_sweep(values: Mapping[str, Any], reasons: Iterable[str]) -> Sweep:
    """Read what a form or a script sent: texts, and lists of texts. Raises BadSweep."""
    shown, key = _shown(values), _text(values, "key")
    if not shown or not _KEY.fullmatch(key):
        raise BadSweep("sweep.bad_request")
    rest = _DECIDES.get(_text(values, "decision"))
    if rest is None:  # the Enter key in a form
        raise BadSweep("sweep.no_decision")
    is_opposite = _text(values, "marked_fate") == Marked.OPPOSITE
    sweep = Sweep(
        rest=rest,
        marked_fate=Marked.OPPOSITE if is_opposite else Marked.LEFT,
        shown=shown,
        marked=frozenset(_ids(values, "marked", _ID)) & frozenset(shown),
        key=key,
        category=_text(values, "category") or None,
        note=_text(values, "note").strip()[:MAX_NOTE] or None,
    )
    if sweep.category is not None and sweep.category not in set(reasons):
        raise BadSweep("sweep.bad_request")
    return sweep


def read_decision_ids(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Read which decisions are to be undone. Raises BadSweep."""
    return _ids(values, "decisions", _DECISION_ID)


def read_item_ids(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read a list of items. Raises BadSweep."""
    return _ids(values, name, _ID)


def shown_as(item: Item) -> str:
    """How a page tells which item it shows, and as it stood when."""
    return f"{item.item_id}:{item.transitions}"


def _shown(values: Mapping[str, Any]) -> dict[str, int]:
    pairs = (each.split(":") for each in _ids(values, "shown", _SHOWN))
    return {item_id: int(seen) for item_id, seen in pairs}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _ids(values: Mapping[str, Any], name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    given = values.get(name, [])
    if not isinstance(given, list) or len(given) > max(SIZES):
        raise BadSweep("sweep.bad_request")
    if not all(isinstance(each, str) and form.fullmatch(each) for each in given):
        raise BadSweep("sweep.bad_request")
    return tuple(dict.fromkeys(given))


# --- carried out ----------------------------------------------------------------------------------

Explain = Callable[[ReviewError | AlreadyDecided | StoreUnavailable], str]
"""Says to the moderator why something could not be done."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of one image; neither decision nor problem: it was left."""

    item_id: str
    after: State | None = None
    decision_id: str | None = None
    problem: str | None = None
    """Why nothing became of it, in a sentence."""
    seen: int | None = None
    """How many decisions there are on it by now."""


def carry_out(desk: ReviewDesk, reviewer: Reviewer, sweep: Sweep, explain: Explain) -> list[Swept]:
    """Decide the images of a sweep; return what became of each, as they are shown."""
    rulings = {item_id: sweep.ruling(item_id) for item_id in sweep.shown}

    def decide(item_id: str) -> Swept:
        ruling = rulings[item_id]
        if ruling is None:
            return Swept(item_id)
        decision = desk.rule(reviewer, item_id, ruling)
        return _made(decision)

    return _each(sweep.shown, decide, str, explain)


def undo(
    desk: ReviewDesk, reviewer: Reviewer, decision_ids: Iterable[str], explain: Explain
) -> list[Swept]:
    """Take decisions back; of each that was, `after` is where its item stands again."""

    def take_back(decision_id: str) -> Swept:
        return _made(desk.undo(reviewer, decision_id))

    return _each(decision_ids, take_back, item_of, explain)


def _made(decision: Decision) -> Swept:
    return Swept(decision.item_id, decision.after, decision.decision_id, seen=decision.number)


def _each(
    ids: Iterable[str],
    act: Callable[[str], Swept],
    item_of_id: Callable[[str], str],
    explain: Explain,
) -> list[Swept]:
    """Act on one after the other. Once the database is away the rest is not tried: each attempt
    would wait for it."""
    results: list[Swept] = []
    away: str | None = None
    for each in ids:
        if away is not None:
            results.append(Swept(item_of_id(each), problem=away))
            continue
        try:
            results.append(act(each))
        except StoreUnavailable as error:
            logger.warning("a sweep stopped at %s: %s", each, error)
            away = explain(error)
            results.append(Swept(item_of_id(each), problem=away))
        except (ReviewError, AlreadyDecided) as error:
            results.append(Swept(item_of_id(each), problem=explain(error)))
    return results
