"""The own account: password, second factor, sessions, and how one likes to work."""

from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from admin.access import current_moderator, current_session
from admin.devices import browser_of, system_of
from admin.keys import BadKey, chosen_key, read_keys
from admin.lane.keys import USUAL_KEYS
from admin.pages.sign_in import (
    device,
    enrol,
    enrolment_page,
    recovery_codes_page,
    set_password,
    status_of,
    why_not,
)
from admin.passwords import MIN_LENGTH
from admin.people import PanelSession, Preferences
from admin.ports.sign_ins import SignInError
from admin.services import PanelServices
from admin.texts import LANGUAGES, speak, t
from cloud.moderation.review import Reviewer

_Answer = str | Response | tuple[str, int]

_MOST_BEFORE_A_BREAK = 10_000
_DAYS_SHOWN = 7
# What the cookie says of whoever gave the password and may set up a second factor.
_MAY_ENROL = "may_enrol"


class _Refused(Exception):
    """Why a form changed nothing: a part of the page, and a sentence there."""

    def __init__(self, part: str, sentence: str, status: int = 400) -> None:
        self.part, self.status = part, status
        super().__init__(sentence)


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and its forms."""

    @panel.get("/account")
    def account() -> str:
        return _page(services)

    @panel.post("/account/<part>")
    def account_by_form(part: str) -> _Answer:
        try:
            return _act(services, part)
        except _Refused as refused:
            return _page(services, problem=refused), refused.status

    @panel.get("/account/<path:part>")
    def account_part(part: str) -> Response:
        return redirect(url_for("admin.account"))  # a form's page, loaded again

    @panel.post("/account/second-factor/confirm")
    def confirm_second_factor() -> _Answer:
        if _MAY_ENROL not in session:  # a form that did not come of the password
            return redirect(url_for("admin.account"), 303)
        return enrol(services)


def _act(services: PanelServices, part: str) -> _Answer:
    match part:
        case "password":
            _confirm(services, part)
            problem = set_password(services)
            if problem is not None:
                raise _Refused(part, problem)
            return _done("account.password_changed")
        case "second-factor":
            _confirm(services, part)
            return _second_factor(services)
        case "sessions":
            return _end_sessions(services)
        case "preferences":
            preferences = _read_preferences()
            services.accounts.save_preferences(current_moderator().user_id, preferences)
            speak(preferences.language)
            return _done("account.preferences_saved")
        case "keys":
            return _save_keys(services)
    return redirect(url_for("admin.account"), 303)


def _confirm(services: PanelServices, part: str) -> None:
    """Make sure that it is not somebody else at an unattended screen. Raises _Refused."""
    password = request.form.get("password", "")
    try:
        services.sign_ins.check_password(current_session(), password, device())
    except SignInError as error:
        sentence = why_not(error, "account.wrong_password", services.now())
        raise _Refused(part, sentence, status_of(error)) from None


def _second_factor(services: PanelServices) -> _Answer:
    mine = current_session()
    if not mine.moderator.has_second_factor:
        session[_MAY_ENROL] = True  # until the session is renewed
        return enrolment_page(services)
    if request.form.get("do") == "renew":
        codes = services.second_factors.renew_recovery_codes(mine)
        return recovery_codes_page(codes, url_for("admin.account"))
    services.second_factors.remove(mine)
    return _done("account.factor_removed")


def _end_sessions(services: PanelServices) -> Response:
    mine = current_session()
    chosen = request.form.get("session")
    user_id = mine.moderator.user_id
    if chosen:
        ended = services.accounts.end_sessions(user_id, only=chosen)
    else:
        ended = services.accounts.end_sessions(user_id, but=mine.session_id)
    for session_id in ended:
        services.desk.release(Reviewer(user_id, mine.moderator.name, session_id))
    return _done("account.session_ended" if chosen else "account.others_ended")


def _read_preferences() -> Preferences:
    form, own = request.form, current_moderator().preferences
    count = form.get("break_after", "").strip()
    is_count = count.isascii() and count.isdigit() and len(count) < 10
    if not is_count or int(count) > _MOST_BEFORE_A_BREAK:
        raise _Refused("preferences", t("account.bad_break"))
    language = form.get("language")
    return replace(
        own,
        blur="blur" in form,
        grey="grey" in form,
        muted="muted" in form,
        break_after=int(count),
        language=language if language in LANGUAGES else None,
    )


def _save_keys(services: PanelServices) -> Response:
    who = current_moderator()
    try:
        keys = {} if request.form.get("do") == "usual" else read_keys(request.form)
    except BadKey as bad:
        raise _Refused("keys", _about_key(bad)) from None
    services.accounts.save_preferences(who.user_id, replace(who.preferences, keys=keys))
    return _done("account.keys_saved")


def _about_key(bad: BadKey) -> str:
    other = bad.other or bad.action
    return t(
        f"account.{bad.kind}",
        pressed=show_key(bad.key),
        one=t(f"account.action_{bad.action}"),
        action=t(f"account.action_{bad.action}"),
        other=t(f"account.action_{other}"),
    )


def _done(key: str) -> Response:
    flash(t(key), "good")
    return redirect(url_for("admin.account"), 303)


# --- the page -------------------------------------------------------------------------------------


def _page(services: PanelServices, problem: _Refused | None = None) -> str:
    mine = current_session()
    who = mine.moderator
    return render_template(
        "account.html",
        who=who,
        problem=problem,
        length=MIN_LENGTH,
        codes_left=services.second_factors.recovery_codes_left(mine),
        sessions=[(each, show_device(each)) for each in services.accounts.sessions_of(who.user_id)],
        mine=mine.session_id,
        keys=[
            (action, show_key(chosen_key(who.preferences.keys, action)), show_key(usual[0]))
            for action, usual in USUAL_KEYS.items()
        ],
        bounds=services.house_rules.current().wellbeing,
        most=_MOST_BEFORE_A_BREAK,
        seen=services.exposure.days(who.user_id, _DAYS_SHOWN),
    )


def show_key(key: str) -> str:
    """Return a key as people call it."""
    return t("account.key_space") if key == " " else key


def show_device(session: PanelSession) -> str:
    """Return what a session's browser is called."""
    agent = session.device.user_agent
    browser, system = browser_of(agent), system_of(agent)
    if browser and system:
        return t("account.browser_on", browser=browser, system=system)
    return browser or system or t("account.unknown_device")
