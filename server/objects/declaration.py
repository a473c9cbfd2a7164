"""Classes of the server's own: there, with their indexes, before a row is written or sought."""

from collections.abc import Sequence

from server.objects.schemas import Schemas
from server.storage.port import ClassSchema, Index, ObjectStore

OwnClass = tuple[ClassSchema, Sequence[Index]]


class Declaration:
    """Makes sure of classes and their indexes when it is called first; thread-safe.

    Whoever keeps rows calls it before each use. Raises StoreUnavailable, and tries again then. Two
    threads may both come first: making sure twice changes nothing.
    """

    def __init__(self, objects: ObjectStore, schemas: Schemas, *classes: OwnClass) -> None:
        self._objects, self._schemas, self._classes = objects, schemas, classes
        self._is_made = False

    def __call__(self) -> None:
        if self._is_made:
            return
        for schema, indexes in self._classes:
            self._schemas.declare(schema)
            for index in indexes:
                self._objects.ensure_index(schema, index)
        self._is_made = True
