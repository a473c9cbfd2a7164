"""The columns that hold placeholders of objects' images.

Written by the save that sets the file, so an app that finds an image pending finds it too.
"""

import logging

from cloud.moderation.items import placeholder_column
from cloud.operations import Change, Delete, Set
from cloud.values import File
from server.files.placeholders import placeholder_of
from server.objects.schemas import Schemas
from server.storage.port import ClassSchema, ColumnConflict, ColumnType, FileStore

logger = logging.getLogger(__name__)

_STRING = ColumnType("String")


def is_placeholder(schema: ClassSchema, column: str, name: str) -> bool:
    """Whether a column is the placeholder of a file column.

    One of that name and another type is the app's own, from before, and is left alone.
    """
    is_named_so = name == placeholder_column(schema.class_name, column)
    return is_named_so and schema.columns.get(name, _STRING) == _STRING


class PlaceholderColumns:
    """Knows what a save that sets a file, or removes it, writes beside; thread-safe."""

    def __init__(self, files: FileStore, schemas: Schemas) -> None:
        self._files, self._schemas = files, schemas

    def changes(self, schema: ClassSchema, column: str, file: File | None) -> dict[str, Change]:
        """Return the change of the placeholder's column. Raises StoreUnavailable."""
        name = placeholder_column(schema.class_name, column)
        if not is_placeholder(schema, column, name):
            return {}
        found = None if file is None else placeholder_of(self._files.stat(file.name))
        if found is None:
            return {name: Delete()}
        return {name: Set(found)} if self._is_declared(schema, name) else {}

    def _is_declared(self, schema: ClassSchema, name: str) -> bool:
        """Make the column, which the client whose save it is may have no right to."""
        if name in schema.columns:
            return True
        try:
            self._schemas.declare(ClassSchema(schema.class_name, {name: _STRING}))
        except ColumnConflict:  # somebody made one of another type a moment ago
            logger.warning("%s.%s is no placeholder's column", schema.class_name, name)
            return False
        return True
