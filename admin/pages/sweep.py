"""The sweep grid: thumbnails of many images, of which one key decides all that are not marked.

Works by forms alone; its script posts the same to the same addresses, and shows the answers in
place.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from admin.access import current_moderator, current_reviewer
from admin.exposure import exposure_data, note_rest, note_shown, note_views
from admin.json_body import json_of_request
from admin.lane.answers import refusal
from admin.lane.keys import lane_keys, sweep_keys
from admin.people import Preferences
from admin.reasons import reason_labels
from admin.services import PanelServices
from admin.sweeping import (
    ARRANGEMENTS,
    SIZES,
    Apart,
    BadSweep,
    Sweep,
    Swept,
    View,
    apart,
    arranged,
    carry_out,
    read_decision_ids,
    read_item_ids,
    read_sweep,
    score,
    shown_as,
    undo,
)
from admin.texts import t
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import Item, Lane, State
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ReviewError, ReviewOrder
from ml_models.types import Label

# What a session left for single review, so that its next sweep does not bring it again; and in
# which view it took what it holds.
_LEFT, _TAKEN = "sweep_left", "sweep_taken"
# In all their letters: browsers drop a cookie of more than 4 KB, and other pages use it too.
_MOST_LEFT_LETTERS = 700
_LISTS = ("shown", "marked", "decisions", "left")

Answer = str | Response | dict[str, Any] | tuple[dict[str, Any] | str, int]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One image of the grid."""

    item: Item
    score: tuple[Label, float] | None
    is_marked: bool
    apart: Apart | None
    swept: Swept | None = None


@dataclass(frozen=True, slots=True)
class _Looks:
    """How images arrive, and what may be changed about it on the page."""

    preferences: Preferences
    may_reveal_all: bool
    may_show_colours: bool
    revealed: bool
    """All of them, from the start."""


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page, and what its forms and its script ask for."""

    @panel.get("/sweep")
    def sweep() -> str:
        view = View.of(request.args)
        items = _claim(services, view)
        return _page(services, view, [_cell(item, view) for item in items])

    @panel.post("/sweep")
    def sweep_decide() -> Answer:
        view, values = View.of(request.args), _values()
        try:
            asked = read_sweep(values, _reasons(services))
        except BadSweep as error:
            return _refused(services, view, values, error)
        results = carry_out(services.desk, current_reviewer(), asked, _explain(services))
        _remember_left(results)
        if request.is_json:
            return _as_json(services, results)
        return _done_page(services, view, asked, results)

    @panel.post("/sweep/undo")
    def sweep_undo() -> Answer:
        values = _values()
        try:
            decisions, left = read_decision_ids(values), read_item_ids(values, "left")
        except BadSweep as error:
            return {"error": t(error.text_key)}, 400
        results = undo(services.desk, current_reviewer(), decisions, _explain(services))
        session[_LEFT] = [each for each in session.get(_LEFT, []) if each not in left]
        if request.is_json:
            return _as_json(services, results)
        flash(_undone(results), "error" if any(r.problem for r in results) else "good")
        return redirect(_address(View.of(request.args)))

    @panel.post("/sweep/renew")
    def sweep_renew() -> Answer:
        values = _values()
        try:
            shown = read_item_ids(values, "shown")
        except BadSweep as error:
            return {"error": t(error.text_key)}, 400
        held = services.desk.renew(current_reviewer(), shown)
        return {"held": held, "seen": note_views(services, values.get("views"))}


def _address(view: View) -> str:
    return url_for("admin.sweep", size=view.size, take=view.take, by=view.arrangement)


def _values() -> dict[str, Any]:
    """What a script's JSON or a form says; of a form's fields the lists as lists."""
    if request.is_json:
        body = json_of_request()
        return body if isinstance(body, dict) else {}
    lists = {name: request.form.getlist(name) for name in _LISTS}
    return {**request.form.to_dict(), **lists}


def _reasons(services: PanelServices) -> dict[str, str]:
    return reason_labels(services.house_rules.current().reasons)


def _explain(services: PanelServices) -> Any:
    def explain(error: ReviewError | AlreadyDecided | StoreUnavailable) -> str:
        if isinstance(error, StoreUnavailable):
            return t("base.database_away")
        return refusal(services, error).sentence

    return explain


# --- which images ---------------------------------------------------------------------------------


def _claim(services: PanelServices, view: View) -> list[Item]:
    """Claim a page of images. What the session held in another view goes back first: it was taken
    in another order, or it would be more than the page shows."""
    services.desk.arrive(current_reviewer())
    taken = f"{view.take} {view.size}"
    if session.get(_TAKEN) != taken:
        services.desk.release(current_reviewer())
        session[_TAKEN] = taken
    return _claimed(services, view)


def _claimed(services: PanelServices, view: View) -> list[Item]:
    items = services.desk.claim(
        current_reviewer(),
        lane=Lane.REVIEW,
        order=view.take,
        count=view.size,
        skipping=session.get(_LEFT, []),
    )
    return arranged(items, view.arrangement)


def _cell(
    item: Item, view: View, *, is_marked: bool | None = None, swept: Swept | None = None
) -> _Cell:
    """Show an image, marked as it was, or as it arrives."""
    why_apart = apart(item)
    return _Cell(
        item,
        score(item, view.arrangement),
        is_marked=why_apart is not None if is_marked is None else is_marked,
        apart=why_apart,
        swept=swept,
    )


def _remember_left(results: Sequence[Swept]) -> None:
    left = [each.item_id for each in results if each.after is None]
    kept = [each for each in session.get(_LEFT, []) if each not in left] + left
    while sum(map(len, kept)) > _MOST_LEFT_LETTERS:
        kept.pop(0)
    session[_LEFT] = kept


# --- answers --------------------------------------------------------------------------------------


def _page(services: PanelServices, view: View, cells: Sequence[_Cell], **more: Any) -> str:
    rules, looks = services.house_rules.current(), _looks(services)
    seen = services.exposure.today(current_moderator().user_id)
    return render_template(
        "sweep.html",
        view=view,
        query={"size": view.size, "take": view.take, "by": view.arrangement},
        cells=cells,
        looks=looks,
        exposure=exposure_data(services, seen, looks.preferences),
        reasons=reason_labels(rules.reasons),
        waiting=services.desk.waiting(Lane.REVIEW),
        sizes=SIZES,
        takes=list(ReviewOrder),
        arrangements=ARRANGEMENTS,
        labels=list(Label),
        shown_as=shown_as,
        key=secrets.token_hex(16),
        keys=sweep_keys(lane_keys(current_moderator().preferences.keys)),
        **more,
    )


def _looks(services: PanelServices) -> _Looks:
    wellbeing = services.house_rules.current().wellbeing
    preferences = wellbeing.bounded(current_moderator().preferences)
    may_reveal_all = not wellbeing.blur_required
    return _Looks(
        preferences=preferences,
        may_reveal_all=may_reveal_all,
        may_show_colours=not wellbeing.grey_required,
        revealed=not preferences.blur or (may_reveal_all and "reveal" in request.args),
    )


def _refused(
    services: PanelServices, view: View, values: dict[str, Any], error: BadSweep
) -> Answer:
    """Show the same images again, as they were marked, with what is missing."""
    sentence = t(error.text_key)
    if request.is_json:
        return {"error": sentence}, 400
    marked = set(values["marked"])
    items = _claimed(services, view)
    cells = [_cell(each, view, is_marked=each.item_id in marked) for each in items]
    said = {name: values.get(name) for name in ("marked_fate", "category")}
    return _page(services, view, cells, problem=sentence, **said), 400


def _done_page(services: PanelServices, view: View, asked: Sweep, results: Sequence[Swept]) -> str:
    """Show what became of each image; only a page without its script gets here."""
    cells = []
    for each in results:
        try:
            item = services.desk.item(each.item_id)
        except ReviewError:
            continue
        is_marked = each.item_id in asked.marked
        cells.append(_cell(item, view, is_marked=is_marked, swept=each))
    due = _count_without_script(services, len(results))
    return _page(
        services, view, cells, summary=_summary(results), results=results, break_is_due=due
    )


def _count_without_script(services: PanelServices, count: int) -> bool:
    """Count the images of a page without its script; return whether to suggest a break."""
    if "revealed" in request.form:
        note_shown(services, count)
    seen = services.exposure.today(current_moderator().user_id)
    is_due = seen.break_is_due(_looks(services).preferences.break_after)
    if is_due:
        note_rest(services)
    return is_due


def _as_json(services: PanelServices, results: Sequence[Swept]) -> dict[str, Any]:
    return {
        "seen": note_views(services, _values().get("views")),
        "waiting": services.desk.waiting(Lane.REVIEW),
        "results": [
            {
                "item": each.item_id,
                "after": each.after,
                "decision": each.decision_id,
                "problem": each.problem,
                "seen": each.seen,
            }
            for each in results
        ],
        "summary": _summary(results),
    }


def _summary(results: Sequence[Swept]) -> str:
    """`44 approved, 4 left`."""
    counted = Counter(_outcome(each) for each in results)
    kinds = (State.APPROVED.value, State.REJECTED.value, State.REVIEW.value, "left", "failed")
    return ", ".join(t(f"sweep.n_{kind}", n=counted[kind]) for kind in kinds if counted[kind])


def _outcome(swept: Swept) -> str:
    if swept.problem is not None:
        return "failed"
    return "left" if swept.after is None else swept.after.value


def _undone(results: Sequence[Swept]) -> str:
    failed = sum(each.problem is not None for each in results)
    sentence = t("sweep.undone", n=len(results) - failed)
    problems = dict.fromkeys(each.problem for each in results if each.problem is not None)
    return " ".join([sentence, *problems])
