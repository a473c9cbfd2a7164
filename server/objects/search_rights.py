"""What a caller may search and sort by: nothing that is hidden from her. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from server.auth import Caller
from server.objects.access import protected_columns
from server.parse.errors import OPERATION_FORBIDDEN, ParseError
from server.storage.port import All, ClassSchema, Condition, Either, FindsText, Neither


def hidden_columns(caller: Caller, schema: ClassSchema) -> frozenset[str]:
    """What she cannot read, her own row aside, and so must not search by."""
    hidden = protected_columns(caller, schema)
    if schema.class_name == "_User" and not caller.reads_all:
        hidden |= {"authData", "sessionToken"}
    elif caller.read_only and schema.class_name in ("_Session", "_User"):
        hidden |= {"sessionToken"}  # letter by letter it could be found out
    return hidden


def refuse_protected(
    caller: Caller, schema: ClassSchema, asked: Iterable[str], verb: str = "query"
) -> None:
    """Nobody learns by searching or sorting what they cannot read."""
    hidden = hidden_columns(caller, schema)
    for path in asked:
        name = path.partition(".")[0]
        if name in hidden:
            message = f"This user is not allowed to {verb} {path} on class {schema.class_name}"
            raise ParseError(OPERATION_FORBIDDEN, message)


def is_about_oneself(caller: Caller, schema: ClassSchema, where: Mapping[str, Any]) -> bool:
    """Whether only the user's own row can be found, of which nothing is hidden from him."""
    is_user = schema.class_name == "_User" and caller.user_id is not None
    return is_user and where.get("objectId") == caller.user_id


def with_hidden(condition: Condition, hidden: frozenset[str]) -> Condition:
    """Tell a text search what is hidden: its index may cover more than the column it names."""
    match condition:
        case All(parts):
            return replace(condition, parts=tuple(with_hidden(part, hidden) for part in parts))
        case FindsText():
            return replace(condition, hidden=hidden)
    return condition


def paths(condition: Condition) -> Iterator[str]:
    """Every path that a condition looks at."""
    match condition:
        case All(parts) | Either(parts) | Neither(parts):
            for part in parts:
                yield from paths(part)
        case _:
            path = getattr(condition, "path", None)
            if path is not None:
                yield path


def has_text_search(condition: Condition) -> bool:
    """Whether there is a $text in it."""
    if isinstance(condition, All):
        return any(map(has_text_search, condition.parts))
    return isinstance(condition, FindsText)
