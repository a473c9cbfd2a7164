"""`/users`, `/login`, `/logout`, their relatives, and the session of the caller."""

from collections.abc import Mapping
from typing import Any

from server.objects.login_triggers import LoginTriggers
from server.objects.service import ParseObjects
from server.parse.errors import (
    INVALID_SESSION_TOKEN,
    OBJECT_NOT_FOUND,
    OTHER_CAUSE,
    ParseError,
)
from server.routes.classes import ClassHandlers, add_class
from server.routes.object_answers import ObjectAnswers
from server.routes.router import Call, ParseRouter
from server.services import Services
from server.storage.port import Document


def add_routes(router: ParseRouter, services: Services) -> None:
    """Serve users and their logins."""
    handlers = _LoginHandlers(services)
    router.add("GET", "/users/me", handlers.me)
    add_class(router, "/users", ClassHandlers(services), "_User")
    for method in ("GET", "POST"):
        router.add(method, "/login", handlers.log_in)
        router.add(method, "/verifyPassword", handlers.verify_password)
    router.add("POST", "/loginAs", handlers.log_in_as)
    router.add("POST", "/logout", handlers.log_out)
    router.add("POST", "/challenge", handlers.challenge)
    router.add("POST", "/requestPasswordReset", handlers.request_password_reset)
    router.add("POST", "/verificationEmailRequest", handlers.request_verification)
    router.add("GET", "/sessions/me", handlers.my_session)
    router.add("POST", "/upgradeToRevocableSession", handlers.upgrade_session)


class _LoginHandlers:
    """What each route does around logins."""

    def __init__(self, services: Services) -> None:
        self._objects: ParseObjects = services.objects
        self._context_of = services.context_of
        self._answers = ObjectAnswers(services.settings)

    def me(self, call: Call) -> Any:
        token = call.caller.session_token
        if token is None:
            raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")
        # The master key has no user.
        user = call.caller.user or self._objects.sessions.user_of(token)
        answer = self._logged_in(call, user, token)
        return {**answer, "__type": "Object", "className": "_User"}

    def log_in(self, call: Call) -> Any:
        user, token = self._objects.logins.log_in(call.caller, call.params, call.context)
        return self._logged_in(call, user, token)

    def log_in_as(self, call: Call) -> Any:
        user, token = self._objects.logins.log_in_as(call.caller, call.params.get("userId"))
        return self._logged_in(call, user, token)

    def verify_password(self, call: Call) -> Any:
        return self._user(call, self._objects.logins.with_password(call.caller, call.params))

    def log_out(self, call: Call) -> Any:
        self._objects.logins.log_out(call.caller, call.context)
        return {}

    def challenge(self, call: Call) -> Any:
        """There is no auth provider with a challenge, so none is answered, as in Parse Server."""
        params = call.params
        is_named = bool(params.get("username") or params.get("email"))
        if is_named:
            if not params.get("password"):
                raise _challenge_error(
                    "You provided username or email, you need to also provide password."
                )
            self._objects.logins.with_password(call.caller, params)
        if not params.get("challengeData"):
            raise _challenge_error("Nothing to challenge.")
        if not isinstance(params["challengeData"], Mapping):
            raise _challenge_error("challengeData should be an object.")
        if params.get("authData"):
            self._check_challenged(params["authData"], is_named=is_named)
        return {"challengeData": {}}

    def _check_challenged(self, auth_data: Any, *, is_named: bool) -> None:
        if not isinstance(auth_data, Mapping):
            raise _challenge_error("authData should be an object.")
        if is_named:
            raise _challenge_error(
                "You cannot provide username/email and authData, "
                "only use one identification method."
            )
        if self._objects.logins.known_by(auth_data) is None:
            raise ParseError(OBJECT_NOT_FOUND, "User not found.")

    def request_password_reset(self, call: Call) -> Any:
        triggers = LoginTriggers(self._context_of, call.caller, call.context)
        before = triggers.before_password_reset_request
        self._objects.resets.request(call.params.get("email"), before)
        return {}

    def request_verification(self, call: Call) -> Any:
        self._objects.verification.request(call.params.get("email"))
        return {}

    def my_session(self, call: Call) -> Any:
        if call.caller.session_token is None:
            raise ParseError(INVALID_SESSION_TOKEN, "Session token required.")
        return self._session(call, self._objects.sessions.find(call.caller.session_token))

    def upgrade_session(self, call: Call) -> Any:
        return self._session(call, self._objects.logins.upgrade(call.caller))

    def _session(self, call: Call, session: Document) -> dict[str, Any]:
        return self._answers.one(call, session, self._objects.session_schema())

    def _user(self, call: Call, user: Document) -> dict[str, Any]:
        return self._answers.one(call, user, self._objects.user_schema())

    def _logged_in(self, call: Call, user: Document, token: str) -> dict[str, Any]:
        return {**self._user(call, user), "sessionToken": token}


def _challenge_error(message: str) -> ParseError:
    return ParseError(OTHER_CAUSE, message)
