"""What a moderator is told of an image before she decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for

from admin.access import current_moderator, current_reviewer
from admin.explain import Explanation, NameOf, deciders_in, explain
from admin.services import PanelServices
from admin.sweeping import Apart, apart
from admin.texts import t
from cloud.moderation.items import Decision, Item, Lane, State, is_moderator, is_person
from cloud.moderation.types import Threshold
from cloud.moderation.undo import standing
from ml_models.types import Label

_DECIDED = (State.APPROVED, State.REJECTED)
_SHOWN_ORDER = (Label.PORN, Label.SEXY, Label.HENTAI, Label.DRAWING, Label.NEUTRAL)


@dataclass(frozen=True, slots=True)
class Bar:
    """A class's probability, and from where on the policy has it reviewed and rejected."""

    label: Label
    probability: float
    threshold: Threshold | None

    @property
    def level(self) -> str:
        """Where the policy has it: `free`, `below`, `between` or `above`."""
        if self.threshold is None:
            return "free"
        if self.probability > self.threshold.max:
            return "above"
        return "between" if self.probability >= self.threshold.min else "below"


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item with all that stands beside its image."""

    item: Item
    bars: tuple[Bar, ...]
    why: tuple[Explanation, ...]
    sent_by: str | None
    """The moderator who put it in review, or left it to the admins."""
    before: str | None
    """What it was decided to be before that, and by whom."""
    uploader: str | None
    record: Mapping[State, int]
    """How many of the uploader's images stand in each state; this one is among them."""

    @property
    def moves(self) -> bool:
        """Whether it is an animation, of which the still pictures show the beginning alone."""
        return apart(self.item) is Apart.ANIMATION

    @property
    def unseen(self) -> bool:
        """Whether no model could look at it, so that its picture may not be shown either."""
        return not self.item.evidence.predictions


def show_items(services: PanelServices, items: Sequence[Item]) -> list[ShownItem]:
    """Gather what is to be known of items."""
    limits = services.policies.current().thresholds
    pasts = [_past(services, item) for item in items]
    name_of = _names(services, items, pasts)
    return [
        ShownItem(
            item=item,
            bars=_bars(item, limits),
            why=tuple(explain(reason, name_of) for reason in past.reasons),
            sent_by=_moderator(item, name_of),
            before=_before(past, name_of),
            uploader=None if item.uploader is None else name_of(f"user:{item.uploader}"),
            record={} if item.uploader is None else services.desk.record_of(item.uploader),
        )
        for item, past in zip(items, pasts, strict=True)
    ]


def item_json(shown: ShownItem, html: str | None = None) -> dict[str, Any]:
    """Return an item as the lane's script gets it: where its pictures are, and the rest as HTML,
    which the first one has in the page."""
    item_id = shown.item.item_id
    return {
        "id": item_id,
        "seen": shown.item.transitions,
        "moves": shown.moves,
        "unseen": shown.unseen,
        **item_urls(item_id),
        "html": html,
    }


def item_urls(item_id: str) -> dict[str, str]:
    """Where an item's pictures and its page are."""
    return {
        "preview": url_for("admin.picture", item_id=item_id, kind="preview"),
        "screen": url_for("admin.picture", item_id=item_id, kind="screen"),
        "detail": url_for("admin.picture", item_id=item_id, kind="detail"),
        "original": url_for("admin.picture", item_id=item_id, kind="original"),
        "page": url_for("admin.item", item_id=item_id),
    }


def item_html(shown: ShownItem) -> str:
    """Return what stands beside an item's image."""
    return render_template("review_item.html", shown=shown)


@dataclass(frozen=True, slots=True)
class Rest:
    """What waits in a lane that has no more images for somebody."""

    skipped: int
    """How many of those that wait were skipped, and can be had again."""
    elsewhere: int
    """How many are in other hands."""
    others: str
    """How many others are reviewing; empty where nobody is."""


def rest(services: PanelServices, lane: Lane, skipped: int) -> Rest:
    """Say why somebody who skipped so many images gets no more of a lane."""
    elsewhere = services.desk.elsewhere(current_reviewer(), lane)
    # Some of the skipped ones may be decided by now.
    still_there = max(services.desk.waiting(lane) - elsewhere.images, 0)
    return Rest(min(skipped, still_there), elsewhere.images, _reviewing(elsewhere.moderators))


def elsewhere(services: PanelServices, lane: Lane) -> int:
    """Count the images of a lane that are open elsewhere, with others or on other devices."""
    return services.desk.elsewhere(current_reviewer(), lane).images


def _reviewing(count: int) -> str:
    if count < 2:
        return t("lane.reviewing_one") if count else ""
    return t("lane.reviewing_many", n=count)


def waiting(services: PanelServices) -> dict[str, int]:
    """Count what waits in each lane that is the moderator's business."""
    lanes = list(Lane) if current_moderator().is_admin else [Lane.REVIEW]
    return {str(lane): services.desk.waiting(lane) for lane in lanes}


def _bars(item: Item, limits: Mapping[Label, Threshold]) -> tuple[Bar, ...]:
    """All classes in an order that stays the same, those that matter most first."""
    found = {p.label: p.probability for p in item.evidence.predictions}
    return tuple(
        Bar(label, found[label], limits.get(label)) for label in _SHOWN_ORDER if label in found
    )


def _moderator(item: Item, name_of: NameOf) -> str | None:
    by = item.decided_by
    return name_of(by) if by is not None and is_moderator(by) else None


@dataclass(frozen=True, slots=True)
class _Past:
    """How an item came to be in review."""

    reasons: tuple[str, ...]
    overruled: Decision | None = None
    """What was decided before somebody put it in question."""


def _past(services: PanelServices, item: Item) -> _Past:
    """What a person says who sends an item to review is less than what the rules, or memory, had
    found before."""
    if not item.decided_by_person:
        return _Past(item.reasons)
    log = services.desk.log(item.item_id)
    judged = [each for each in log if not is_person(each.decided_by)]
    overruled = [each for each in standing(log) if each.after in _DECIDED]
    return _Past(
        judged[-1].reasons if judged else item.reasons, overruled[-1] if overruled else None
    )


def _before(past: _Past, name_of: NameOf) -> str | None:
    if past.overruled is None:
        return None
    outcome, who = t(f"base.{past.overruled.after}"), name_of(past.overruled.decided_by)
    return t("lane.decided_before", outcome=outcome, who=who)


def _names(services: PanelServices, items: Iterable[Item], pasts: Iterable[_Past]) -> NameOf:
    """Look up all people at once."""
    deciders = set()
    for past in pasts:
        deciders |= {who for reason in past.reasons for who in deciders_in(reason)}
        deciders |= {past.overruled.decided_by} if past.overruled else set()
    for item in items:
        deciders |= {item.decided_by} if item.decided_by else set()
        deciders |= {f"user:{item.uploader}"} if item.uploader else set()
    names = services.accounts.names(deciders) if deciders else {}
    return lambda decider: names.get(decider, decider)
