"""The pages that links in mails lead to: a form for a new password, an address that is verified.

Who has the link's token may; there are no cookies, so nothing that another site could ride on. No
scripts, nothing from elsewhere, and neither Referer nor cache to carry the token away.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Request, Response, abort, render_template, request
from werkzeug.exceptions import HTTPException

from admin.panel import MOST_FORM_BYTES
from cloud.errors import CloudError
from cloud.moderation.errors import StoreUnavailable
from server.objects.resets import InvalidLink
from server.routes.answers import logger
from server.services import Services

_TEMPLATES = Path(__file__).parent / "templates"


def _style_hash() -> str:
    """What the policy knows the pages' one style sheet by, which stands in them."""
    page = (_TEMPLATES / "account_page.html").read_text()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    text = style[1] if style else ""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_style_hash()}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Page = tuple[str, int]


def account_pages_blueprint(services: Services, mounts: list[str]) -> Blueprint:
    """Serve them below each mount, at Parse Server's paths."""
    blueprint = Blueprint("account_pages", __name__, template_folder="templates")
    pages = _Pages(services)

    def add(method: str, name: str, view: Callable[[], Page]) -> None:
        for mount in mounts:
            blueprint.add_url_rule(
                f"{mount}/apps/<app_id>/{name}",
                endpoint=f"{view.__name__}{mounts.index(mount)}",
                view_func=pages.of_this_app(view),
                methods=[method],
            )

    add("GET", "request_password_reset", pages.choose_password)
    add("POST", "request_password_reset", pages.set_password)
    add("GET", "verify_email", pages.verify_email)
    add("POST", "resend_verification_email", pages.resend_verification)

    @blueprint.after_request
    def harden(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @blueprint.errorhandler(StoreUnavailable)
    def come_back(error: StoreUnavailable) -> Page:
        logger.warning("a page of a mail's link cannot be made: %s", error)
        return _page("try_again", 503)

    @blueprint.errorhandler(HTTPException)
    def say_why(error: HTTPException) -> Page:
        return _page("invalid_link", error.code or 500)

    return blueprint


class _Pages:
    def __init__(self, services: Services) -> None:
        self._settings = services.settings
        self._resets = services.objects.resets
        self._verification = services.objects.verification

    def of_this_app(self, view: Callable[[], Page]) -> Callable[..., Page]:
        """Refuse another app's paths, what looks ahead without opening, and other sites' forms."""

        def guarded(app_id: str) -> Page:
            if app_id != self._settings.app_id:
                abort(404)
            if request.method == "HEAD":
                return "", 200
            if request.method == "POST" and _is_another_sites(request):
                abort(403)
            request.max_content_length = MOST_FORM_BYTES
            try:
                return view()
            except InvalidLink:
                return _page("invalid_link", 404)

        return guarded

    def choose_password(self) -> Page:
        token = request.args.get("token", "")
        self._resets.check(token)
        return self._form(token)

    def set_password(self) -> Page:
        token, password = (request.form.get(name, "") for name in ("token", "new_password"))
        self._resets.check(token)
        if not password:
            return self._form(token, "Choose a password.")
        if request.form.get("confirm_new_password", password) != password:
            return self._form(token, "The two passwords are not the same.")
        try:
            self._resets.set_password(token, password)
        except CloudError as error:  # the app's own rules, in its own words
            return self._form(token, str(error))
        return self._page("password_set")

    def verify_email(self) -> Page:
        token = request.args.get("token", "")
        if self._verification.verify(token):
            return self._page("email_verified")
        return self._page("verification_expired", 410, token=token)

    def resend_verification(self) -> Page:
        self._verification.request_by_link(request.form.get("token", ""))
        return self._page("verification_sent")

    def _form(self, token: str, problem: str = "") -> Page:
        status = 422 if problem else 200
        return self._page("choose_password", status, token=token, problem=problem)

    def _page(self, name: str, status: int = 200, **values: Any) -> Page:
        return _page(name, status, app_name=self._settings.app_name, **values)


def _is_another_sites(sent: Request) -> bool:
    """Whether a form was sent by another site's page; old browsers do not say."""
    return sent.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")


def _page(name: str, status: int, **values: Any) -> Page:
    return render_template("account_page.html", page=name, **values), status
