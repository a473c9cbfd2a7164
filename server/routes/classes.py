"""`/classes/<class>` and its relatives for system classes: create, read, update, delete, find."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cloud.operations import Change, Set
from server.objects.system_classes import BUILT_IN_COLUMNS
from server.parse.errors import INCORRECT_TYPE, ParseError
from server.parse.operations import read_changes
from server.parse.query import read_find, read_get
from server.routes.object_answers import ObjectAnswers
from server.routes.router import Call, Handler, ParseRouter
from server.services import Services

_SYSTEM_ROUTES = {
    "/roles": "_Role",
    "/sessions": "_Session",
    "/installations": "_Installation",
}


def add_routes(router: ParseRouter, services: Services) -> None:
    """Serve every class under /classes, and some of the system's under paths of their own."""
    handlers = ClassHandlers(services)
    add_class(router, "/classes/<class_name>", handlers)
    for path, class_name in _SYSTEM_ROUTES.items():
        add_class(router, path, handlers, class_name)


def add_class(
    router: ParseRouter, path: str, handlers: "ClassHandlers", class_name: str | None = None
) -> None:
    """Serve a class at a path; without a name the path's `class_name` says which."""

    def on(method: Callable[[Call, str], Any]) -> Handler:
        return lambda call: method(call, class_name or call.path["class_name"])

    router.add("GET", path, on(handlers.find))
    router.add("POST", path, on(handlers.create))
    router.add("GET", f"{path}/<object_id>", on(handlers.get))
    router.add("PUT", f"{path}/<object_id>", on(handlers.update))
    router.add("DELETE", f"{path}/<object_id>", on(handlers.delete))


class ClassHandlers:
    """What each route does for a class."""

    def __init__(self, services: Services) -> None:
        self._objects = services.objects
        self._answers = ObjectAnswers(services.settings)

    def find(self, call: Call, class_name: str) -> Any:
        """`GET /classes/<class>`."""
        request = read_find(call.params)
        if request.explain is not None:
            return {"results": self._objects.explain(call.caller, class_name, request)}
        found = self._objects.find(call.caller, class_name, request, call.context)
        return self._answers.found(call, found, class_name)

    def get(self, call: Call, class_name: str) -> Any:
        """`GET /classes/<class>/<id>`."""
        request = read_get(call.params)
        object_id = call.path["object_id"]
        found = self._objects.get(call.caller, class_name, object_id, request, call.context)
        answer = self._answers.one(call, found.documents[0], found.schema)
        is_self = class_name == "_User" and call.caller.user_id == object_id
        return {**answer, "sessionToken": call.caller.session_token} if is_self else answer

    def create(self, call: Call, class_name: str) -> Any:
        """`POST /classes/<class>`; a sign-up whose authData is known already is a login."""
        changes = _changes(call, class_name, creating=True)
        if class_name == "_User":
            known = self._objects.logins.log_in_with_auth_data(call.caller, changes, call.context)
            if known:
                return self._logged_in(call, *known)
        saved = self._objects.create(call.caller, class_name, changes, call.context)
        return self._answers.saved(call, saved, _operated_on(call.body))

    def update(self, call: Call, class_name: str) -> Any:
        """`PUT /classes/<class>/<id>`."""
        changes = _changes(call, class_name, creating=False)
        object_id = call.path["object_id"]
        saved = self._objects.update(call.caller, class_name, object_id, changes, call.context)
        return self._answers.saved(call, saved)

    def delete(self, call: Call, class_name: str) -> Any:
        """`DELETE /classes/<class>/<id>`."""
        self._objects.delete(call.caller, class_name, call.path["object_id"], call.context)
        return {}

    def _logged_in(self, call: Call, user: Mapping[str, Any], token: str) -> Any:
        schema = self._objects.user_schema()
        answer = self._answers.one(call, dict(user), schema)
        return {**answer, "sessionToken": token, "authDataResponse": {}}


def _changes(call: Call, class_name: str, *, creating: bool) -> dict[str, Change]:
    """Read the body; the times are the server's, but some SDKs send them along."""
    is_device = class_name == "_Installation"  # which may have a row already
    changes = read_changes(call.body, creating=creating, may_be_there=is_device)
    for name in ("createdAt", "updatedAt"):
        change = changes.pop(name, None)
        if isinstance(change, Set) and not isinstance(change.value, datetime):
            expected = f"expected {BUILT_IN_COLUMNS[name].kind} but got String"
            message = f"schema mismatch for {class_name}.{name}; {expected}"
            raise ParseError(INCORRECT_TYPE, message)
    return changes


def _operated_on(body: Mapping[str, Any]) -> frozenset[str]:
    """The columns whose value on creation is an operation's result."""
    return frozenset(
        name for name, value in body.items() if isinstance(value, dict) and "__op" in value
    )
