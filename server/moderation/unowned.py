"""Images that no object of the app's holds: classified by URL or bytes, and left to a moderator.

The record of the classification is the object that holds the image then, in its column `image`,
with columns that mirror the item like every moderated file's. The bytes that were classified are
kept for the moderators; the URL that they came from may show something else by now.
"""

import secrets

from cloud.clock import utc_now
from cloud.moderation.item_ports import ModerationItems
from cloud.moderation.items import Evidence, Item, State, Subject, mirror
from cloud.moderation.types import Classification
from cloud.operations import Delete, Operation, Set
from cloud.values import File
from server.moderation.classifications import SCHEMA as RECORD
from server.moderation.classifications import record_id
from server.moderation.subjects import shown_column, shown_item, shows, subject_schema
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.storage.port import (
    All,
    ClassSchema,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Exists,
)

_COLUMN = "image"
_SHOWN = shown_column(_COLUMN)
SCHEMA = ClassSchema(
    RECORD.class_name,
    {**RECORD.columns, **subject_schema(RECORD.class_name, _COLUMN).columns},
    permissions=RECORD.permissions,
)


class UnownedImages:
    """The ReviewQueue port on a Database.

    The record names the file and its item before there are any: what a killed process left is made
    good by the next call with the same image. The item's id is the record's, so there is one.
    """

    def __init__(self, database: Database, schemas: Schemas, items: ModerationItems) -> None:
        self._database, self._items = database, items
        self._declare = Declaration(database.objects, schemas, (SCHEMA, []))

    def offer(self, classification: Classification, data: bytes) -> None:
        """See the port."""
        self._declare()
        name = record_id(classification.content_sha256, classification.model)
        record = self._database.objects.get(SCHEMA, name)
        if record is not None and shown_item(record, _COLUMN) is None:
            record = self._attach(name)
        if record is not None and self._items.get(name) is None:
            self._keep(record[_COLUMN].name, data)
            self._add_item(record)

    def _attach(self, name: str) -> Document | None:
        """Have the record name a file to be; as another call did, if one was faster."""
        file_name = f"{secrets.token_hex(16)}_classified"  # which nobody can guess
        subject = Subject(SCHEMA.class_name, name, _COLUMN, file_name)
        columns = mirror(subject, State.PENDING, Evidence())
        operations: dict[str, Operation] = {
            column: Delete() if value is None else Set(value) for column, value in columns.items()
        }
        operations |= {_COLUMN: Set(File(file_name)), _SHOWN: Set(shows(name, 0))}
        is_first = All((Equals("objectId", name), Exists(_SHOWN, exists=False)))
        record = self._database.objects.update(SCHEMA, is_first, operations)
        return record or self._database.objects.get(SCHEMA, name)

    def _keep(self, file_name: str, data: bytes) -> None:
        if self._database.files.stat(file_name) is None:
            self._database.files.put(file_name, data, {})

    def _add_item(self, record: Document) -> None:
        file, name = record[_COLUMN], record["objectId"]
        subject = Subject(SCHEMA.class_name, name, _COLUMN, file.name)
        try:
            self._items.add(Item(name, subject, State.PENDING, utc_now()))
        except DuplicateObject:  # another call was faster
            return
