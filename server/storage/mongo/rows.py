"""Documents to rows and back, in exactly the layout of Parse Server.

Lenient in what it reads: rows may be old, or somebody's own.
"""

from collections.abc import Mapping
from typing import Any

from server.storage.mongo.columns import (
    column_name,
    holds_auth_data,
    parse_provider,
    stored_path,
    stored_provider,
)
from server.storage.mongo.values import nested, parse_nested, parse_value, stored_value
from server.storage.port import ClassSchema, Document

Row = dict[str, Any]


def stored_row(schema: ClassSchema, document: Document) -> Row:
    """Return the row for a new document, keys in the order in which Parse Server writes them."""
    row: Row = {}
    for name, value in document.items():
        if name not in ("ACL", "createdAt", "updatedAt"):
            row |= stored_column(schema, name, value)
    for name in ("ACL", "createdAt", "updatedAt"):
        if name in document:
            row |= stored_column(schema, name, document[name])
    return row


def stored_column(schema: ClassSchema, name: str, value: Any) -> Row:
    """Return what stands in the row for one column: mostly a single key, for a relation none."""
    column = schema.columns.get(name)
    if column is not None and column.kind == "Relation":
        return {}
    if name == "ACL":
        return _permissions(value)
    if name == "authData" and holds_auth_data(schema):
        return {stored_provider(provider): nested(data) for provider, data in (value or {}).items()}
    return {stored_path(schema, name): stored_value(column, value)}


def _permissions(acl: Mapping[str, Mapping[str, bool]]) -> Row:
    writers = [principal for principal, may in acl.items() if may.get("write")]
    readers = [principal for principal, may in acl.items() if may.get("read")]
    legacy: dict[str, dict[str, bool]] = {principal: {"w": True} for principal in writers}
    for principal in readers:
        legacy.setdefault(principal, {})["r"] = True
    return {"_wperm": writers, "_rperm": readers, "_acl": legacy}


def parse_row(schema: ClassSchema, row: Row) -> Document:
    """Return the document that a row holds."""
    document: Document = {}
    for key, stored in row.items():
        name = column_name(schema, key)
        if name is not None:
            document[name] = parse_value(schema.columns.get(name), stored)
    if holds_auth_data(schema):
        document |= _auth_data(row)
    readers, writers = row.get("_rperm"), row.get("_wperm")
    if readers is not None or writers is not None:
        document["ACL"] = _acl(readers or [], writers or [])
    return document


def parse_result(schema: ClassSchema, row: Row) -> Document:
    """Return what a row says that came out of a pipeline: in it a column's name may stand for
    something else, so that only what fits the column's type is a value of it."""
    document: Document = {}
    for key, stored in row.items():
        name = column_name(schema, key)
        if name is not None:
            document[name] = parse_value(schema.columns.get(name), stored)
        elif key in schema.columns:
            document[key] = parse_nested(stored)
    return document | (_auth_data(row) if holds_auth_data(schema) else {})


def _auth_data(row: Row) -> Document:
    providers = {
        provider: parse_nested(stored)
        for key, stored in row.items()
        if (provider := parse_provider(key)) is not None
    }
    return {"authData": providers} if providers else {}


def _acl(readers: list[str], writers: list[str]) -> dict[str, dict[str, bool]]:
    acl: dict[str, dict[str, bool]] = {}
    for right, principals in (("read", readers), ("write", writers)):
        for principal in principals:
            acl.setdefault(principal, {})[right] = True
    return acl
