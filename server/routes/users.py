"""`/users`, `/login`, `/logout` and the session of the caller."""

from typing import Any

from server.parse.errors import INVALID_SESSION_TOKEN, ParseError
from server.routes.classes import ClassHandlers, add_class
from server.routes.object_answers import ObjectAnswers
from server.routes.router import Call, ParseRouter
from server.services import Services


def add_routes(router: ParseRouter, services: Services) -> None:
    """Serve users and their logins."""
    objects, answers = services.objects, ObjectAnswers(services.settings)

    def user_answer(call: Call, user: dict[str, Any], token: str) -> dict[str, Any]:
        return {**answers.one(call, user, objects.user_schema()), "sessionToken": token}

    def me(call: Call) -> Any:
        token = call.caller.session_token
        if token is None:
            raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")
        user = call.caller.user or objects.sessions.user_of(token)  # the master key has none
        answer = user_answer(call, user, token)
        return {**answer, "__type": "Object", "className": "_User"}

    def log_in(call: Call) -> Any:
        user, token = objects.users.log_in(call.caller, call.params)
        return user_answer(call, user, token)

    def log_out(call: Call) -> Any:
        if call.caller.session_token is not None:
            objects.sessions.end(call.caller.session_token)
        return {}

    def my_session(call: Call) -> Any:
        if call.caller.session_token is None:
            raise ParseError(INVALID_SESSION_TOKEN, "Session token required.")
        session = objects.sessions.find(call.caller.session_token)
        return answers.one(call, session, objects.session_schema())

    router.add("GET", "/users/me", me)
    add_class(router, "/users", ClassHandlers(services), "_User")
    router.add("GET", "/login", log_in)
    router.add("POST", "/login", log_in)
    router.add("POST", "/logout", log_out)
    router.add("GET", "/sessions/me", my_session)
