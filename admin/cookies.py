"""The cookies of the panel: where they go, and what is in them."""

import secrets
from datetime import timedelta

from flask import Flask, Response, after_this_request, current_app, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import login_user
from itsdangerous import BadData, URLSafeTimedSerializer

from admin.access import SignedIn
from admin.people import KnownDevice
from admin.services import PanelServices

_KNOWN_DEVICE = "parsewarden_device"
_KNOWN_FOR = timedelta(days=365)


class PanelCookies(SecureCookieSessionInterface):
    """Flask's signed cookie, which browsers keep from HTTP where it came by HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether this request came by HTTPS, as far as a trusted proxy says."""
        return request.is_secure


def carry(services: PanelServices, token: str) -> None:
    """Have this browser carry a new session's token, and nothing of what was before."""
    panel_session = services.accounts.session(token)
    session.clear()
    if panel_session is None:
        return
    login_user(SignedIn(token, panel_session))
    # Not half-way: with a device for each right password all codes could be tried.
    if not (panel_session.needs_second_factor or panel_session.needs_new_password):
        _remember_device(panel_session.moderator.user_id)


def known_device() -> KnownDevice | None:
    """Return whose device this browser is known as, if it is."""
    try:
        held = _signer().loads(
            request.cookies.get(_KNOWN_DEVICE, ""), max_age=int(_KNOWN_FOR.total_seconds())
        )
    except BadData:
        return None
    return KnownDevice(*held)


def _remember_device(user_id: str) -> None:
    """Have this browser be known as a user's from now on; it outlasts the session."""
    known = known_device()
    is_same = known is not None and known.user_id == user_id
    device_id = known.device_id if known is not None and is_same else secrets.token_hex(16)

    @after_this_request
    def add_cookie(answer: Response) -> Response:
        answer.set_cookie(
            _KNOWN_DEVICE,
            _signer().dumps([user_id, device_id]),
            max_age=_KNOWN_FOR,
            path="/admin",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return answer


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or b"", salt="parsewarden device")
