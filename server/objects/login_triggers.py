"""Run an app's triggers around logins and logouts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloud.code import TriggerKind, cloud
from cloud.objects import ParseObject
from cloud.running import run_login_trigger
from server.auth import Caller
from server.objects.triggers import ContextOf
from server.storage.port import Document


class LoginTriggers:
    """The triggers of one login or logout; `shared` is the context that the client sent along.

    Every method raises CloudError where the trigger refuses.
    """

    def __init__(self, context_of: ContextOf, caller: Caller, shared: Mapping[str, Any]) -> None:
        self._context_of, self._caller, self._shared = context_of, caller, dict(shared)

    def before_login(self, user: Document) -> None:
        """Ask about a user who has proved who she is and has no session yet."""
        self._run(TriggerKind.BEFORE_LOGIN, self._caller, "_User", user)

    def after_login(self, user: Document, token: str) -> None:
        """Tell of a login; the user is the caller now."""
        caller = replace(self._caller, user=user, session_token=token)
        self._run(TriggerKind.AFTER_LOGIN, caller, "_User", {**user, "sessionToken": token})

    def after_logout(self, session: Document) -> None:
        """Tell of a session that has ended."""
        self._run(TriggerKind.AFTER_LOGOUT, self._caller, "_Session", session)

    def before_password_reset_request(self, user: Document) -> None:
        """Ask about a user who is to be sent a mail."""
        kind = TriggerKind.BEFORE_PASSWORD_RESET_REQUEST
        self._run(kind, self._caller, "_User", user)

    def _run(self, kind: TriggerKind, caller: Caller, class_name: str, document: Document) -> None:
        if cloud.trigger(kind, class_name) is not None:
            context = self._context_of(caller, self._shared)
            run_login_trigger(kind, context, ParseObject(class_name, document, {}))
