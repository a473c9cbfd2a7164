"""What moderators are told when they cannot have their way with an image."""

from dataclasses import dataclass

from admin.access import current_reviewer
from admin.services import PanelServices
from admin.texts import t
from cloud.moderation.items import Item, State
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ClaimedByAnother, NotYours, ReviewError


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `kind` for scripts, `sentence` for people."""

    kind: str
    sentence: str
    status: int = 409


def refusal(services: PanelServices, error: ReviewError | AlreadyDecided) -> Refusal:
    """Say why, naming whoever was faster."""
    if isinstance(error, AlreadyDecided):
        return _decided(services, error.item)
    if isinstance(error, ClaimedByAnother):
        who = f"user:{error.claim.moderator_id}"
        name = services.accounts.names([who]).get(who, who)
        return Refusal("claimed", t("lane.claimed_by", who=name))
    if isinstance(error, NotYours):
        return Refusal("not_yours", t("lane.not_yours"), 403)
    return Refusal("gone", t("lane.gone"))


def _decided(services: PanelServices, item: Item | None) -> Refusal:
    if item is None or item.state is State.ENDED or item.decided_by is None:
        return Refusal("gone", t("lane.gone"))
    if item.state is State.REVIEW:
        return Refusal("changed", t("lane.changed"))
    outcome = t(f"base.{item.state}")
    if item.decided_by == current_reviewer().decided_by:
        return Refusal("decided", t("lane.decided_by_you", outcome=outcome))
    name = services.accounts.names([item.decided_by]).get(item.decided_by, item.decided_by)
    return Refusal("decided", t("lane.decided_by", who=name, outcome=outcome))
