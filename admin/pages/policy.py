"""The policy page: thresholds over what was predicted, tried before they are saved, and history.

Works by forms alone; its script asks for the same trial while the sliders move.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from admin.access import admins_only, current_moderator, current_reviewer
from admin.explain import explain
from admin.json_body import json_of_request
from admin.policy.form import (
    IMAGE_COUNTS,
    MOST_NOTE,
    PolicyForm,
    form_of,
    read_form,
    read_images,
)
from admin.policy.histogram import ClassHistogram, histograms
from admin.policy.trial import Effect, effect_of
from admin.ports.policies import Standing, Trial
from admin.services import PanelServices
from admin.shares import count, interval, percent
from admin.texts import t
from cloud.moderation.policy_changes import (
    BY_DATABASE,
    PolicyChange,
    PolicyChangedMeanwhile,
)
from cloud.moderation.policy_check import Change
from cloud.moderation.types import Policy

_MOST_CHANGES = 50


@dataclass(frozen=True, slots=True)
class _PastChange:
    """A line of the history."""

    change: PolicyChange
    by: str
    policy: Policy | None


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page, and what its script asks for."""

    @panel.route("/policy", methods=["GET", "POST"])
    @admins_only
    def policy() -> str | Response | tuple[str, int]:
        standing = services.policies.standing()
        if request.method == "POST":
            return _posted(services, standing)
        asked = request.args.get("version", "")
        chosen = services.policies.version(int(asked)) if asked.isdecimal() else None
        form = form_of(
            chosen or standing.policy,
            since=_since(standing),
            images=read_images(request.args.get("images", "")),
        )
        return _page(services, standing, form, chosen=chosen)

    @panel.post("/policy/preview")
    @admins_only
    def policy_preview() -> dict[str, Any]:
        values = json_of_request()
        form = read_form(_texts(values if isinstance(values, dict) else {}))
        problems = {field: t(key) for field, key in form.problems.items()}
        standing, proposed = services.policies.standing(), form.policy
        if proposed is None:
            return {"problems": problems}
        effect = _effect(services.policies.trial(), proposed, standing, form.images)
        html = render_template("policy_effect.html", **_shown(services, effect, proposed))
        return {"problems": problems, "html": html, "summary": _summary(effect)}


def _since(standing: Standing) -> int:
    return standing.change.number if standing.change else 0


def _texts(values: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def _posted(services: PanelServices, standing: Standing) -> str | Response | tuple[str, int]:
    form = read_form(request.form)
    if request.form.get("action") != "save":
        return _page(services, standing, form)
    return _save(services, standing, form)


def _save(
    services: PanelServices, standing: Standing, form: PolicyForm
) -> str | Response | tuple[str, int]:
    proposed = form.policy
    if proposed is None or form.problems:
        return _page(services, standing, form), 400
    if standing.problem is None and replace(standing.policy, version=None) == proposed:
        flash(t("policy.nothing_changed"), "warning")
        return _page(services, standing, form)
    by, note = current_reviewer().decided_by, form.note or None
    try:
        change = services.policies.save(proposed, by=by, note=note, since=form.since)
    except PolicyChangedMeanwhile as error:
        newest = error.change
        flash(_meanwhile(services, newest), "error")
        newer = services.policies.standing()
        return _page(services, newer, replace(form, since=newest.number)), 409
    flash(t("policy.saved", version=change.version), "good")
    return redirect(url_for("admin.policy", images=form.images), 303)


def _meanwhile(services: PanelServices, newest: PolicyChange) -> str:
    by = _names(services, [newest])[newest.by]
    return t("policy.changed_meanwhile", by=by, version=newest.version)


# --- the page -------------------------------------------------------------------------------------


def _page(
    services: PanelServices, standing: Standing, form: PolicyForm, chosen: Policy | None = None
) -> str:
    trial, proposed = services.policies.trial(), form.policy
    effect = None if proposed is None else _effect(trial, proposed, standing, form.images)
    return render_template(
        "policy.html",
        form=form,
        problems={field: t(key) for field, key in form.problems.items()},
        histograms=_histograms(trial, form),
        standing=standing,
        chosen=chosen,
        past=_past(services),
        image_counts=IMAGE_COUNTS,
        most_note=MOST_NOTE,
        **_shown(services, effect, proposed),
    )


def _histograms(trial: Trial | None, form: PolicyForm) -> Mapping[str, ClassHistogram]:
    return {} if trial is None else histograms(trial.histograms, form)


def _effect(
    trial: Trial | None, proposed: Policy, standing: Standing, images: int
) -> Effect | None:
    return None if trial is None else effect_of(proposed, standing.policy, trial, images)


def _shown(
    services: PanelServices, effect: Effect | None, proposed: Policy | None
) -> dict[str, Any]:
    """What the trial's template takes."""
    rules = services.house_rules.current()
    blurred = rules.wellbeing.bounded(current_moderator().preferences).blur
    return {
        "effect": effect,
        "proposed": proposed,
        "picture_kind": "preview" if blurred else "thumbnail",
        "why": _why,
        "count": count,
        "percent": percent,
        "interval": interval,
    }


def _why(change: Change) -> str:
    """Why the proposed policy would send an image elsewhere."""
    sentences = [explain(reason, str).sentence for reason in change.reasons]
    return " ".join(sentences) or t("policy.below_all")


def _summary(effect: Effect | None) -> str:
    """What it comes to: for those who hear the page, and to stay in sight on a phone."""
    if effect is None:
        return t("policy.reading")
    key = "policy.some_move" if effect.moved else "policy.none_move"
    moved = t(key, moved=count(effect.moved), images=count(effect.images))
    if effect.queue_before is None or effect.queue_after is None:
        return moved
    before, after = count(effect.queue_before), count(effect.queue_after)
    return f"{moved} {t('policy.status_queue', before=before, after=after)}"


def _past(services: PanelServices) -> list[_PastChange]:
    changes = services.policies.changes(_MOST_CHANGES)
    names = _names(services, changes)
    return [
        _PastChange(change, names[change.by], services.policies.version(change.version))
        for change in changes
    ]


def _names(services: PanelServices, changes: Sequence[PolicyChange]) -> Mapping[str, str]:
    authors = {change.by for change in changes}
    names = services.accounts.names(authors - {BY_DATABASE})
    return {**names, BY_DATABASE: t("policy.by_database")}
