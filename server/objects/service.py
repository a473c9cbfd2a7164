"""Objects as the routes and cloud code use them: one door for every class."""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cloud.operations import Change
from server.auth import Caller
from server.objects import installations, roles, sessions, users
from server.objects.accounts import Accounts
from server.objects.aggregating import Aggregator
from server.objects.finding import Finder, Found
from server.objects.installations import Installations, Plan
from server.objects.logins import Logins
from server.objects.resets import PasswordResets
from server.objects.roles import RoleRules
from server.objects.save import ClassRules, Saved, SeveralRules, SpecialClass
from server.objects.saving import Saver
from server.objects.schema_edits import SchemaEditor
from server.objects.schemas import Schemas
from server.objects.sessions import SessionRules, Sessions
from server.objects.system_classes import SYSTEM_CLASSES, with_tokens
from server.objects.triggers import Triggers
from server.objects.user_rules import UserRules
from server.objects.users import Users, refuse_foreign
from server.objects.verification import EmailVerification, VerificationRules
from server.parse.errors import INCORRECT_TYPE, INVALID_SESSION_TOKEN, ParseError
from server.parse.operations import of_a_new_object
from server.parse.query import FindRequest
from server.storage.port import ClassSchema, ColumnConflict, Condition, Database

logger = logging.getLogger(__name__)

_NO_CONTEXT: Mapping[str, Any] = MappingProxyType({})


class ParseObjects:
    """Finds and writes the objects of every class with the rights of a caller; thread-safe.

    All methods raise ParseError for what the caller may not do or asked for in a wrong way, and
    StoreUnavailable.
    """

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        triggers: Triggers,
        *,
        session_length_s: int,
        accounts: Accounts,
        special: Sequence[SpecialClass] = (),
    ) -> None:
        self._database, self._schemas = database, schemas
        options, mails = accounts.options, accounts.mails
        self.sessions = Sessions(database, schemas, length_s=session_length_s)
        self.users = Users(database, schemas)
        self.logins = Logins(
            self.users, self.sessions, accounts.lockout, options, triggers.context_of
        )
        self.resets = PasswordResets(self.users, accounts, self._save_user)
        self.verification = EmailVerification(self.users, mails, options, self._save_user)
        self._finder = Finder(database, schemas, triggers.context_of)
        self._installations = Installations(database, schemas)
        self.aggregator = Aggregator(database, schemas, self._finder)
        user_rules = UserRules(database, self.users, self.sessions, options)
        session_rules = SessionRules(session_length_s)
        self._special = [
            SpecialClass(SYSTEM_CLASSES["_User"], users.INDEXES, user_rules),
            SpecialClass(SYSTEM_CLASSES["_User"], (), VerificationRules(mails, options)),
            SpecialClass(SYSTEM_CLASSES["_Role"], roles.INDEXES, RoleRules()),
            SpecialClass(SYSTEM_CLASSES["_Session"], sessions.INDEXES, session_rules),
            SpecialClass(SYSTEM_CLASSES["_Installation"], installations.INDEXES, ClassRules()),
            *special,
        ]
        rules = _rules_by_class(self._special)
        self._saver = Saver(database, schemas, triggers, rules)
        self.classes = SchemaEditor(database, schemas, self._special, rules)
        self._unfit: set[str] = set()
        self._prepared: set[str] = set()

    def find(
        self,
        caller: Caller,
        class_name: str,
        request: FindRequest,
        context: Mapping[str, Any] = _NO_CONTEXT,
    ) -> Found:
        """Find objects, and count them if asked to."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.find(caller, class_name, request, context)

    def explain(self, caller: Caller, class_name: str, request: FindRequest) -> Any:
        """Say how the database would find objects; for the master key."""
        return self._finder.explain(caller, class_name, request)

    def get(
        self,
        caller: Caller,
        class_name: str,
        object_id: str,
        request: FindRequest,
        context: Mapping[str, Any] = _NO_CONTEXT,
    ) -> Found:
        """Get one object; ParseError 101 when it isn't there or not for this caller."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.get(caller, class_name, object_id, request, context)

    def count(
        self,
        caller: Caller,
        class_name: str,
        where: Mapping[str, Any],
        context: Mapping[str, Any] = _NO_CONTEXT,
    ) -> int:
        """Count objects."""
        _require_login_for_sessions(caller, class_name)
        return self._finder.count(caller, class_name, where, context)

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
        self.check_fit(class_name)
        if class_name == "_Installation":
            plan = self._installations.plan(caller, changes)
            return self._save_installation(caller, plan, context, from_cloud_code=from_cloud_code)
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
        self.check_fit(class_name)
        if class_name == "_Installation":
            plan = self._installations.plan(caller, changes, object_id)
            return self._save_installation(caller, plan, context, from_cloud_code=from_cloud_code)
        return self._saver.update(
            caller, class_name, object_id, changes, context, from_cloud_code=from_cloud_code
        )

    def _save_installation(
        self, caller: Caller, plan: Plan, context: Mapping[str, Any], *, from_cloud_code: bool
    ) -> Saved:
        """Make or change the row of a device, whichever was asked for."""
        name, changes = "_Installation", plan.changes
        if plan.target is None:
            changes = of_a_new_object(changes)
            saved = self._saver.create(
                caller, name, changes, context, from_cloud_code=from_cloud_code
            )
        else:
            saved = self._saver.update(
                caller, name, plan.target, changes, context, from_cloud_code=from_cloud_code
            )
        self._installations.clean_up(plan)
        return saved

    def delete(
        self, caller: Caller, class_name: str, object_id: str, context: Mapping[str, Any]
    ) -> None:
        """Delete an object; ParseError 101 when it isn't there or not for this caller."""
        if class_name == "_User":
            refuse_foreign(caller, object_id, "Insufficient auth to delete user")
        _require_login_for_sessions(caller, class_name)
        self._saver.delete(caller, class_name, object_id, context)

    def _save_user(self, user_id: str, changes: Mapping[str, Change], guard: Condition) -> None:
        """See SaveUser."""
        self.prepare()
        self.check_fit("_User")
        master = Caller(master=True, ip="")
        self._saver.update(master, "_User", user_id, changes, {}, guard=guard)

    def user_schema(self) -> ClassSchema:
        """The schema of _User."""
        return self._schemas.find("_User") or ClassSchema("_User")

    def session_schema(self) -> ClassSchema:
        """The schema of _Session."""
        return self._schemas.find("_Session") or ClassSchema("_Session")

    def prepare(self) -> None:
        """Make the special classes and their indexes: once, and again when one was taken away.

        A class whose columns somebody made before, of other types, is not saved to from then on.
        """
        missing = [one for one in self._special if not self._is_prepared(one.schema.class_name)]
        for special in missing:
            class_name = special.schema.class_name
            try:
                schema = self._schemas.declare(special.schema)
            except ColumnConflict as conflict:
                logger.error("%s cannot be saved to, for a column's type: %s", class_name, conflict)
                self._unfit.add(class_name)
                continue
            for index in special.indexes:
                self._database.objects.ensure_index(with_tokens(schema), index)
            self._unfit.discard(class_name)
        self._prepared.update(special.schema.class_name for special in missing)

    def _is_prepared(self, class_name: str) -> bool:
        return class_name in self._prepared and self._schemas.is_stored(class_name)

    def check_fit(self, class_name: str) -> None:
        """Raise ParseError 111 if `prepare` found that the class has columns of other types."""
        if class_name in self._unfit:
            message = (
                f"{class_name} cannot be saved: a column has another type than this server needs; "
                "its log says which."
            )
            raise ParseError(INCORRECT_TYPE, message)


def _require_login_for_sessions(caller: Caller, class_name: str) -> None:
    if class_name == "_Session" and not caller.reads_all and caller.user_id is None:
        raise ParseError(INVALID_SESSION_TOKEN, "Invalid session token")


def _rules_by_class(special: Sequence[SpecialClass]) -> dict[str, ClassRules]:
    found: dict[str, list[ClassRules]] = {}
    for one in special:
        found.setdefault(one.schema.class_name, []).append(one.rules)
    return {name: r[0] if len(r) == 1 else SeveralRules(*r) for name, r in found.items()}
