"""Operations to MongoDB's update operators; every value stands below one."""

from collections.abc import Mapping
from typing import Any

from cloud.operations import Add, AddUnique, Delete, Increment, Operation, Remove, Set
from server.storage.mongo.columns import ACL_KEYS, holds_auth_data, stored_path
from server.storage.mongo.rows import stored_column
from server.storage.mongo.values import nested
from server.storage.port import ClassSchema

Update = dict[str, dict[str, Any]]

_NO_CHANGE: Update = {"$unset": {"_": ""}}  # MongoDB before 5 refuses an update without operators


def to_update(schema: ClassSchema, operations: Mapping[str, Operation]) -> Update:
    """Translate operations, which become one step.

    Setting `_User.authData` as a whole sets the providers it names and unsets those it has None
    for; others stay. Raises Refused for a path that MongoDB would not take as one.
    """
    update: Update = {}
    for path, operation in operations.items():
        for operator, changes in _changes(schema, path, operation).items():
            if changes:
                update.setdefault(operator, {}).update(changes)
    return update or _NO_CHANGE


def _changes(schema: ClassSchema, path: str, operation: Operation) -> Update:
    match operation:
        case Set(value) if path == "authData" and holds_auth_data(schema):
            stored = stored_column(schema, path, value)
            gone = {key: "" for key, data in stored.items() if data is None}
            kept = {key: data for key, data in stored.items() if data is not None}
            return {"$set": kept, "$unset": gone}
        case Set(value):
            return {"$set": stored_column(schema, path, value)}
        case Delete() if path == "ACL":
            return {"$unset": dict.fromkeys(ACL_KEYS, "")}
    key = stored_path(schema, path)
    match operation:
        case Delete():
            return {"$unset": {key: ""}}
        case Increment(amount):
            return {"$inc": {key: nested(amount)}}
        case Add(values):
            return {"$push": {key: {"$each": nested(values)}}}
        case AddUnique(values):
            return {"$addToSet": {key: {"$each": nested(values)}}}
        case Remove(values):
            return {"$pullAll": {key: nested(values)}}
