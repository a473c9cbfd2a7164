"""What the lane's script asks of the server: images ahead, decisions one by one, claims kept.

Every call says for which moderator it is made: what was decided by one is never sent as another's.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, abort, make_response, request, url_for
from flask_wtf.csrf import generate_csrf

from admin.access import current_moderator, current_reviewer, current_session
from admin.exposure import at_ms, note_views
from admin.lane.answers import refusal
from admin.lane.items import (
    elsewhere,
    item_html,
    item_json,
    item_urls,
    rest,
    show_items,
    waiting,
)
from admin.lane.requests import (
    BadLaneRequest,
    Place,
    json_body,
    read_claim,
    read_id,
    read_ids,
    read_json,
    read_key,
    read_note,
    read_ruling,
    read_time,
)
from admin.services import PanelServices
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ReviewError

Body = dict[str, Any]
Answer = Body | tuple[Body, int]
_CALLS = ("claim", "decide", "escalate", "undo", "renew", "release", "me")


def urls() -> Body:
    """Where the script finds each call, and the pictures of any item."""
    return {
        **{call: url_for(f"admin.lane_{call}") for call in _CALLS},
        "item": item_urls("ITEM"),
    }


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the calls."""
    desk = services.desk

    def add(name: str, answer: Callable[[Body], Body]) -> None:
        panel.add_url_rule(
            f"/review/{name}",
            f"lane_{name}",
            lambda: _stamped(services, _answer(services, answer)),
            methods=["POST"],
        )

    def claim(body: Body) -> Body:
        wanted = read_claim(body)
        items = desk.claim(
            current_reviewer(),
            lane=wanted.place.lane,
            order=wanted.place.order,
            count=wanted.count,
            skipping=wanted.skipping,
            asked=wanted.asked,
        )
        shown, skipped = show_items(services, items), len(wanted.skipping)
        return {
            "items": [item_json(each, item_html(each)) for each in shown],
            "waiting": waiting(services),
            "elsewhere": elsewhere(services, wanted.place.lane),
            "seen": note_views(services, body.get("views")),
            "rest": None if shown else asdict(rest(services, wanted.place.lane, skipped)),
        }

    def decide(body: Body) -> Body:
        decision = desk.rule(current_reviewer(), read_id(body), read_ruling(body))
        return {"decision_id": decision.decision_id, "after": decision.after}

    def escalate(body: Body) -> Body:
        item_id, key = read_id(body), read_key(body)
        desk.escalate(current_reviewer(), item_id, read_note(body), key)
        made = [each for each in desk.log(item_id) if each.remark.request_key == key]
        return {"decision_id": made[0].decision_id if made else None}

    def undo(body: Body) -> Body:
        decision = desk.undo(current_reviewer(), read_id(body, "decision_id"))
        return {"item_id": decision.item_id, "after": decision.after, "seen": decision.number}

    def renew(body: Body) -> Body:
        item_ids, place = read_ids(body.get("item_ids")), Place.of(body)
        return {"held": desk.renew(current_reviewer(), item_ids, lane=place.lane)}

    for call in (claim, decide, escalate, undo, renew):
        add(call.__name__, call)

    @panel.post("/review/release")
    def lane_release() -> Response:
        """A form, because the page sends it as a beacon while it is left."""
        try:
            item_ids = read_ids(request.form.getlist("item_id"))
            as_of = read_time(request.form.get("at"))
        except BadLaneRequest:
            abort(400)
        desk.release(current_reviewer(), item_ids, as_of=as_of)
        note_views(services, read_json(request.form.get("views")))
        return Response(status=204)

    @panel.get("/review/me")
    def lane_me() -> Answer:
        """Who is signed in by now, with a token for her calls: after a sign-in elsewhere."""
        who, session = current_moderator(), current_session()
        return {"moderator": who.user_id, "session": session.session_id, "token": generate_csrf()}


def _stamped(services: PanelServices, answer: Answer) -> Response:
    """Say until when all that was asked for is done, by the server's clock; see `release`."""
    response = make_response(answer)
    response.headers["Panel-Time"] = str(at_ms(services))
    return response


def _answer(services: PanelServices, answer: Callable[[Body], Body]) -> Answer:
    try:
        body = json_body()
        if body.get("moderator") != current_moderator().user_id:
            return {"kind": "other_moderator"}, 409
        return answer(body)
    except BadLaneRequest as error:
        return {"kind": "bad_request", "sentence": str(error)}, 422
    except (ReviewError, AlreadyDecided) as error:
        refused = refusal(services, error)
        return {"kind": refused.kind, "sentence": refused.sentence}, refused.status
