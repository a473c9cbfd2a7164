"""What a client may ask to become of a class's schema. Pure.

Rules and sentences are those of Parse Server 7's SchemaController.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.objects.schemas import check_room
from server.objects.system_classes import BUILT_IN_COLUMNS, SYSTEM_CLASSES
from server.objects.value_types import check_type, in_words, type_of
from server.parse.decode import decode_column
from server.parse.errors import (
    FIELD_CANNOT_BE_CHANGED,
    INCORRECT_TYPE,
    INVALID_CLASS_NAME,
    INVALID_JSON,
    INVALID_KEY_NAME,
    INVALID_QUERY,
    INVALID_SCHEMA_OPERATION,
    MISSING_NAME,
    ParseError,
)
from server.parse.operations import is_class_name, is_column_name
from server.storage.port import ClassSchema, ColumnType, IndexKeys

_KINDS = frozenset(
    [
        "Number", "String", "Boolean", "Date", "Object", "Array", "GeoPoint", "File", "Bytes",
        "Polygon",
    ]
)  # fmt: skip
_INDEX_KINDS = (1, -1, "text", "2d", "2dsphere", "hashed")
_INDEX_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAX_INDEXES = 50  # MongoDB has 64 in a class, and some of them are ours
_NOT_INDEXED = ("ACL", "Relation")
_ID_INDEX: Mapping[str, IndexKeys] = {"_id_": {"_id": 1}}


@dataclass(slots=True)
class ColumnEdits:
    """What is to become of columns; `options` are those of every column that was named."""

    added: dict[str, ColumnType] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    options: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class IndexEdits:
    """Which indexes are new, which go, and which a class has then, by name."""

    added: dict[str, IndexKeys] = field(default_factory=dict)
    deleted: dict[str, IndexKeys] = field(default_factory=dict)
    all: dict[str, IndexKeys] = field(default_factory=dict)


def invalid_class_name(name: str) -> ParseError:
    """The answer to a name that no class can have."""
    sentence = "classnames can only have alphanumeric characters and _, and must start with an"
    message = f"Invalid classname: {name}, {sentence} alpha character "
    return ParseError(INVALID_CLASS_NAME, message)


def class_exists(name: str) -> ParseError:
    """The answer to making a class that is there."""
    return ParseError(INVALID_CLASS_NAME, f"Class {name} already exists.")


def no_such_class(name: str) -> ParseError:
    """The answer to asking for a class that is not there."""
    return ParseError(INVALID_CLASS_NAME, f"Class {name} does not exist.")


# --- columns ------------------------------------------------------------------------------------


def read_columns(
    asked: Any, schema: ClassSchema, *, kept: Mapping[str, ColumnType], creating: bool = False
) -> ColumnEdits:
    """Read `fields`: types to add, `{"__op": "Delete"}`, options.

    Columns that are `kept` are neither deleted nor added. A new class does not have the built-in
    ones yet. Raises ParseError 255, 136, 135, 111, 107, 105, 103.
    """
    fields = _object(asked)
    existing = {**({} if creating else BUILT_IN_COLUMNS), **schema.columns}
    for name, spec in fields.items():
        is_deleted = _object(spec).get("__op") == "Delete"
        if name not in existing and is_deleted:
            raise _schema_error(f"Field {name} does not exist, cannot delete.")
        if name in existing and not is_deleted and existing[name].kind != spec.get("type"):
            raise _schema_error(f"Field {name} exists, cannot update.")
    edits = ColumnEdits()
    for name, spec in fields.items():
        if spec.get("__op") == "Delete":
            _check_not_kept(name, kept, "changed")
            edits.deleted.append(name)
        elif name not in existing or name not in BUILT_IN_COLUMNS:
            _read_column(name, spec, schema, kept, edits)
    _check_geo_points({**schema.columns, **edits.added}, edits.deleted)
    check_room(schema, edits.added)
    return edits


def _read_column(
    name: str,
    spec: Mapping[str, Any],
    schema: ClassSchema,
    kept: Mapping[str, ColumnType],
    edits: ColumnEdits,
) -> None:
    if name not in schema.columns:
        _check_not_kept(name, kept, "added")
    column = _column_type(spec)
    if name in schema.columns:
        check_type(schema, name, column)
    else:
        edits.added[name] = column
    edits.options[name] = _options(f"{schema.class_name}.{name}", column, spec)


def _check_not_kept(name: str, kept: Mapping[str, ColumnType], verb: str) -> None:
    if not is_column_name(name):
        raise ParseError(INVALID_KEY_NAME, f"invalid field name: {name}")
    if name in kept:
        raise ParseError(FIELD_CANNOT_BE_CHANGED, f"field {name} cannot be {verb}")


def _column_type(spec: Mapping[str, Any]) -> ColumnType:
    kind, target = spec.get("type"), spec.get("targetClass")
    if kind in ("Pointer", "Relation"):
        if not target:
            raise ParseError(MISSING_NAME, f"type {kind} needs a class name")
        if not isinstance(target, str):
            raise _invalid_json()
        if not is_class_name(target):
            raise invalid_class_name(target)
        return ColumnType(kind, target)
    if not isinstance(kind, str):
        raise _invalid_json()
    if kind not in _KINDS:
        raise ParseError(INCORRECT_TYPE, f"invalid field type: {kind}")
    return ColumnType(kind)


def _options(place: str, column: ColumnType, spec: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    default = spec.get("defaultValue")
    if default is not None:
        _check_default(place, column, default)
        options["defaultValue"] = default
    if spec.get("required"):
        if column.kind == "Relation":
            raise _not_applicable("required", column)
        options["required"] = True
    return options


def _check_default(place: str, column: ColumnType, default: Any) -> None:
    if column.kind == "Relation":
        raise _not_applicable("default value", column)
    given = type_of(decode_column("defaultValue", default))
    if given is not None and given != column:
        expected = f"expected {in_words(column)} but got {in_words(given)}"
        message = f"schema mismatch for {place} default value; {expected}"
        raise ParseError(INCORRECT_TYPE, message)


def _not_applicable(option: str, column: ColumnType) -> ParseError:
    message = f"The '{option}' option is not applicable for {in_words(column)}"
    return ParseError(INCORRECT_TYPE, message)


def _check_geo_points(columns: Mapping[str, ColumnType], deleted: Sequence[str]) -> None:
    names = [n for n, c in columns.items() if c.kind == "GeoPoint" and n not in deleted]
    if len(names) > 1:
        message = (
            "currently, only one GeoPoint field may exist in an object. "
            f"Adding {names[1]} when {names[0]} already exists."
        )
        raise ParseError(INCORRECT_TYPE, message)


# --- class-level permissions --------------------------------------------------------------------

_OPERATIONS = ("find", "count", "get", "create", "update", "delete", "addField")
_BY_COLUMNS = ("readUserFields", "writeUserFields")
_PRINCIPAL = re.compile(r"\*|requiresAuthentication|role:.*|[A-Za-z0-9]+", re.ASCII | re.DOTALL)
_VIEWER = re.compile(r"\*|authenticated|role:.*|userField:.*|[A-Za-z0-9]+", re.ASCII | re.DOTALL)


def read_permissions(asked: Any, columns: Mapping[str, ColumnType]) -> Mapping[str, Any]:
    """Check `classLevelPermissions` for a class with these columns. Raises ParseError 107."""
    permissions = _object(asked)
    for operation, value in permissions.items():
        if operation in _BY_COLUMNS:
            _check_listed(operation, value, columns)
        elif operation == "protectedFields":
            _check_protected(_permission_object(operation, value), columns)
        elif operation == "ACL":
            _check_default_acl(_permission_object(operation, value))
        elif operation in _OPERATIONS:
            _check_operation(operation, _permission_object(operation, value), columns)
        else:
            raise _bad(f"{operation} is not a valid operation for class level permissions")
    return permissions


def _permission_object(operation: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    where = f"class level permissions {operation} - must be an object"
    raise _bad(f"'{_script(value)}' is not a valid value for {where}")


def _check_listed(operation: str, value: Any, columns: Mapping[str, ColumnType]) -> None:
    if not isinstance(value, list):
        where = f"class level permissions {operation} - must be an array"
        raise _bad(f"'{_script(value)}' is not a valid value for {where}")
    for name in value:
        _check_points_to_user(name, operation, columns)


def _check_points_to_user(name: Any, operation: str, columns: Mapping[str, ColumnType]) -> None:
    column = columns.get(name) if isinstance(name, str) else None
    if column is None or not (column.kind == "Array" or column == ColumnType("Pointer", "_User")):
        where = f"class level pointer permissions {operation}"
        raise _bad(f"'{_script(name)}' is not a valid column for {where}")


def _check_operation(
    operation: str, allowed: Mapping[str, Any], columns: Mapping[str, ColumnType]
) -> None:
    for principal, value in allowed.items():
        if principal == "pointerFields":
            if not isinstance(value, list):
                where = f"{operation}[{principal}] - expected an array."
                raise _bad(f"'{_script(value)}' is not a valid value for {where}")
            for name in value:
                _check_points_to_user(name, operation, columns)
            continue
        if not _PRINCIPAL.fullmatch(principal):
            raise _bad(f"'{principal}' is not a valid key for class level permissions")
        if value is not True:
            where = f"class level permissions {operation}:{principal}:{_script(value)}"
            raise _bad(f"'{_script(value)}' is not a valid value for {where}")


def _check_default_acl(acl: Mapping[str, Any]) -> None:
    """What new objects get that come without an ACL, since Parse Server 8."""
    for principal, rights in acl.items():
        if not _PRINCIPAL.fullmatch(principal):
            raise _bad(f"'{principal}' is not a valid key for class level permissions")
        if not isinstance(rights, Mapping):
            raise _bad(f"'{_script(rights)}' is not a valid value for class level permissions acl")
        unknown = [name for name in rights if name not in ("read", "write")]
        if unknown:
            raise _bad(f"'{','.join(unknown)}' is not a valid key for class level permissions acl")
        odd = [_script(right) for right in rights.values() if not isinstance(right, bool)]
        if odd:
            raise _bad(f"'{','.join(odd)}' is not a valid value for class level permissions acl")


def _check_protected(protected: Mapping[str, Any], columns: Mapping[str, ColumnType]) -> None:
    for viewer, names in protected.items():
        if not _VIEWER.fullmatch(viewer):
            raise _bad(f"'{viewer}' is not a valid key for class level permissions")
        if not isinstance(names, list):
            where = f"protectedFields[{viewer}] - expected an array."
            raise _bad(f"'{_script(names)}' is not a valid value for {where}")
        for name in names:
            if name in tuple(BUILT_IN_COLUMNS):
                raise _bad(f"Default field '{name}' can not be protected")
            if not isinstance(name, str) or name not in columns:
                raise _bad(f"Field '{_script(name)}' in protectedFields:{viewer} does not exist")


def _bad(message: str) -> ParseError:
    return ParseError(INVALID_JSON, message)


def _script(value: Any) -> str:
    """A value as JavaScript puts it into a sentence."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return ",".join("" if each is None else _script(each) for each in value)
        case Mapping():
            return "[object Object]"
    return str(value)


# --- indexes ------------------------------------------------------------------------------------


def read_indexes(asked: Any, schema: ClassSchema, *, kept: Sequence[str]) -> IndexEdits:
    """Read `indexes` for a class that has these columns by then.

    Indexes that are `kept` are not deleted. Raises ParseError 102, 107.
    """
    existing = schema.indexes or _ID_INDEX
    edits = IndexEdits(all=dict(existing))
    for name, keys in _object(asked).items():
        is_deleted = _object(keys).get("__op") == "Delete"
        if name in existing and not is_deleted:
            raise _index_error(f"Index {name} exists, cannot update.")
        if name not in existing and is_deleted:
            raise _index_error(f"Index {name} does not exist, cannot delete.")
        if is_deleted and (name in kept or name in _ID_INDEX):
            raise _index_error(f"Index {name} is the server's own, cannot delete.")
        if is_deleted:
            edits.deleted[name] = edits.all.pop(name)
        else:
            edits.added[name] = edits.all[name] = _index_keys(name, keys, schema)
    if len(edits.all) > _MAX_INDEXES:
        raise _index_error(f"{schema.class_name} would have more than {_MAX_INDEXES} indexes")
    return edits


def _index_keys(name: str, keys: Mapping[str, Any], schema: ClassSchema) -> IndexKeys:
    if not _INDEX_NAME.fullmatch(name):
        raise _index_error(f"Index {name} cannot be called this.")
    columns = {**BUILT_IN_COLUMNS, **schema.columns}
    for key, kind in keys.items():
        column = columns.get(key.removeprefix("_p_"))
        if column is None or column.kind in _NOT_INDEXED:
            raise _index_error(f"Field {key} does not exist, cannot add index.")
        if isinstance(kind, bool) or kind not in _INDEX_KINDS:
            raise _index_error(f"Index {name} has a kind that there is not.")
    if not keys:
        raise _index_error(f"Index {name} has no fields.")
    return {key: int(kind) if isinstance(kind, float) else kind for key, kind in keys.items()}


def _index_error(message: str) -> ParseError:
    return ParseError(INVALID_QUERY, message)


# --- shapes -------------------------------------------------------------------------------------


def columns_of_parse(class_name: str) -> Mapping[str, ColumnType]:
    """The columns that Parse defines for a class: everybody's, and a system class's own."""
    system = SYSTEM_CLASSES.get(class_name) if class_name.startswith("_") else None
    return {**BUILT_IN_COLUMNS, **(system.columns if system else {})}


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid_json()
    return value


def _invalid_json() -> ParseError:
    return ParseError(INVALID_JSON, "invalid JSON")


def _schema_error(message: str) -> ParseError:
    return ParseError(INVALID_SCHEMA_OPERATION, message)
