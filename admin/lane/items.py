"""What a moderator is told of an image before she decides."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for

from admin.access import current_moderator
from admin.explain import Explanation, deciders_in, explain
from admin.services import PanelServices
from cloud.moderation.items import Decision, Item, Lane, State, is_person
from cloud.moderation.types import Threshold
from ml_models.types import Label


@dataclass(frozen=True, slots=True)
class Bar:
    """A class's probability, and from where on the policy has it reviewed and rejected."""

    label: Label
    probability: float
    threshold: Threshold | None


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item with all that stands beside its image."""

    item: Item
    bars: tuple[Bar, ...]
    why: tuple[Explanation, ...]
    sent_back_by: str | None
    """Who put it in review, where that was a person."""
    uploader: str | None
    record: Mapping[State, int]
    """How many of the uploader's images stand in each state; this one is among them."""


def show_items(services: PanelServices, items: Sequence[Item]) -> list[ShownItem]:
    """Gather what is to be known of items."""
    limits = services.policies.current().thresholds
    reasons = {item.item_id: _reasons(services, item) for item in items}
    name_of = _names(services, items, [each for those in reasons.values() for each in those])
    return [
        ShownItem(
            item=item,
            bars=tuple(
                Bar(p.label, p.probability, limits.get(p.label))
                for p in item.evidence.predictions
            ),
            why=tuple(explain(reason, name_of) for reason in reasons[item.item_id]),
            sent_back_by=(
                name_of(item.decided_by) if item.decided_by and item.decided_by_person else None
            ),
            uploader=None if item.uploader is None else name_of(f"user:{item.uploader}"),
            record={} if item.uploader is None else services.desk.record_of(item.uploader),
        )
        for item in items
    ]


def item_json(shown: ShownItem) -> dict[str, Any]:
    """Return an item as the lane's script gets it: where its pictures are, and the rest as HTML."""
    item_id = shown.item.item_id
    return {
        "id": item_id,
        "preview": url_for("admin.picture", item_id=item_id, kind="preview"),
        "screen": url_for("admin.picture", item_id=item_id, kind="screen"),
        "html": render_template("review_item.html", shown=shown),
    }


def waiting(services: PanelServices) -> dict[str, int]:
    """Count what waits in each lane that is the moderator's business."""
    lanes = list(Lane) if current_moderator().is_admin else [Lane.REVIEW]
    return {str(lane): services.desk.waiting(lane) for lane in lanes}


def _reasons(services: PanelServices, item: Item) -> tuple[str, ...]:
    """Why the item is in review: what a person says who sent it back is less than what the rules,
    or memory, found before."""
    if not item.decided_by_person:
        return item.reasons
    return _last_judged(services.desk.log(item.item_id)) or item.reasons


def _last_judged(log: Iterable[Decision]) -> tuple[str, ...]:
    judged = [each for each in log if not is_person(each.decided_by)]
    return judged[-1].reasons if judged else ()


def _names(
    services: PanelServices, items: Iterable[Item], reasons: Iterable[str]
) -> Callable[[str], str]:
    """Look up all people at once."""
    deciders = {who for reason in reasons for who in deciders_in(reason)}
    for item in items:
        deciders |= {item.decided_by} if item.decided_by else set()
        deciders |= {f"user:{item.uploader}"} if item.uploader else set()
    names = services.accounts.names(deciders) if deciders else {}
    return lambda decider: names.get(decider, decider)
