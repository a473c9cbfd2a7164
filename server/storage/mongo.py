"""Parse objects in MongoDB, in exactly the document layout of Parse Server.

An existing Parse database can be pointed at, and a Parse Server beside us reads what we write:
`_id`, `_created_at`, `_updated_at`, `_rperm`/`_wperm`/`_acl`, `_SCHEMA`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient, ReturnDocument
from pymongo.errors import ConfigurationError, DuplicateKeyError, InvalidURI, PyMongoError
from pymongo.write_concern import WriteConcern

from cloud.moderation.errors import StoreUnavailable
from server.storage.port import (
    ClassSchema,
    Delete,
    Document,
    DuplicateObject,
    Increment,
    ObjectId,
    Operation,
    Set,
)

# A request answers "busy" rather than wait for a database that is away or stands still.
_TIMEOUT_MS = 2000
_DEFAULT_DATABASE = "parse"

_COLUMN_NAMES = {"objectId": "_id", "createdAt": "_created_at", "updatedAt": "_updated_at"}
_PARSE_NAMES = {mongo: parse for parse, mongo in _COLUMN_NAMES.items()}

_MASTER_KEY_ONLY: Mapping[str, object] = {
    operation: {}
    for operation in ("find", "count", "get", "create", "update", "delete", "addField")
} | {"protectedFields": {}}


class MongoStore:
    """The ObjectStore for production; see the port for its contract."""

    def __init__(self, uri: str) -> None:
        """Connect lazily: a database that is away now may be back at the first call.

        Raises ValueError for a URI that pymongo cannot read.
        """
        try:
            self._client: MongoClient[dict[str, Any]] = MongoClient(
                uri,
                tz_aware=True,
                serverSelectionTimeoutMS=_TIMEOUT_MS,
                connectTimeoutMS=_TIMEOUT_MS,
                socketTimeoutMS=_TIMEOUT_MS,
            )
        except (ConfigurationError, InvalidURI, ValueError) as error:
            raise ValueError(f"DATABASE_URI cannot be used: {error}") from None
        self._database = self._client.get_default_database(_DEFAULT_DATABASE).with_options(
            write_concern=WriteConcern(w="majority", j=True)
        )

    def get(self, class_name: str, object_id: ObjectId) -> Document | None:
        with _translated_errors():
            row = self._database[class_name].find_one({"_id": object_id})
        return None if row is None else _document(row)

    def insert(self, class_name: str, document: Document) -> None:
        with _translated_errors():
            self._database[class_name].insert_one(_row(document))

    def update(
        self,
        class_name: str,
        object_id: ObjectId,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        try:
            row = self._find_one_and_update(class_name, object_id, operations, upsert)
        except DuplicateObject:  # another upsert made the row between our search and our insert
            row = self._find_one_and_update(class_name, object_id, operations, upsert)
        return None if row is None else _document(row)

    def declare_class(self, schema: ClassSchema) -> None:
        row = {"_id": schema.class_name, "objectId": "string"}
        row |= {"updatedAt": "date", "createdAt": "date"}
        row |= {name: kind.lower() for name, kind in schema.fields.items()}
        try:
            with _translated_errors():
                self._database["_SCHEMA"].insert_one(
                    row | {"_metadata": {"class_permissions": _MASTER_KEY_ONLY}}
                )
        except DuplicateObject:
            return

    def ping(self) -> None:
        with _translated_errors():
            self._client.admin.command("ping")

    def close(self) -> None:
        self._client.close()

    def _find_one_and_update(
        self,
        class_name: str,
        object_id: ObjectId,
        operations: Mapping[str, Operation],
        upsert: bool,
    ) -> dict[str, Any] | None:
        with _translated_errors():
            return self._database[class_name].find_one_and_update(
                {"_id": object_id},
                _change(operations),
                upsert=upsert,
                return_document=ReturnDocument.AFTER,
            )


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateObject(str(error)) from error
    except PyMongoError as error:
        raise StoreUnavailable(f"MongoDB: {error}") from error


def _row(document: Document) -> dict[str, Any]:
    """The document as Parse Server stores it, columns in its order."""
    row = {name: value for name, value in document.items() if name not in _NOT_PLAIN}
    row["_id"] = document["objectId"]
    if "ACL" in document:
        row |= _permissions(document["ACL"])
    row["_created_at"] = document["createdAt"]
    row["_updated_at"] = document["updatedAt"]
    return row


_NOT_PLAIN = {*_COLUMN_NAMES, "ACL"}


def _permissions(acl: Mapping[str, Mapping[str, bool]]) -> dict[str, Any]:
    return {
        "_wperm": [principal for principal, may in acl.items() if may.get("write")],
        "_rperm": [principal for principal, may in acl.items() if may.get("read")],
        "_acl": {
            principal: {name[0]: True for name in ("write", "read") if may.get(name)}
            for principal, may in acl.items()
        },
    }


def _document(row: dict[str, Any]) -> Document:
    document = {
        _PARSE_NAMES.get(name, name): value
        for name, value in row.items()
        if name in _PARSE_NAMES or not name.startswith("_")
    }
    if "_rperm" in row or "_wperm" in row:
        document["ACL"] = _acl(row.get("_rperm", []), row.get("_wperm", []))
    return document


def _acl(readers: list[str], writers: list[str]) -> dict[str, dict[str, bool]]:
    acl: dict[str, dict[str, bool]] = {}
    for right, principals in (("read", readers), ("write", writers)):
        for principal in principals:
            acl.setdefault(principal, {})[right] = True
    return acl


def _change(operations: Mapping[str, Operation]) -> dict[str, dict[str, Any]]:
    """Translate to update operators; every value stands below one, so none can become one."""
    change: dict[str, dict[str, Any]] = {}
    for name, operation in operations.items():
        column = _COLUMN_NAMES.get(name, name)
        match operation:
            case Set(value):
                change.setdefault("$set", {})[column] = value
            case Increment(amount):
                change.setdefault("$inc", {})[column] = amount
            case Delete():
                change.setdefault("$unset", {})[column] = ""
    return change
