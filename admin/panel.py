"""The panel as a Flask blueprint: what holds for all of its pages."""

import hashlib
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter
from werkzeug.wrappers import Response as BaseResponse

from admin.access import HALF_WAY_ENDPOINTS, OPEN_ENDPOINTS, SignedIn, missing_step
from admin.compression import compress_asset, read_whole
from admin.cookies import PanelCookies
from admin.explain import in_words
from admin.pages import (
    account,
    console,
    dashboard,
    export,
    history,
    item,
    lane,
    pictures,
    policy,
    retention,
    sign_in,
    sweep,
    team,
)
from admin.services import PanelServices
from admin.texts import LANGUAGES, language, locale, page_texts, regional_locale, t
from cloud.moderation.errors import StoreUnavailable

_PAGES = (
    sign_in, lane, sweep, pictures, history, item, export, retention, policy, dashboard, team,
    account, console,
)  # fmt: skip
_STATIC = Path(__file__).parent / "static"
_EXPLAINED = (400, 401, 403, 404, 405)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NOWHERE = "admin.nowhere"
# More than any form or script of the panel sends; only files are larger. Of a megabyte's fields a
# hundred thousand would be read before anybody asks who sent them.
MOST_FORM_BYTES = 256 * 1024
_A_YEAR_S = 365 * 24 * 3600

# blob: images that the lane fetched ahead; data: nothing.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Flask-WTF compares the Referer with the host on HTTPS; others are told nothing.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_panel(app: Flask, services: PanelServices, secret_key: bytes) -> None:
    """Mount the panel below `/admin`. The key signs cookies; it is the same in all processes."""
    app.secret_key = secret_key
    app.session_interface = PanelCookies()
    app.config.update(
        SESSION_COOKIE_NAME="parsewarden_panel",
        SESSION_COOKIE_PATH="/admin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; an offline lane replays hours later
    )
    panel = Blueprint(
        "admin",
        __name__,
        url_prefix="/admin",
        template_folder="templates",
        static_folder="static",
    )
    _sign_ins(app, services)
    _guard(panel, CSRFProtect(app))
    _dress(panel)
    for page in _PAGES:
        page.add_routes(panel, services)
    _catch_all(panel)
    panel.add_url_rule("/", "home", lambda: redirect(url_for("admin.review")), strict_slashes=False)
    app.register_blueprint(panel)


def _sign_ins(app: Flask, services: PanelServices) -> None:
    """Let Flask-Login find the session of a request's cookie."""
    manager = LoginManager(app)
    manager.login_view = "admin.sign_in"

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(token: str) -> SignedIn | None:
        if "database_away" in g:  # while the page is made that says so
            return None
        try:
            session = services.accounts.session(token)
        except StoreUnavailable:
            g.database_away = True
            raise
        return None if session is None else SignedIn(token, session)


def _guard(panel: Blueprint, csrf: CSRFProtect) -> None:
    """Nothing without a sign-in, no change without this site's own form or script."""

    @panel.before_request
    def bound_form() -> None:
        if request.mimetype != "multipart/form-data":  # whose fields Werkzeug bounds
            request.max_content_length = MOST_FORM_BYTES

    @panel.before_request
    def require_sign_in() -> BaseResponse | None:
        if request.endpoint in OPEN_ENDPOINTS:
            return None
        if not current_user.is_authenticated:
            return _to("admin.sign_in")
        step = missing_step()
        if step is None or request.endpoint in HALF_WAY_ENDPOINTS:
            return None
        return _to(step)

    @panel.before_request
    def require_token() -> None:
        if request.endpoint != _NOWHERE:  # where nothing changes
            csrf.protect()

    @panel.after_request
    def harden(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)  # pictures have a stricter policy
        if request.endpoint != "admin.static" or response.status_code >= 400:
            response.headers["Cache-Control"] = "no-store"
            return response
        read_whole(response)
        if "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={_A_YEAR_S}, immutable"
            compress_asset(response)
        return response


def _catch_all(panel: Blueprint) -> None:
    """Answer for what is no page: routing knows no blueprint, and would leave it to Parse."""

    @panel.route("/<path:nowhere>", methods=_METHODS)
    def nowhere(nowhere: str) -> NoReturn:
        pages = current_app.create_url_adapter(request)
        assert pages is not None  # noqa: S101 - only outside of requests
        allowed = [method for method in _METHODS if _is_page(pages, method)]
        raise MethodNotAllowed(allowed) if allowed else NotFound


def _is_page(pages: MapAdapter, method: str) -> bool:
    endpoint, _ = pages.match(method=method)
    return str(endpoint) != _NOWHERE


def _to(endpoint: str) -> BaseResponse:
    """Send a page elsewhere; tell a script so, which would not see it."""
    if request.accept_mimetypes.best == "application/json":
        abort(401)
    # A form was sent, and not what a page sends while it is left.
    is_form = request.method == "POST" and request.accept_mimetypes.best == "text/html"
    if is_form and request.endpoint != "admin.sign_out":
        flash(t("base.not_done"), "warning")
    here = request.full_path if request.query_string else request.path  # the former ends in "?"
    return redirect(url_for(endpoint, next=here if request.method == "GET" else None))


def _dress(panel: Blueprint) -> None:
    """What all templates may use, and the pages for what went wrong."""

    @panel.context_processor
    def tools() -> dict[str, Any]:
        return {
            "t": t,
            "page_texts": page_texts,
            "language": language(),
            "languages": LANGUAGES,
            "asset": _asset,
            "signed_in": current_user.session if current_user.is_authenticated else None,
        }

    panel.add_app_template_filter(_age, "age")
    panel.add_app_template_filter(_date, "date")
    panel.add_app_template_filter(_day, "day")
    panel.add_app_template_filter(lambda n: format_decimal(n, locale=locale()), "number")
    panel.add_app_template_filter(_percent, "percent")
    panel.add_app_template_filter(in_words, "in_words")

    @panel.errorhandler(HTTPException)
    def say_why(error: HTTPException) -> Any:
        answer = make_response(_error_page(error.code or 500, _sentence(error)))
        if isinstance(error, MethodNotAllowed):
            answer.allow.update(error.valid_methods or ())
        return answer

    @panel.errorhandler(StoreUnavailable)
    def come_back(error: StoreUnavailable) -> tuple[Any, int]:
        return _error_page(503, t("base.database_away"))


def _sentence(error: HTTPException) -> str:
    """Say what went wrong: in our own words, unless somebody had better ones."""
    if isinstance(error, CSRFError):
        return t("base.form_too_old")
    is_usual = error.description in (None, type(error).description)
    if is_usual and error.code in _EXPLAINED:
        return t(f"base.error_{error.code}")
    return error.description or error.name


def _error_page(status: int, sentence: str) -> tuple[Any, int]:
    if request.accept_mimetypes.best == "application/json":
        return {"error": sentence}, status
    return render_template("error.html", status=status, sentence=sentence), status


def _asset(name: str) -> str:
    """The URL of a static file; it changes with the content, so browsers may keep it."""
    return url_for("admin.static", filename=name, v=_version(name))


@cache
def _version(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def _age(time: datetime) -> str:
    """`3 minutes ago`."""
    return format_timedelta(time - datetime.now(UTC), add_direction=True, locale=locale())


def _date(time: datetime) -> str:
    """`30 Nov 2026, 08:13:23 UTC`: nobody's time zone is known, so it says which it means."""
    return f"{format_datetime(time, 'medium', locale=regional_locale())} UTC"


def _day(day: date) -> str:
    """`Mon, 30 Nov`."""
    return format_date(day, "EEE, d MMM", locale=regional_locale())


def _percent(fraction: float) -> str:
    return format_percent(fraction, "#,##0.0 %", locale=locale())
