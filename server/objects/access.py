"""Who may do what: class-level permissions, object ACLs, columns that not everybody sees. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from cloud.values import Pointer
from server.auth import Caller
from server.parse.decode import decode_acl
from server.parse.errors import (
    OBJECT_NOT_FOUND,
    OPERATION_FORBIDDEN,
    ParseError,
)
from server.storage.port import (
    EVERYTHING,
    All,
    ClassSchema,
    ColumnType,
    Condition,
    Document,
    Either,
    Equals,
    Neither,
    Permits,
)

_MASTER_KEY_ONLY = {"_JobStatus", "_PushStatus", "_Hooks", "_GlobalConfig", "_JobSchedule"}
_MASTER_KEY_ONLY |= {"_Idempotency", "_GraphQLConfig", "_Audience", "_SCHEMA"}
_READS = ("find", "get", "count")
_POINTER_LISTS = {"find": "readUserFields", "get": "readUserFields", "count": "readUserFields"}

# What Parse Server hides unless told otherwise.
DEFAULT_PROTECTED: Mapping[str, Mapping[str, list[str]]] = {"_User": {"*": ["email"]}}


def condition_to(
    operation: str, caller: Caller, schema: ClassSchema, *, creates: bool = False
) -> Condition:
    """Check the class-level permissions for `find`, `get`, `count`, `create`, `update`, `delete`.

    Returns the condition that objects must fulfil beyond their ACLs, for classes that permit by a
    column that points to the user; where a login is required as well, both must hold. An object
    that is created, or `creates` when it is about `addField`, points to nobody yet: there such a
    column does not count. Raises ParseError 119, or 101 where only a login is missing.
    """
    if caller.master or (caller.maintenance and operation in _READS):
        return EVERYTHING
    _refuse_classes_of_the_server(operation, schema.class_name)
    if schema.permissions is None:
        return EVERYTHING
    allowed = schema.permissions.get(operation) or {}
    if any(allowed.get(principal) is True for principal in caller.principals):
        return EVERYTHING
    needs_login = allowed.get("requiresAuthentication") is True
    if needs_login and caller.user_id is None:
        message = "Permission denied, user needs to be authenticated."
        raise ParseError(OBJECT_NOT_FOUND, message)
    columns = _user_columns(schema.permissions, operation)
    if columns and not (creates or operation == "create"):
        return _points_to_user(caller, schema, columns)
    if needs_login:
        return EVERYTHING
    raise _denied(operation, schema)


def condition_to_add(
    new_columns: Iterable[str], caller: Caller, schema: ClassSchema, *, creates: bool
) -> Condition:
    """Check as `condition_to` does whether this caller may add columns, if any are new."""
    if not list(new_columns):
        return EVERYTHING
    return condition_to("addField", caller, schema, creates=creates)


def permits(right: str, caller: Caller) -> Condition:
    """The condition that an object's ACL grants "read" or "write"; the master key needs none."""
    needs_none = caller.reads_all if right == "read" else caller.master
    return EVERYTHING if needs_none else Permits(right, caller.principals)


def default_acl(caller: Caller, schema: ClassSchema) -> dict[str, dict[str, bool]] | None:
    """The ACL of a new object that comes without one; None leaves it open.

    Parse Server 8 and later keep it among a class's permissions, where `currentUser` is whoever
    makes the object. Raises ParseError 111 for one that cannot be read: no object shall be open
    by mistake.
    """
    stored = (schema.permissions or {}).get("ACL")
    if stored is None or stored == {"*": {"read": True, "write": True}}:
        return None
    acl = decode_acl(stored)
    own = acl.pop("currentUser", None)
    if own is not None and caller.user_id is not None:
        acl[caller.user_id] = own
    return acl


def own_rows(caller: Caller, schema: ClassSchema) -> Condition:
    """The condition that keeps each user to the own rows of _Session."""
    if caller.reads_all or schema.class_name != "_Session":
        return EVERYTHING
    return Equals("user", Pointer("_User", caller.user_id or ""))


def protected_columns(caller: Caller, schema: ClassSchema) -> frozenset[str]:
    """The columns that this caller neither sees nor searches by, the user's own row aside.

    Sets that apply to the caller are intersected: a more special entry can only show more. Entries
    by a pointing column (`userField:`) show more of the objects that point to him, as `visible`
    has it, and let him search by nothing more.
    """
    by_principal = {} if caller.reads_all else _protected_by_principal(schema)
    if not by_principal:
        return frozenset()
    principals = [*caller.principals, *(["authenticated"] if caller.user_id else [])]
    sets = [by_principal[name] for name in principals if name in by_principal]
    return frozenset(set.intersection(*sets)) if sets else frozenset()


def visible(caller: Caller, schema: ClassSchema, document: Document) -> Document:
    """The document without what this caller may not see.

    Who reads with the read-only or the maintenance key gets no tokens: with one he could write as
    its user.
    """
    reads_only = caller.read_only or caller.maintenance
    if schema.class_name == "_Session" and reads_only:
        return {name: value for name, value in document.items() if name != "sessionToken"}
    if schema.class_name == "_User":
        document = {name: value for name, value in document.items() if name != "sessionToken"}
        if document.get("authData") == {}:  # as where MongoDB keeps each provider on its own
            del document["authData"]
        if caller.reads_all or caller.user_id == document["objectId"]:
            return document
        document.pop("authData", None)
    hidden = _protected_in(caller, schema, document)
    if not hidden:
        return document
    return {name: value for name, value in document.items() if name not in hidden}


def columns_to_judge_by(schema: ClassSchema) -> frozenset[str]:
    """The columns that `visible` has to see of a document, whoever asks for it."""
    by_principal = _protected_by_principal(schema)
    return frozenset(
        name.removeprefix(_USER_FIELD) for name in by_principal if name.startswith(_USER_FIELD)
    )


def _protected_in(caller: Caller, schema: ClassSchema, document: Document) -> frozenset[str]:
    hidden = protected_columns(caller, schema)
    if hidden and caller.user_id is not None:
        me = Pointer("_User", caller.user_id)
        by_principal = _protected_by_principal(schema)
        for column in columns_to_judge_by(schema):
            value = document.get(column)
            if me in (value if isinstance(value, list) else [value]):
                hidden &= by_principal[_USER_FIELD + column]
    return hidden


_USER_FIELD = "userField:"


def _protected_by_principal(schema: ClassSchema) -> dict[str, set[str]]:
    """What is stored adds to the default, as in Parse Server, and never takes from it."""
    default = DEFAULT_PROTECTED.get(schema.class_name, {})
    stored = (schema.permissions or {}).get("protectedFields") or {}
    return {
        principal: {*default.get(principal, ()), *stored.get(principal, ())}
        for principal in {*default, *stored}
    }


def _denied(operation: str, schema: ClassSchema) -> ParseError:
    message = f"Permission denied for action {operation} on class {schema.class_name}."
    return ParseError(OPERATION_FORBIDDEN, message)


def _refuse_classes_of_the_server(operation: str, class_name: str) -> None:
    hidden = class_name in _MASTER_KEY_ONLY or class_name.startswith("_Join:")
    if hidden or (class_name == "_Installation" and operation in ("find", "count", "delete")):
        what = "installation" if class_name == "_Installation" else class_name
        asked = "find" if operation == "count" else operation
        message = (
            f"Clients aren't allowed to perform the {asked} operation on the {what} collection."
        )
        raise ParseError(OPERATION_FORBIDDEN, message)


def _user_columns(permissions: Mapping[str, Any], operation: str) -> list[str]:
    listed = permissions.get(_POINTER_LISTS.get(operation, "writeUserFields")) or []
    return [*listed, *((permissions.get(operation) or {}).get("pointerFields") or [])]


def _points_to_user(caller: Caller, schema: ClassSchema, columns: list[str]) -> Condition:
    me = Pointer("_User", caller.user_id or "")
    usable = [name for name in columns if schema.columns.get(name) in _MAY_POINT]
    if caller.user_id is None or not usable:
        return Neither((EVERYTHING,))
    return Either(tuple(Equals(name, me) for name in usable))


_MAY_POINT = (ColumnType("Pointer", "_User"), ColumnType("Array"), ColumnType("Object"))


def both(*conditions: Condition) -> Condition:
    """All of the conditions, without the parts that always hold."""
    parts = tuple(part for part in conditions if part != EVERYTHING)
    return parts[0] if len(parts) == 1 else All(parts)
