"""Objects as the routes and cloud code use them: one door for every class."""

from collections.abc import Mapping
from typing import Any

from cloud.operations import Change, Set
from server.auth import Caller
from server.objects import roles, sessions, users
from server.objects.finding import Finder, Found
from server.objects.roles import RoleRules
from server.objects.saving import Saved, Saver
from server.objects.schemas import Schemas
from server.objects.sessions import SessionRules, Sessions
from server.objects.triggers import Triggers
from server.objects.users import Users, refuse_foreign
from server.parse.errors import INVALID_SESSION_TOKEN, ParseError
from server.parse.query import FindRequest
from server.storage.port import ClassSchema, Database

_INDEXES = {"_User": users.INDEXES, "_Role": roles.INDEXES, "_Session": sessions.INDEXES}


class ParseObjects:
    """Finds and writes the objects of every class with the rights of a caller; thread-safe.

    All methods raise ParseError for what the caller may not do or asked for in a wrong way, and
    StoreUnavailable.
    """

    def __init__(
        self, database: Database, schemas: Schemas, triggers: Triggers, *, session_length_s: int
    ) -> None:
        self._database, self._schemas = database, schemas
        self.sessions = Sessions(database, schemas, length_s=session_length_s)
        self.users = Users(database, schemas, self.sessions)
        self._finder = Finder(database, schemas)
        rules = {
            "_User": self.users,
            "_Role": RoleRules(),
            "_Session": SessionRules(session_length_s),
        }
        self._saver = Saver(database, schemas, triggers, rules)
        self._prepared = False

    def find(self, caller: Caller, class_name: str, request: FindRequest) -> Found:
        """Find objects, and count them if asked to."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.find(caller, class_name, request)

    def get(self, caller: Caller, class_name: str, object_id: str, request: FindRequest) -> Found:
        """Get one object; ParseError 101 when it isn't there or not for this caller."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.get(caller, class_name, object_id, request)

    def count(self, caller: Caller, class_name: str, where: Mapping[str, Any]) -> int:
        """Count objects."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.count(caller, class_name, where)

    def create(
        self,
        caller: Caller,
        class_name: str,
        changes: Mapping[str, Change],
        context: Mapping[str, Any],
        *,
        from_cloud_code: bool = False,
    ) -> Saved:
        """Make a new object."""
        self.prepare()
        return self._saver.create(
            caller, class_name, changes, context, from_cloud_code=from_cloud_code
        )

    def update(
        self,
        caller: Caller,
        class_name: str,
        object_id: str,
        changes: Mapping[str, Change],
        context: Mapping[str, Any],
        *,
        from_cloud_code: bool = False,
    ) -> Saved:
        """Change an object; ParseError 101 when it isn't there or not for this caller."""
        if class_name == "_User":
            asks_nobody = caller.user_id is None
            sentence = f"Cannot modify user {object_id}." if asks_nobody else "Insufficient auth."
            refuse_foreign(caller, object_id, sentence)
        self.prepare()
        return self._saver.update(
            caller, class_name, object_id, changes, context, from_cloud_code=from_cloud_code
        )

    def delete(
        self, caller: Caller, class_name: str, object_id: str, context: Mapping[str, Any]
    ) -> None:
        """Delete an object; ParseError 101 when it isn't there or not for this caller."""
        if class_name == "_User":
            refuse_foreign(caller, object_id, "Insufficient auth to delete user")
        _require_login_for_sessions(caller, class_name)
        self._saver.delete(caller, class_name, object_id, context)
        if class_name == "_User":
            self.sessions.end_all_of(object_id)

    def log_in_with_auth_data(
        self, caller: Caller, changes: Mapping[str, Change]
    ) -> tuple[Mapping[str, Any], str] | None:
        """Log in the user whom `authData` of a sign-up belongs to already, if there is one."""
        change = changes.get("authData")
        auth_data = change.value if isinstance(change, Set) else None
        if not isinstance(auth_data, dict):
            return None
        caller.require_write()
        users.check_auth_data(changes)
        user = self.users.with_auth_data(auth_data)
        if user is None or user.get("ACL") == {}:  # nobody, or locked out
            return None
        token = self.sessions.start(
            user["objectId"], caller.installation_id, action="login", provider="anonymous"
        )
        return user, token

    def user_schema(self) -> ClassSchema:
        """The schema of _User."""
        return self._schemas.find("_User") or ClassSchema("_User")

    def session_schema(self) -> ClassSchema:
        """The schema of _Session."""
        return self._schemas.find("_Session") or ClassSchema("_Session")

    def prepare(self) -> None:
        """Make the system classes and the indexes that keep names unique, once."""
        if self._prepared:
            return
        for class_name, indexes in _INDEXES.items():
            schema = self._schemas.ensure(class_name)
            for index in indexes:
                self._database.objects.ensure_index(schema, index)
        self._prepared = True


def _require_login_for_sessions(caller: Caller, class_name: str) -> None:
    if class_name == "_Session" and not caller.master and caller.user_id is None:
        raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")
