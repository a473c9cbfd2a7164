"""Signing in, with the second factor and a first password of one's own where they are needed."""

import math
from datetime import datetime
from urllib.parse import unquote, urlsplit

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from admin.access import current_reviewer, current_session, missing_step
from admin.cookies import carry, carry_nothing
from admin.passwords import MIN_LENGTH, WeakPassword, check_password
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

    @panel.get("/sign-in")
    def sign_in() -> _Answer:
        if current_user.is_authenticated:
            return redirect(url_for(missing_step() or "admin.review"))
        ended = "_user_id" in session
        return render_template("sign_in.html", next=next_page(), ended=ended)

    @panel.post("/sign-in", endpoint="sign_in")
    def sign_in_by_form() -> _Answer:
        name, password = request.form.get("name", ""), request.form.get("password", "")
        try:
            if len(name) > _MAX_NAME or len(password) > _MAX_PASSWORD:
                raise Wrong
            token = services.sign_ins.sign_in(name, password, device())
        except SignInError as error:
            sentence = _why(error, "sign_in.wrong", services.now())
            page = render_template("sign_in.html", next=next_page(), name=name, error=sentence)
            return page, status_of(error)
        carry(services, token)
        return _onward()

    @panel.post("/sign-out")
    def sign_out() -> Response:
        services.sign_ins.sign_out(current_session())
        services.desk.release(current_reviewer())
        carry_nothing()
        flash(t("sign_in.signed_out"), "good")
        return redirect(url_for("admin.sign_in"), 303)

    @panel.get("/second-factor")
    def second_factor() -> _Answer:
        return _second_factor(services) if _needs("admin.second_factor") else _onward()

    @panel.post("/second-factor", endpoint="second_factor")
    def second_factor_by_form() -> _Answer:
        if not _needs("admin.second_factor"):
            return _onward()
        if not current_session().moderator.has_second_factor:
            return enrol(services, following=_onward_url())
        code = request.form.get("code", "")[:_MAX_CODE]
        try:
            token = services.sign_ins.pass_second_factor(current_session(), code, device())
        except SignInError as error:
            sentence = _why(error, "sign_in.wrong_code", services.now())
            return _second_factor(services, error=sentence), status_of(error)
        carry(services, token)
        return _onward()

    @panel.get("/new-password")
    def new_password() -> _Answer:
        if not _needs("admin.new_password"):
            return _onward()
        return _new_password()

    @panel.post("/new-password", endpoint="new_password")
    def new_password_by_form() -> _Answer:
        if not _needs("admin.new_password"):
            return _onward()
        problem = set_password(services)
        return _onward() if problem is None else (_new_password(error=problem), 400)


def device() -> Device:
    """Return where this request comes from."""
    return Device(request.remote_addr or "", request.headers.get("User-Agent", ""))


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


def enrol(services: PanelServices, following: str) -> _Answer:
    """Set up the second factor that a form confirms; show the recovery codes, or the form again."""
    form = request.form
    nonce, code = form.get("nonce", ""), form.get("code", "")[:_MAX_CODE]
    try:
        enrolled = services.second_factors.enrol(current_session(), nonce, code, device())
    except SignInError as error:
        sentence = _why(error, "sign_in.wrong_first_code", services.now())
        return enrolment_page(services, nonce=nonce, error=sentence), status_of(error)
    carry(services, enrolled.token)
    return render_template(
        "recovery_codes.html", codes=enrolled.recovery_codes, following=following
    )


def enrolment_page(
    services: PanelServices, *, nonce: str | None = None, error: str | None = None
) -> str:
    """Show what an authenticator has to know."""
    offered = services.second_factors.offer(current_session(), nonce)
    groups = [offered.secret[n : n + 4] for n in range(0, len(offered.secret), 4)]
    return render_template(
        "enrolment.html",
        offered=offered,
        groups=groups,
        qr=qr_code(offered.uri, t("sign_in.qr_code")),
        error=error,
        next=next_page(),
        half_way=_needs("admin.second_factor"),
    )


def set_password(services: PanelServices) -> str | None:
    """Take the new password of a form; return what is wrong with it."""
    password, again = request.form.get("new", ""), request.form.get("again", "")
    if password != again:
        return t("account.passwords_differ")
    try:
        check_password(password, current_session().moderator.name)
        token = services.sign_ins.set_password(current_session(), password, device())
    except WeakPassword as error:
        return t(f"account.{error.reason}", length=MIN_LENGTH)
    except CloudError as error:
        return t("account.password_refused", why=str(error))
    carry(services, token)
    return None


def why_not(error: SignInError, services: PanelServices) -> str:
    """Say why the password that confirms a change does not count."""
    return _why(error, "account.wrong_password", services.now())


def status_of(error: SignInError) -> int:
    """Return the status that fits."""
    return 429 if isinstance(error, LockedOut) else 403


def _why(error: SignInError, wrong: str, now: datetime) -> str:
    if isinstance(error, LockedOut):
        minutes = max(1, math.ceil((error.until - now).total_seconds() / 60))
        return t("sign_in.locked" if minutes > 1 else "sign_in.locked_one", minutes=minutes)
    return t(wrong)


def _second_factor(services: PanelServices, error: str | None = None) -> str:
    if not current_session().moderator.has_second_factor:
        return enrolment_page(services, error=error)
    return render_template("second_factor.html", next=next_page(), error=error)


def _new_password(error: str | None = None) -> str:
    return render_template("new_password.html", next=next_page(), error=error, length=MIN_LENGTH)


def _needs(endpoint: str) -> bool:
    return current_user.is_authenticated and missing_step() == endpoint


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
