"""One image: all that is known of it, its whole log, and what may still be decided about it."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from admin.access import admins_only, current_reviewer
from admin.history.shown import names, preferences, timeline, uploader_name
from admin.lane.answers import refusal
from admin.lane.items import show_items
from admin.lane.requests import (
    BadLaneRequest,
    new_request_key,
    read_category,
    read_key,
    read_note,
)
from admin.ports.history import Dossier
from admin.reasons import reason_labels
from admin.services import PanelServices
from admin.texts import t
from cloud.moderation.items import Remark, State
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ReviewError, Ruling

_RULINGS = (State.APPROVED, State.REJECTED, State.REVIEW)
_MAX_REASON = 500


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and its forms."""

    @panel.get("/items/<item_id>")
    def item(item_id: str) -> str:
        dossier = services.history.dossier(item_id)
        if dossier is None:
            abort(404)
        return _page(services, dossier)

    @panel.post("/items/<item_id>/decide")
    def decide_item(item_id: str) -> Response:
        try:
            decision = services.desk.rule(current_reviewer(), item_id, _ruling())
            flash(t(f"item.done_{decision.after}"), "good")
        except BadLaneRequest:
            flash(t("item.bad_form"), "error")
        except (ReviewError, AlreadyDecided) as error:
            flash(refusal(services, error).sentence, "warning")
        return _back(item_id)

    @panel.post("/items/<item_id>/hold")
    @admins_only
    def hold_item(item_id: str) -> Response:
        is_held = request.form.get("hold") == "set"
        reason = request.form.get("reason", "").strip()[:_MAX_REASON]
        if not reason:
            flash(t("item.hold_needs_reason"), "error")
            return _back(item_id)
        by = current_reviewer().decided_by
        if not services.retention.hold(item_id, by, reason, is_held=is_held):
            abort(404)
        flash(t("item.hold_done" if is_held else "item.hold_lifted"), "good")
        return _back(item_id)

    @panel.get("/items/<item_id>/<any(decide, hold):part>")
    def item_again(item_id: str, part: str) -> Response:
        return _back(item_id)  # a form's page, loaded again


def _back(item_id: str) -> Response:
    return redirect(url_for("admin.item", item_id=item_id), 303)


def _ruling() -> Ruling:
    """Read what the form decides. Raises BadLaneRequest."""
    after = request.form.get("after")
    seen = request.form.get("seen", type=int)
    if after not in _RULINGS or seen is None:
        raise BadLaneRequest("after and seen are needed")
    category = read_category(request.form) if after == State.REJECTED else None
    remark = Remark(category, read_note(request.form), read_key(request.form))
    return Ruling(State(after), remark, seen)


def _page(services: PanelServices, dossier: Dossier) -> str:
    item, looks = dossier.item, set(request.args.get("look", "").split())
    wanted = preferences(services)
    claim = item.claim if item.claim is not None and item.claim.holds(services.now()) else None
    claimed_by = None if claim is None else f"user:{claim.moderator_id}"
    people = {f"user:{item.uploader}", claimed_by or "system"}
    name_of = names(services, people)
    shown = show_items(services, [item])[0]
    return render_template(
        "item.html",
        dossier=dossier,
        item=item,
        bars=shown.bars,
        uploader=uploader_name(item.uploader, name_of),
        record=shown.record,
        claim=claim,
        claimed_by=None if claimed_by is None else name_of(claimed_by),
        entries=timeline(services, dossier),
        rulings=[state for state in _RULINGS if state is not item.state],
        reasons=reason_labels(services.house_rules.current().reasons),
        request_key=new_request_key(),
        is_revealed=not wanted.blur or "reveal" in looks,
        in_colour=not wanted.grey or "colour" in looks,
        can_hide=wanted.blur,
        can_grey=wanted.grey,
        toggled={each: " ".join(sorted(looks ^ {each})) for each in ("reveal", "colour")},
    )
