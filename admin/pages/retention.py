"""How long decisions are kept, for admins: what a purge would remove, and having it begin."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from admin.access import admins_only, current_reviewer
from admin.history.shown import names
from admin.services import PanelServices
from admin.texts import t

_RUNS = 20
_DAYS = range(1, 36501)
_YEAR = 365
# Who purges without being a person, in words.
_MACHINES = {"RETENTION_DAYS": "retention.by_setting", "command line": "retention.by_command"}


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and its form."""

    @panel.get("/retention")
    @admins_only
    def retention() -> tuple[str, int]:
        days = request.args.get("days", type=int)
        is_wrong = "days" in request.args and days not in _DAYS
        if is_wrong:
            flash(t("retention.bad_days"), "error")
        return _page(services, None if is_wrong else days), 400 if is_wrong else 200

    @panel.post("/retention")
    @admins_only
    def purge() -> Response:
        days = request.form.get("days", type=int)
        if days is None or days not in _DAYS:
            flash(t("retention.bad_days"), "error")
            return redirect(url_for("admin.retention"), 303)
        if request.form.get("confirmed") != "yes":
            flash(t("retention.not_confirmed"), "error")
            return redirect(url_for("admin.retention", days=days), 303)
        has_begun = services.retention.begin(days, current_reviewer().decided_by)
        flash(t("retention.begun" if has_begun else "retention.busy"), "good")
        return redirect(url_for("admin.retention"), 303)


def _page(services: PanelServices, days: int | None) -> str:
    runs = services.retention.runs(_RUNS)
    name_of = names(services, {run.by for run in runs} or {"system"})
    return render_template(
        "retention.html",
        days=days,
        suggested=days or services.retention.days or _YEAR,
        preview=None if days is None else services.retention.preview(days),
        setting=services.retention.days,
        runs=[
            (run, t(_MACHINES[run.by]) if run.by in _MACHINES else name_of(run.by)) for run in runs
        ],
    )
