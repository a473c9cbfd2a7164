"""The body of a write to changes: which columns, and what is to happen to each.

Knows neither the class nor the caller: whether a change fits the schema or is permitted is for
others to say.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

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
)
from cloud.values import Pointer
from server.parse.decode import decode_column, refuse_prohibited_keywords
from server.parse.encode import to_json
from server.parse.errors import (
    COMMAND_UNAVAILABLE,
    INCORRECT_TYPE,
    INVALID_JSON,
    INVALID_KEY_NAME,
    ParseError,
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MAX_PATH_STEPS = 20
_NOT_NAMES = ("length", "className")
_SYSTEM_CLASS_NAMES = frozenset(
    [
        "_User", "_Installation", "_Role", "_Session", "_Product", "_PushStatus", "_JobStatus",
        "_JobSchedule", "_Audience", "_Idempotency",
    ]
)  # fmt: skip


def check_class_name(name: str) -> None:
    """Raise ParseError 107 unless a class may be called this.

    `_Join:...` is refused as well: a relation's members are no class of ours, and who could write
    them there would give himself roles.
    """
    if not is_class_name(name):
        raise ParseError(INVALID_JSON, "schema class name does not revalidate")


def is_class_name(name: str) -> bool:
    """Whether a class may be called this."""
    return name in _SYSTEM_CLASS_NAMES or is_column_name(name)


def check_column_name(name: str) -> None:
    """Raise ParseError 105 unless a column may be called this."""
    if not is_column_name(name):
        raise _bad_name(name)


def read_changes(
    body: Mapping[str, Any], *, creating: bool, may_be_there: bool = False
) -> dict[str, Change]:
    """Read the body of a create or update, column by column, dotted paths included.

    A new object has nothing to operate on, so there operations become the values they lead to;
    only Relate stays. Where what is created `may_be_there` already, as an installation may, all
    operations stay, see `of_a_new_object`. `createdAt` and `updatedAt` come through as Set for the
    caller to judge. On update `objectId` is dropped, because SDKs send the object's own. Raises
    ParseError.
    """
    refuse_prohibited_keywords(body)
    changes: dict[str, Change] = {}
    for path, value in body.items():
        _check_path(path, creating)
        if path == "objectId" or (path == "ACL" and value is None):
            continue
        changes[path] = _change(path, value, creating)
    _refuse_overlaps(changes)
    return of_a_new_object(changes) if creating and not may_be_there else changes


def of_a_new_object(changes: Mapping[str, Change]) -> dict[str, Change]:
    """What the changes make of an object that has nothing yet: values and relations."""
    results = {path: _on_nothing(change) for path, change in changes.items()}
    return {path: result for path, result in results.items() if result is not None}


def is_column_name(name: str) -> bool:
    """Whether a column may be called this."""
    return _NAME.fullmatch(name) is not None and name not in _NOT_NAMES


def _bad_name(name: str) -> ParseError:
    return ParseError(INVALID_KEY_NAME, f"Invalid field name: {name}.")


def _check_path(path: str, creating: bool) -> None:
    if path == "id" or (path == "objectId" and creating):
        raise ParseError(INVALID_KEY_NAME, f"{path} is an invalid field name.")
    column, *members = path.split(".")
    check_column_name(column)
    if members and (
        creating
        or column in ("objectId", "createdAt", "updatedAt", "ACL")
        or len(members) >= _MAX_PATH_STEPS
        or not all(map(_is_member, members))
    ):
        raise _bad_name(path)


def _is_member(name: str) -> bool:
    """Whether an object may have such a member; `$` would be one of MongoDB's operators."""
    return name not in ("", "constructor", "__proto__") and "$" not in name and "\0" not in name


def _refuse_overlaps(changes: Mapping[str, Change]) -> None:
    """A path and a part of it cannot be changed in one step."""
    for path in changes:
        steps = path.split(".")
        for length in range(1, len(steps)):
            if (parent := ".".join(steps[:length])) in changes:
                message = f"{path} cannot be changed together with {parent}."
                raise ParseError(INVALID_KEY_NAME, message)


def _change(path: str, value: Any, creating: bool) -> Change:
    if not isinstance(value, Mapping) or "__op" not in value or path == "ACL":
        return Set(_value(path, value))
    if path in ("createdAt", "updatedAt"):
        raise _bad_name(path)
    name = value["__op"]
    if name in ("AddRelation", "RemoveRelation", "Batch") and "." not in path:
        return _relate(value)
    if name == "SetOnInsert" and creating:
        return Set(decode_column(path, value.get("amount")))
    if isinstance(name, str) and name in _OPERATIONS:
        return _OPERATIONS[name](value)
    raise _unsupported(name)


def _value(path: str, value: Any) -> Any:
    """Decode; but in a dotted path Parse Server keeps a Date and Bytes as JSON, and so do we."""
    decoded = decode_column(path, value)
    is_raw = "." in path and isinstance(decoded, datetime | bytes)
    return json.loads(to_json(decoded)) if is_raw else decoded


def _unsupported(name: Any) -> ParseError:
    return ParseError(COMMAND_UNAVAILABLE, f"The {name} operator is not supported yet.")


def _increment(operation: Mapping[str, Any]) -> Increment:
    amount = operation.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise ParseError(INVALID_JSON, "incrementing must provide a number")
    return Increment(amount)


def _objects(operation: Mapping[str, Any], verb: str = "add") -> tuple[Any, ...]:
    objects = operation.get("objects")
    if not isinstance(objects, list | tuple):
        raise ParseError(INVALID_JSON, f"objects to {verb} must be an array")
    return tuple(decode_column("objects", objects))


_OPERATIONS: Mapping[str, Callable[[Mapping[str, Any]], Operation]] = {
    "Delete": lambda _: Delete(),
    "Increment": _increment,
    "Add": lambda operation: Add(_objects(operation)),
    "AddUnique": lambda operation: AddUnique(_objects(operation)),
    "Remove": lambda operation: Remove(_objects(operation, "remove")),
}


def _relate(operation: Mapping[str, Any]) -> Relate:
    """Join what one or several operations do to a relation; of two on one object the last holds."""
    steps = operation.get("ops") if operation["__op"] == "Batch" else [operation]
    if not isinstance(steps, list):
        raise ParseError(INVALID_JSON, "ops of a Batch must be an array")
    outcome: dict[Pointer, bool] = {}
    for step in steps:
        outcome |= _relation_step(step)
    if len({pointer.class_name for pointer in outcome}) > 1:
        raise ParseError(INCORRECT_TYPE, "A relation's objects must be of one class.")
    return Relate(
        added=tuple(pointer for pointer, is_added in outcome.items() if is_added),
        removed=tuple(pointer for pointer, is_added in outcome.items() if not is_added),
    )


def _relation_step(step: Any) -> dict[Pointer, bool]:
    name = step.get("__op") if isinstance(step, Mapping) else None
    if name not in ("AddRelation", "RemoveRelation"):
        raise _unsupported("Batch")
    is_added = name == "AddRelation"
    pointers = _objects(step, "add" if is_added else "remove")
    if not all(isinstance(pointer, Pointer) for pointer in pointers):
        raise ParseError(INCORRECT_TYPE, "This is not a valid Pointer")
    return dict.fromkeys(pointers, is_added)


def _on_nothing(change: Change) -> Set | Relate | None:
    """What a change makes of a column that is not there yet; None if nothing."""
    match change:
        case Increment(amount):
            return Set(amount)
        case Add(values):
            return Set(list(values))
        case AddUnique(values):
            return Set(_unique(values))
        case Remove():
            return Set([])
        case Delete():
            return None
    return change


def _unique(values: tuple[Any, ...]) -> list[Any]:
    """Keep the first of equal values; by their JSON, as comparing all with all takes minutes."""
    first: dict[str, Any] = {}
    for value in values:
        first.setdefault(to_json(value), value)
    return list(first.values())
