"""Create, update and delete objects, each in readable steps: authorise, triggers, store, answer."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from cloud.clock import utc_now
from cloud.errors import VALIDATION_ERROR
from cloud.operations import (
    Add,
    AddUnique,
    Change,
    Delete,
    Increment,
    Operation,
    Relate,
    Remove,
    Set,
    apply,
    same,
)
from cloud.values import File, Relation
from server.auth import Caller
from server.objects.access import (
    both,
    condition_to,
    condition_to_add,
    default_acl,
    own_rows,
    permits,
    protected_columns,
)
from server.objects.identity import new_object_id
from server.objects.save import ClassRules, Save, Saved
from server.objects.schemas import Schemas
from server.objects.system_classes import is_servers_own
from server.objects.triggers import Triggers
from server.parse.decode import decode_column
from server.parse.errors import (
    INCORRECT_TYPE,
    OPERATION_FORBIDDEN,
    ParseError,
    object_not_found,
)
from server.storage.port import (
    EVERYTHING,
    ClassSchema,
    Condition,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Join,
    Query,
)

_T = TypeVar("_T")

_NO_RULES = ClassRules()


class Saver:
    """Writes objects with the rights of a caller; thread-safe."""

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        triggers: Triggers,
        rules: Mapping[str, ClassRules],
    ) -> None:
        self._database, self._schemas = database, schemas
        self._triggers, self._rules = triggers, rules

    def create(
        self,
        caller: Caller,
        class_name: str,
        changes: Mapping[str, Change],
        context: Mapping[str, Any],
        *,
        from_cloud_code: bool = False,
    ) -> Saved:
        """Make a new object. Raises ParseError."""
        caller.require_write()
        schema = self._schemas.for_reading(caller, class_name)
        condition_to("create", caller, schema)
        self._refuse_record(class_name)
        save = Save(caller, schema, new_object_id(), dict(changes), dict(context))
        save.from_cloud_code = from_cloud_code
        self._prepare(save)
        document = self._new_document(save)
        self._rules_of(save).record(save)
        try:
            self._database.objects.insert(save.schema, document)
        except DuplicateObject as error:
            raise self._rules_of(save).duplicate(error) from error
        return self._finish(save, document)

    def update(
        self,
        caller: Caller,
        class_name: str,
        object_id: str,
        changes: Mapping[str, Change],
        context: Mapping[str, Any],
        *,
        from_cloud_code: bool = False,
        guard: Condition = EVERYTHING,
    ) -> Saved:
        """Change an object where the guard holds at the moment of the write.

        Raises ParseError 101 when it isn't there, not for this caller, or the guard doesn't hold.
        """
        caller.require_write()
        schema = self._schemas.for_reading(caller, class_name)
        where = self._writable(caller, schema, "update", object_id)
        self._refuse_record(class_name)
        original = self._original(schema, where)
        save = Save(caller, schema, object_id, dict(changes), dict(context), original)
        save.guard = guard
        save.from_cloud_code = from_cloud_code
        self._prepare(save)
        document = self._apply(save, where)
        return self._finish(save, document)

    def delete(
        self, caller: Caller, class_name: str, object_id: str, context: Mapping[str, Any]
    ) -> None:
        """Delete an object. Raises ParseError 101 as `update` does."""
        caller.require_write()
        schema = self._schemas.for_reading(caller, class_name)
        where = self._writable(caller, schema, "delete", object_id)
        self._refuse_record(class_name)
        original = self._original(schema, where)
        shared = dict(context)
        self._triggers.before_delete(caller, class_name, original, shared)
        rules = self._rules.get(class_name, _NO_RULES)
        rules.deleting(class_name, original)
        if not self._database.objects.delete(schema, where):
            raise object_not_found()
        rules.deleted(class_name, original)
        self._triggers.after_delete(caller, class_name, original, shared)

    def _refuse_record(self, class_name: str) -> None:
        """Keep the record of moderation from everybody's hands, the master key's and cloud code's:
        who could write a decision could say that one was made. Lists are written by their rules."""
        if is_servers_own(class_name) and class_name not in self._rules:
            message = f"{class_name} is a class of the server's own, which it alone writes."
            raise ParseError(OPERATION_FORBIDDEN, message)

    def _writable(
        self, caller: Caller, schema: ClassSchema, operation: str, object_id: str
    ) -> Condition:
        return both(
            Equals("objectId", object_id),
            condition_to(operation, caller, schema),
            own_rows(caller, schema),
            permits("write", caller),
        )

    def _original(self, schema: ClassSchema, where: Condition) -> Document:
        is_class = self._schemas.find(schema.class_name) is not None
        found = is_class and self._database.objects.find(schema, Query(where, limit=1))
        if not found:
            raise object_not_found()
        return found[0]

    def _prepare(self, save: Save) -> None:
        """From what the client asked for to what will be stored."""
        rules = self._rules_of(save)
        rules.check(save)
        asked = save.changes
        _apply_or_refuse(lambda: self._triggers.before_save(save))
        save.changed_by_trigger = _differing(asked, save.changes)
        _close_by_default(save)
        rules.finish(save)
        _keep_names_of_files(save)
        new = self._schemas.new_columns(save.class_name, save.changes)
        may_add = condition_to_add(new, save.caller, save.schema, creates=save.creates)
        save.guard = both(save.guard, may_add)
        save.schema = self._schemas.for_writing(save.caller, save.class_name, save.changes)
        _change_no_members(save)

    def _new_document(self, save: Save) -> Document:
        now = utc_now()
        document: Document = {"objectId": save.object_id, "createdAt": now, "updatedAt": now}
        _apply_or_refuse(lambda: apply(document, _operations(save)))
        for name, options in self._options(save).items():
            if name not in document and options.get("defaultValue") is not None:
                document[name] = decode_column(name, options["defaultValue"])
            if options.get("required") and document.get(name) in (None, ""):
                raise _required(name)
        return document

    def _apply(self, save: Save, where: Condition) -> Document:
        operations = {"updatedAt": Set(utc_now()), **_operations(save)}
        for name, options in self._options(save).items():
            if options.get("required") and operations.get(name) in _NOTHING:
                raise _required(name)
        self._rules_of(save).record(save)
        try:
            document = _apply_or_refuse(
                lambda: self._database.objects.update(
                    save.schema, both(where, save.guard), operations
                )
            )
        except DuplicateObject as error:
            raise self._rules_of(save).duplicate(error) from error
        if document is None:
            raise object_not_found()
        return document

    def _options(self, save: Save) -> dict[str, Mapping[str, Any]]:
        """The defaults and requirements that count."""
        ruled = self._rules_of(save).ruled_columns(save.class_name)
        return {name: each for name, each in save.schema.options.items() if name not in ruled}

    def _rules_of(self, save: Save) -> ClassRules:
        return self._rules.get(save.class_name, _NO_RULES)

    def _finish(self, save: Save, document: Document) -> Saved:
        """Relations, what a system class adds, and the triggers that come after."""
        self._relate(save)
        saved = Saved(save.schema, document, save.creates, _news(save, document))
        saved = self._rules_of(save).stored(save, saved)
        return self._triggers.after_save(save, saved)

    def _relate(self, save: Save) -> None:
        for key, change in save.changes.items():
            if not isinstance(change, Relate):
                continue
            join = Join(key, save.class_name)
            relations = self._database.relations
            if change.added:
                relations.add(join, save.object_id, [p.object_id for p in change.added])
            if change.removed:
                relations.remove(join, save.object_id, [p.object_id for p in change.removed])


def _close_by_default(save: Save) -> None:
    """Give a new object its class's ACL, unless it has one of its own."""
    acl = default_acl(save.caller, save.schema) if save.creates else None
    if acl is not None and "ACL" not in save.changes:
        save.changes["ACL"] = Set(acl)
        save.changed_by_trigger |= {"ACL"}  # which the client does not know of


def _keep_names_of_files(save: Save) -> None:
    """A File column is its name, where it lies is for us to say."""
    for name in save.changes:
        value = save.value(name)
        if isinstance(value, File):
            save.changes[name] = Set(File(value.name))


def _change_no_members(save: Save) -> None:
    """A relation that is sent as a value says what its column is, and nothing of its members."""
    for name in save.changes:
        if isinstance(save.value(name), Relation):
            save.changes[name] = Relate()


def _operations(save: Save) -> dict[str, Operation]:
    return {name: change for name, change in save.changes.items() if not isinstance(change, Relate)}


_NOTHING = (Delete(), Set(None), Set(""))


def _required(name: str) -> ParseError:
    return ParseError(VALIDATION_ERROR, f"{name} is required")


def _apply_or_refuse(step: Callable[[], _T]) -> _T:
    try:
        return step()
    except ValueError as error:  # what is stored is no array, or no number
        raise ParseError(INCORRECT_TYPE, str(error)) from error


def _news(save: Save, document: Document) -> dict[str, Any]:
    """What the client cannot know: results of operations, defaults, and what a trigger changed.

    A column that it may not see stays hidden: to increment by nothing would be to read.
    """
    operated_on = {
        path
        for path, change in save.changes.items()
        if isinstance(change, Increment | Add | AddUnique | Remove)
    }
    defaults: set[str] = set()
    if save.creates:
        defaults = save.schema.options.keys() & document.keys() - save.changes.keys()
    names = {path.partition(".")[0] for path in operated_on | save.changed_by_trigger | defaults}
    if not (save.class_name == "_User" and save.caller.user_id == save.object_id):
        names -= protected_columns(save.caller, save.schema)
    by_trigger = {path.partition(".")[0] for path in save.changed_by_trigger}
    told = names & (document.keys() | by_trigger)
    return {name: document.get(name, Delete()) for name in sorted(told)}


def _differing(asked: Mapping[str, Change], changes: Mapping[str, Change]) -> frozenset[str]:
    """The columns that the trigger changed; relations and passwords are not shown."""
    if changes is asked:
        return frozenset()
    names = asked.keys() | changes.keys()
    return frozenset(
        name
        for name in names
        if not _same_change(asked.get(name), changes.get(name))
        and not isinstance(changes.get(name, asked.get(name)), Relate)
        and name != "password"
    )


def _same_change(one: Change | None, other: Change | None) -> bool:
    if isinstance(one, Set) and isinstance(other, Set):
        return same(one.value, other.value)
    return one == other
