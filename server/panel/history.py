"""Past decisions, searched: the role of `admin.ports.history` on a Database."""

import hashlib
from collections.abc import Iterator, Sequence

from admin.ports.history import Dossier, Found, FoundPage, ImagePrint, Place, Search
from cloud.moderation.errors import ImageTooManyBytes
from cloud.moderation.statements import LoggedDecision
from ml_models.errors import ImageError
from server.moderation.holds import LegalHolds
from server.moderation.items import ITEM_CLASSES
from server.objects.declaration import Declaration
from server.panel.decision_log import DecisionLog
from server.panel.dossiers import Dossiers
from server.panel.item_copies import ItemCopies
from server.panel.searching import ItemSearch
from server.services import Services


class StoredHistory:
    """The History port; see there for its contract."""

    def __init__(self, services: Services) -> None:
        settings, database = services.settings, services.database
        self._classifier, self._max_image_bytes = services.classifier, settings.max_image_bytes
        self._items, self._log = ItemSearch(database.objects), DecisionLog(database.objects)
        self._dossiers = Dossiers(
            database, services.schemas, LegalHolds(database, services.schemas)
        )
        self._copies = ItemCopies(
            database.objects,
            max_distance=settings.memory_distance,
            min_quality=settings.memory_min_quality,
        )
        # The indexes that are asked for by name have to be there.
        self._declare = Declaration(database.objects, services.schemas, *ITEM_CLASSES)

    def search(self, search: Search, after: Place | None, limit: int) -> FoundPage:
        self._declare()
        return self._items.page(search, after, limit)

    def take_print(self, data: bytes) -> ImagePrint:
        if len(data) > self._max_image_bytes:
            raise ImageTooManyBytes(self._max_image_bytes)
        content_sha256 = hashlib.sha256(data).hexdigest()
        try:
            fingerprint = self._classifier.classify(data).fingerprint
        except ImageError:  # others may have sent the same damaged file
            return ImagePrint(content_sha256)
        tells = self._copies.tells(fingerprint)
        return ImagePrint(content_sha256, fingerprint.pdq if tells else None)

    def copies(self, of: ImagePrint, search: Search, limit: int) -> Sequence[Found]:
        self._declare()
        return self._copies.of(of, search, limit)

    def dossier(self, item_id: str) -> Dossier | None:
        self._declare()
        return self._dossiers.of(item_id)

    def decisions(self, search: Search) -> Iterator[LoggedDecision]:
        self._declare()
        return self._log.matching(search)
