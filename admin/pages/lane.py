"""The review lane: one image at a time, with what is to be known of it.

The page works by forms alone; its scripts do the same by `lane_calls`, ahead of time.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from admin.access import current_moderator, current_reviewer, current_session
from admin.exposure import at_ms, exposure_data, note_rest, note_shown
from admin.lane.answers import refusal
from admin.lane.items import ShownItem, elsewhere, item_json, rest, show_items, waiting
from admin.lane.keys import lane_keys
from admin.lane.requests import (
    BadLaneRequest,
    Place,
    new_request_key,
    read_id,
    read_note,
    read_ruling,
)
from admin.pages import lane_calls
from admin.people import Preferences
from admin.ports.pictures import PictureKind
from admin.reasons import reason_labels, rule_problems
from admin.services import PanelServices
from admin.texts import t
from cloud.moderation.items import Item, Lane
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ReviewError

# What is remembered in the cookie of a browser without scripts.
_UNDO, _SKIPPED = "lane_undo", "lane_skipped"
_MOST_UNDONE, _MOST_SKIPPED = 20, 60


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and what its scripts call."""

    @panel.get("/review")
    def review() -> str:
        place = _place()
        return _page(services, place, _current(services, place))

    @panel.post("/review")
    def review_by_form() -> Response:
        place = _place()
        try:
            shown_next = _act(services)
        except BadLaneRequest:
            abort(400)
        except (ReviewError, AlreadyDecided) as error:
            flash(refusal(services, error).sentence, "warning")
            shown_next = {}
        query = {**place.query, **shown_next}
        return redirect(f"{url_for('admin.review')}?{urlencode(query)}", 303)

    lane_calls.add_routes(panel, services)


def _place() -> Place:
    place = Place.of(request.args)
    if place.lane is Lane.ESCALATED and not current_moderator().is_admin:
        abort(403)
    return place


def _current(services: PanelServices, place: Place) -> Item | None:
    """The image that was asked for, or the next one, and that it is another is said."""
    desk, reviewer = services.desk, current_reviewer()
    wanted = request.args.get("item")
    desk.arrive(reviewer)
    claimed = desk.claim(
        reviewer,
        lane=place.lane,
        order=place.order,
        skipping=session.get(_SKIPPED, []),
        asked=[wanted] if wanted else [],
    )
    item = claimed[0] if claimed else None
    if not _is_wanted(item):
        flash(t("lane.not_to_be_had"), "warning")
    return item


def _is_wanted(item: Item | None) -> bool:
    wanted = request.args.get("item")
    return not wanted or (item is not None and item.item_id == wanted)


def _page(services: PanelServices, place: Place, item: Item | None) -> str:
    rules = services.house_rules.current()
    preferences = rules.wellbeing.bounded(current_moderator().preferences)
    shown = None if item is None else show_items(services, [item])[0]
    skipped = session.get(_SKIPPED, [])
    # How one image is looked at is not how another comes in its place.
    looks = set(request.args.get("look", "").split() if _is_wanted(item) else ())
    is_revealed = not preferences.blur or "reveal" in looks or "play" in looks
    seen = services.exposure.today(current_moderator().user_id)
    reasons = reason_labels(rules.reasons)
    return render_template(
        "review.html",
        shown=shown,
        place=place,
        waiting=waiting(services),
        elsewhere=elsewhere(services, place.lane),
        rest=rest(services, place.lane, len(skipped)) if shown is None else None,
        reasons=reasons,
        problems=rule_problems(rules) if current_moderator().is_admin else [],
        preferences=preferences,
        is_revealed=is_revealed,
        picture=_picture(shown, preferences, looks) if shown else None,
        in_colour=not preferences.grey or "colour" in looks,
        toggled={each: " ".join(sorted(looks ^ {each})) for each in ("reveal", "colour", "play")},
        keys=lane_keys(preferences.keys),
        seen=seen,
        exposure=exposure_data(services, seen, preferences),
        request_key=new_request_key(),
        lane_data={
            "item": None if shown is None else item_json(shown),
            "isRevealed": is_revealed,
            "waiting": waiting(services)[place.lane],
            "at": at_ms(services),
            "reasons": list(reasons.items()),
            **_script_data(place, preferences),
        },
    )


def _picture(shown: ShownItem, preferences: Preferences, looks: Collection[str]) -> str:
    """Which picture of an image a page without its script shows."""
    if preferences.blur and not {"reveal", "play"} & set(looks):
        return PictureKind.PREVIEW
    plays = shown.moves and ("play" in looks or not preferences.muted)
    return PictureKind.ORIGINAL if plays else PictureKind.SCREEN


def _script_data(place: Place, preferences: Preferences) -> dict[str, Any]:
    who = current_moderator()
    return {
        "moderator": who.user_id,
        "name": who.name,
        "session": current_session().session_id,
        "lane": place.lane,
        "order": place.order,
        "blur": preferences.blur,
        "grey": preferences.grey,
        "muted": preferences.muted,
        "keys": lane_keys(preferences.keys),
        "urls": lane_calls.urls(),
    }


def _act(services: PanelServices) -> dict[str, str]:
    """Do what a form's button says; return what to show next."""
    action = request.form.get("action")
    if "revealed" in request.form:
        note_shown(services, 1)
    if "category" in request.form:
        return _decide(services, "rejected")
    if action in ("approved", "rejected"):
        return _decide(services, action)
    if action == "skip":
        return _skip(services)
    if action == "escalate":
        services.desk.escalate(current_reviewer(), read_id(request.form), read_note(request.form))
        flash(t("lane.done_escalated"), "good")
        return {}
    if action == "undo":
        return _undo(services)
    if action == "rested":
        note_rest(services)
        return {}
    if action == "unskip":
        session.pop(_SKIPPED, None)
        return {}
    raise BadLaneRequest("there is no such action")


def _decide(services: PanelServices, after: str) -> dict[str, str]:
    ruling = read_ruling({**request.form, "after": after})
    decision = services.desk.rule(current_reviewer(), read_id(request.form), ruling)
    done = [each for each in session.get(_UNDO, []) if each != decision.decision_id]
    session[_UNDO] = [*done, decision.decision_id][-_MOST_UNDONE:]
    flash(t(f"lane.done_{decision.after}"), "good")
    return {}


def _skip(services: PanelServices) -> dict[str, str]:
    item_id = read_id(request.form)
    services.desk.release(current_reviewer(), [item_id])
    skipped = [each for each in session.get(_SKIPPED, []) if each != item_id]
    session[_SKIPPED] = [*skipped, item_id][-_MOST_SKIPPED:]
    return {}


def _undo(services: PanelServices) -> dict[str, str]:
    *earlier, last = session.get(_UNDO) or [None]
    if last is None:
        flash(t("lane.nothing_to_undo"), "warning")
        return {}
    session[_UNDO] = earlier
    decision = services.desk.undo(current_reviewer(), last)
    flash(t("lane.done_undone"), "good")
    return {"item": decision.item_id}
