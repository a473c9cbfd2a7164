"""Who is signed in, and what that opens. Every page is closed unless it is listed as open."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import abort
from flask_login import UserMixin, current_user

from admin.people import Moderator, PanelSession
from cloud.moderation.review import Reviewer

# What answers without a sign-in, and what does between the password and the rest of it.
OPEN_ENDPOINTS = frozenset({"admin.static", "admin.sign_in"})
HALF_WAY_ENDPOINTS = frozenset({"admin.second_factor", "admin.new_password", "admin.sign_out"})

Page = TypeVar("Page", bound=Callable[..., Any])


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login carries no types
    """Flask-Login's view of a session: `get_id` is the token that the cookie holds."""

    def __init__(self, token: str, session: PanelSession) -> None:
        self.token, self.session = token, session

    def get_id(self) -> str:
        return self.token


def current_session() -> PanelSession:
    """Return the session of this request; call it on pages that are not open only."""
    session: PanelSession = current_user.session
    return session


def current_moderator() -> Moderator:
    """Return who is signed in."""
    return current_session().moderator


def current_reviewer() -> Reviewer:
    """Return who is signed in, as the review desk knows her."""
    session = current_session()
    who = session.moderator
    return Reviewer(who.user_id, who.name, session.session_id, is_admin=who.is_admin)


def missing_step() -> str | None:
    """Return the endpoint of what a sign-in still needs, None once everything is open."""
    session = current_session()
    if session.needs_second_factor:
        return "admin.second_factor"
    return "admin.new_password" if session.needs_new_password else None


def admins_only(page: Page) -> Page:
    """Answer 403 to moderators who are no admins."""

    @wraps(page)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current_moderator().is_admin:
            abort(403)
        return page(*args, **kwargs)

    return guarded  # type: ignore[return-value]
