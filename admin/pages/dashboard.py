"""The dashboard: what waits, what was decided, how fast, by whom, and whether all is well."""

from flask import Blueprint, current_app, render_template, request

from admin import figures_shown as shown
from admin.access import current_moderator, current_reviewer
from admin.deciders import by_themselves
from admin.ports.figures import SPANS, Overview
from admin.services import PanelServices
from admin.shares import count, interval, percent
from cloud.moderation.people_figures import agreed

_USUAL_SPAN = 30
_USER = "user:"


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page."""

    @panel.get("/dashboard")
    def dashboard() -> str:
        wanted = request.args.get("days", "")
        span = int(wanted) if wanted in map(str, SPANS) else _USUAL_SPAN
        now, overview = services.figures.now(), services.figures.overview(span)
        hidden = request.args.get("names") == "hidden" or not current_moderator().is_admin
        charts = {} if overview is None else _charts(overview)
        people = [] if overview is None else _people(services, overview, hidden)
        return render_template(
            "dashboard.html",
            now=now,
            overview=overview,
            span=span,
            spans=SPANS,
            names_hidden=hidden,
            people=people,
            shown=shown,
            count=count,
            percent=percent,
            interval=interval,
            agreed=None if overview is None else agreed(overview.agreement),
            **charts,
        )


def _charts(overview: Overview) -> dict[str, object]:
    lines = shown.day_lines(overview.days)
    return {
        "lines": lines,
        "outcomes": shown.outcomes_chart(lines),
        "automation": shown.automation_chart(lines),
        "waits": shown.waits_chart(overview),
    }


def _people(services: PanelServices, overview: Overview, hidden: bool) -> list[shown.ModeratorLine]:
    everybody = [one.decided_by for one in overview.moderators]
    if hidden:
        hiding = shown.pseudonyms(everybody, _secret())
        names = {**hiding, **services.accounts.names(_no_users(everybody))}
    else:
        names = dict(services.accounts.names(everybody))
    name_of = by_themselves(names).__getitem__
    reader = current_reviewer().decided_by
    return shown.moderator_lines(overview, reader, name_of, _looked_at(services, everybody))


def _looked_at(services: PanelServices, everybody: list[str]) -> dict[str, int]:
    """How many images each looked at today: everybody's own, and for admins if the owner says."""
    is_shared = services.house_rules.current().wellbeing.exposure_for_admins
    sees_all = is_shared and current_moderator().is_admin
    people = [one for one in everybody if one.startswith(_USER)]
    if not sees_all:
        people = [one for one in people if one == current_reviewer().decided_by]
    counts = services.exposure.today_of_all([one.removeprefix(_USER) for one in people])
    return {f"{_USER}{user_id}": count for user_id, count in counts.items()}


def _no_users(everybody: list[str]) -> list[str]:
    """Those who are nobody in particular, such as the master key: there is nothing to hide."""
    return [name for name in everybody if not name.startswith(_USER)]


def _secret() -> bytes:
    key = current_app.secret_key
    return key if isinstance(key, bytes) else str(key).encode()
