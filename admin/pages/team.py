"""The team, for admins: who moderates, with which role, and what was changed about that."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from admin.access import admins_only, current_moderator
from admin.people import Role
from admin.ports.team import (
    OPERATOR,
    BadName,
    LastAdmin,
    NameTaken,
    NoSuchUser,
    TeamAction,
    TeamError,
)
from admin.services import PanelServices
from admin.texts import t
from cloud.errors import CloudError
from cloud.moderation.review import Reviewer

_Answer = str | Response | tuple[str, int]

_LOG_LINES = 50
_MAX_NAME = 200
# What can be done to somebody, as addresses and forms call it. Each is asked about first.
_ROLES = {"make-admin": Role.ADMIN, "make-moderator": Role.MODERATOR}
_ACTIONS = {
    "disable": TeamAction.DISABLED,
    "enable": TeamAction.ENABLED,
    "reset-factor": TeamAction.SECOND_FACTOR_RESET,
    "end-sessions": TeamAction.SESSIONS_ENDED,
}
_RESET_PASSWORD = "reset-password"  # noqa: S105 - no password
_DEEDS = {*_ROLES, *_ACTIONS, _RESET_PASSWORD}
_SENTENCES: dict[type[TeamError], str] = {
    NameTaken: "team.name_taken",
    BadName: "team.bad_name",
    NoSuchUser: "team.no_such_user",
    LastAdmin: "team.last_admin",
}


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and its forms."""

    @panel.get("/team")
    @admins_only
    def team() -> str:
        return _page(services)

    @panel.post("/team/invite")
    @admins_only
    def invite() -> _Answer:
        try:
            return _invite(services)
        except (TeamError, CloudError) as error:
            return _page(services, problem=_sentence(error)), 409

    @panel.get("/team/members/<user_id>/<deed>")
    @admins_only
    def ask_about_member(user_id: str, deed: str) -> _Answer:
        if deed not in _DEEDS:
            abort(404)
        for member in services.team.members():
            if member.user_id == user_id:
                me = current_moderator().user_id
                return render_template("team_ask.html", member=member, deed=deed, me=me)
        flash(t("team.no_such_user"), "error")
        return _back()

    @panel.post("/team/members/<user_id>")
    @admins_only
    def change_member(user_id: str) -> _Answer:
        try:
            return _change(services, user_id)
        except (TeamError, CloudError) as error:
            flash(_sentence(error), "error")
            return _back()

    @panel.get("/team/<path:part>")
    @admins_only
    def team_part(part: str) -> Response:
        return redirect(url_for("admin.team"))  # a form's page, loaded again


def _invite(services: PanelServices) -> _Answer:
    by, name = current_moderator().user_id, request.form.get("name", "")[:_MAX_NAME].strip()
    role = _read_role()
    if request.form.get("kind") == "existing":
        services.team.promote(by, name, role)
        flash(t("team.promoted", name=name), "good")
        return _back()
    password = services.team.invite(by, name, role)
    return _page(services, one_time=(name, password))


def _change(services: PanelServices, user_id: str) -> _Answer:
    by, deed = current_moderator().user_id, request.form.get("do", "")
    name = _name_of(services, user_id)
    if deed not in _DEEDS:
        abort(400)
    if deed in _ROLES:
        services.team.change_role(by, user_id, _ROLES[deed])
        flash(t("team.done_role", name=name), "good")
        return _back()
    sessions = [session.session_id for session in services.accounts.sessions_of(user_id)]
    if deed == _RESET_PASSWORD:
        password = services.team.reset_password(by, user_id)
        _release(services, user_id, name, sessions)
        return _page(services, one_time=(name, password))
    services.team.act(by, user_id, _ACTIONS[deed])
    if deed != "enable":
        _release(services, user_id, name, sessions)
    flash(t(f"team.done_{_ACTIONS[deed]}", name=name), "good")
    return _back()


def _release(services: PanelServices, user_id: str, name: str, session_ids: list[str]) -> None:
    """Let others have what was claimed in sessions that ended."""
    for session_id in session_ids:
        services.desk.release(Reviewer(user_id, name, session_id))


def _name_of(services: PanelServices, user_id: str) -> str:
    by = f"user:{user_id}"
    return services.accounts.names([by])[by]


def _read_role() -> Role:
    role = request.form.get("role", "")
    if role not in set(Role):
        abort(400)
    return Role(role)


def _sentence(error: Exception) -> str:
    for kind, key in _SENTENCES.items():
        if isinstance(error, kind):
            return t(key)
    return t("team.app_refused", why=str(error))


def _back() -> Response:
    return redirect(url_for("admin.team"), 303)


def _page(
    services: PanelServices,
    *,
    problem: str | None = None,
    one_time: tuple[str, str] | None = None,
) -> str:
    events = services.team.log(_LOG_LINES)
    names = services.accounts.names({event.by for event in events} | {OPERATOR})
    return render_template(
        "team.html",
        members=services.team.members(),
        events=events,
        names=names,
        roles=list(Role),
        me=current_moderator().user_id,
        problem=problem,
        one_time=one_time,
        form=request.form if problem else {},
    )
