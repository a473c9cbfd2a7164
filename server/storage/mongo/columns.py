"""Where a column stands in a row: Parse's paths and MongoDB's.

Knows names only; what stands there is for `values`.
"""

import re

from server.storage.port import ClassSchema, Refused

_STORED_NAMES = {
    "objectId": "_id",
    "createdAt": "_created_at",
    "updatedAt": "_updated_at",
    "sessionToken": "_session_token",
    "lastUsed": "_last_used",
    "timesUsed": "times_used",
}
_PARSE_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}

ACL_KEYS = ("_wperm", "_rperm", "_acl")
_POINTER_PREFIX = "_p_"
_AUTH_DATA_PREFIX = "_auth_data_"
_PROVIDER = re.compile("[A-Za-z0-9_]+", re.ASCII)


def stored_path(schema: ClassSchema, path: str) -> str:
    """Return the path in a row; raises Refused for one that MongoDB would take for an operator.

    `_User.authData` as a whole stands nowhere, only its providers do.
    """
    parts = path.split(".")
    if any(not part or part.startswith("$") for part in parts):
        raise Refused(f"{path!r} is no path to a column")
    name = parts[0]
    if name == "authData" and holds_auth_data(schema) and len(parts) > 1:
        return ".".join([stored_provider(parts[1]), *parts[2:]])
    if _is_pointer(schema, name):
        return _POINTER_PREFIX + path
    return ".".join([_STORED_NAMES.get(name, name), *parts[1:]])


def column_name(schema: ClassSchema, key: str) -> str | None:
    """Return the column that this key of a row holds all of.

    None for the keys of ACL and authData, which several share, and for a pointer that the schema
    does not know.
    """
    if key in ACL_KEYS or (holds_auth_data(schema) and (key == "authData" or parse_provider(key))):
        return None
    if key.startswith(_POINTER_PREFIX):
        name = key.removeprefix(_POINTER_PREFIX)
        return name if _is_pointer(schema, name) else None
    if _is_pointer(schema, key):
        return None
    return key if key in schema.columns else _PARSE_NAMES.get(key, key)


def parse_path(stored: str) -> str:
    """Return Parse's path for one in a row, as far as it can be told without a schema."""
    if stored.startswith(_AUTH_DATA_PREFIX):
        return "authData." + stored.removeprefix(_AUTH_DATA_PREFIX)
    return _PARSE_NAMES.get(stored, stored.removeprefix(_POINTER_PREFIX))


def _is_pointer(schema: ClassSchema, name: str) -> bool:
    column = schema.columns.get(name)
    return column is not None and column.kind == "Pointer"


def holds_auth_data(schema: ClassSchema) -> bool:
    """Whether `authData` of this class is spread over one key for each provider."""
    return schema.class_name == "_User"


def stored_provider(provider: str) -> str:
    """Return the key of an auth provider's data; raises Refused if its name cannot be one."""
    if not _PROVIDER.fullmatch(provider):
        raise Refused(f"{provider!r} cannot be an auth provider")
    return _AUTH_DATA_PREFIX + provider


def parse_provider(stored: str) -> str | None:
    """Return the provider whose data stand under this key, None for other keys."""
    provider = stored.removeprefix(_AUTH_DATA_PREFIX)
    return provider if provider != stored and _PROVIDER.fullmatch(provider) else None
