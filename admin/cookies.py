"""The cookie of the panel: where it goes, and what is in it."""

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import login_user

from admin.access import SignedIn
from admin.services import PanelServices


class PanelCookies(SecureCookieSessionInterface):
    """Flask's signed cookie, which browsers keep from HTTP where it came by HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether this request came by HTTPS, as far as a trusted proxy says."""
        return request.is_secure


def carry(services: PanelServices, token: str) -> None:
    """Have this browser carry a new session's token, and nothing of what was before."""
    panel_session = services.accounts.session(token)
    session.clear()
    if panel_session is not None:
        login_user(SignedIn(token, panel_session))
