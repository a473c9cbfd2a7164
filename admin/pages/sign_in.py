"""Signing in, with the second factor and a first password of one's own where they are needed."""

import math
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import unquote, urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from admin.access import current_reviewer, current_session, missing_step
from admin.cookies import carry, known_device
from admin.passwords import MIN_LENGTH, WeakPassword
from admin.people import Device
from admin.ports.sign_ins import LockedOut, SignInError, Wrong
from admin.qr import qr_code
from admin.services import PanelServices
from admin.texts import t
from cloud.errors import CloudError

_Answer = str | Response | tuple[str, int]

# Longer ones are nobody's; they would only be work.
_MAX_NAME, _MAX_PASSWORD, _MAX_CODE = 200, 1_000, 100


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the pages."""

    @panel.route("/sign-in", methods=["GET", "POST"])
    def sign_in() -> _Answer:
        if request.method == "POST":
            return _sign_in(services)
        if current_user.is_authenticated:
            return _onward()
        ended = "_user_id" in session  # this browser was signed in
        return render_template("sign_in.html", next=next_page(), ended=ended)

    @panel.post("/sign-out")
    def sign_out() -> Response:
        services.sign_ins.sign_out(current_session())
        services.desk.release(current_reviewer())
        session.clear()
        flash(t("sign_in.signed_out"), "good")
        return redirect(url_for("admin.sign_in"), 303)

    @panel.route("/second-factor", methods=["GET", "POST"])
    def second_factor() -> _Answer:
        if missing_step() != "admin.second_factor":
            return _onward()
        if request.method == "GET":
            return _second_factor(services)
        if current_session().moderator.has_second_factor:
            return _pass_second_factor(services)
        return enrol(services)

    @panel.route("/new-password", methods=["GET", "POST"])
    def new_password() -> _Answer:
        if missing_step() != "admin.new_password":
            return _onward()
        problem = set_password(services) if request.method == "POST" else None
        if request.method == "POST" and problem is None:
            return _onward()
        page = render_template(
            "new_password.html", next=next_page(), error=problem, length=MIN_LENGTH
        )
        return page, 200 if problem is None else 400


def _sign_in(services: PanelServices) -> _Answer:
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        if len(name) > _MAX_NAME or len(password) > _MAX_PASSWORD:
            raise Wrong
        token = services.sign_ins.sign_in(name, password, device())
    except SignInError as error:
        sentence = why_not(error, "sign_in.wrong", services.now())
        page = render_template("sign_in.html", next=next_page(), name=name, error=sentence)
        return page, status_of(error)
    carry(services, token)
    return _onward()


def _second_factor(services: PanelServices, error: str | None = None) -> str:
    if current_session().moderator.has_second_factor:
        return render_template("second_factor.html", next=next_page(), error=error)
    return enrolment_page(services, error=error)


def _pass_second_factor(services: PanelServices) -> _Answer:
    code = request.form.get("code", "")[:_MAX_CODE]
    try:
        token = services.sign_ins.pass_second_factor(current_session(), code, device())
    except SignInError as error:
        sentence = why_not(error, "sign_in.wrong_code", services.now())
        return _second_factor(services, error=sentence), status_of(error)
    carry(services, token)
    return _onward()


# --- what the account page does as well -----------------------------------------------------------


def device() -> Device:
    """Return where this request comes from."""
    user_agent = request.headers.get("User-Agent", "")
    return Device(request.remote_addr or "", user_agent, known_device())


def enrol(services: PanelServices) -> _Answer:
    """Set up the second factor that a form confirms; show the recovery codes, or the form again."""
    nonce, code = request.form.get("nonce", ""), request.form.get("code", "")[:_MAX_CODE]
    try:
        enrolled = services.second_factors.enrol(current_session(), nonce, code, device())
    except SignInError as error:
        sentence = why_not(error, "sign_in.wrong_first_code", services.now())
        return enrolment_page(services, nonce=nonce, error=sentence), status_of(error)
    was_half_way = missing_step() is not None
    carry(services, enrolled.token)
    following = _onward_url() if was_half_way else url_for("admin.account")
    return recovery_codes_page(enrolled.recovery_codes, following)


def recovery_codes_page(codes: Sequence[str], following: str) -> str:
    """Show recovery codes, this once."""
    return render_template("recovery_codes.html", codes=codes, following=following)


def enrolment_page(
    services: PanelServices, *, nonce: str | None = None, error: str | None = None
) -> str:
    """Show what an authenticator has to know."""
    offered = services.second_factors.offer(current_session(), nonce)
    return render_template(
        "enrolment.html",
        offered=offered,
        groups=[offered.secret[n : n + 4] for n in range(0, len(offered.secret), 4)],
        qr=qr_code(offered.uri, t("sign_in.qr_code")),
        error=error,
        next=next_page(),
        half_way=missing_step() is not None,
    )


def set_password(services: PanelServices) -> str | None:
    """Take the new password of a form; return what is wrong with it."""
    password, again = request.form.get("new", ""), request.form.get("again", "")
    if password != again:
        return t("account.passwords_differ")
    try:
        token = services.sign_ins.set_password(current_session(), password, device())
    except WeakPassword as error:
        return t(f"account.{error.reason}", length=MIN_LENGTH)
    except CloudError as error:
        return t("account.password_refused", why=str(error))
    carry(services, token)
    return None


def why_not(error: SignInError, wrong: str, now: datetime) -> str:
    """Say why somebody is not let in; `wrong` is the key of what to say of what was typed."""
    if not isinstance(error, LockedOut):
        return t(wrong)
    minutes = max(1, math.ceil((error.until - now).total_seconds() / 60))
    return t("sign_in.locked" if minutes > 1 else "sign_in.locked_one", minutes=minutes)


def status_of(error: SignInError) -> int:
    """Return the status that fits."""
    return 429 if isinstance(error, LockedOut) else 403


def _onward() -> Response:
    """Go to the next step of the sign-in, or to the page that was asked for."""
    return redirect(_onward_url(), 303)


def _onward_url() -> str:
    if not current_user.is_authenticated:  # shut out between two lines of ours
        return url_for("admin.sign_in")
    step = missing_step()
    if step is None:
        return next_page() or url_for("admin.review")
    return url_for(step, next=next_page() or None)


def next_page() -> str:
    """Return the page that was asked for before the sign-in, if it is one of the panel."""
    wanted = request.values.get("next", "")
    return wanted if is_page_of_panel(wanted) else ""


def is_page_of_panel(url: str) -> bool:
    """Whether a URL leads to a page below /admin, however a browser may read it."""
    parts = urlsplit(url)
    segments = unquote(parts.path).split("/")
    is_path = not (parts.scheme or parts.netloc) and url.startswith("/admin/") and url.isprintable()
    return is_path and "\\" not in unquote(url) and not {".", ".."} & set(segments)
