"""The panel's pictures: made of the stored files in the classifier's child processes.

They are kept in this process's memory alone. A copy in the file store would outlive the image that
somebody had to take down, and making one anew costs some ten milliseconds.
"""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping

from admin.ports.pictures import (
    FileChanged,
    FileGone,
    NotDecodable,
    NotNow,
    Picture,
    PictureKind,
)
from cloud.moderation.item_ports import ModerationItems
from cloud.moderation.items import Item, State
from ml_models.classifier import NsfwClassifier
from ml_models.errors import ImageError, MlModelsError
from ml_models.types import Rendering
from server.files.names import image_type
from server.storage.port import FileStore

logger = logging.getLogger(__name__)

RENDERINGS: Mapping[PictureKind, Rendering] = {
    PictureKind.PREVIEW: Rendering(128, veiled=True),
    PictureKind.THUMBNAIL: Rendering(320),
    PictureKind.SCREEN: Rendering(1024),
    PictureKind.DETAIL: Rendering(4096, most_pixels=2_000_000),
}
# Some two hundred for the screen, or as many thumbnails as ten sweeps show.
_KEPT_BYTES = 32 * 1024 * 1024

_Key = tuple[str, int, str | None, PictureKind]
"""File, its length, its sha256 if that is known, and what for."""


class StoredPictures:
    """The Pictures port on stored items and files; see there for its contract."""

    def __init__(
        self, items: ModerationItems, files: FileStore, classifier: NsfwClassifier, max_bytes: int
    ) -> None:
        self._items, self._files, self._classifier = items, files, classifier
        self._max_bytes = max_bytes
        self._made = KeptPictures(_KEPT_BYTES)

    def of(self, item_id: str, kind: PictureKind) -> Picture | None:
        item = self._items.get(item_id)
        if item is None or item.state is State.ENDED:
            return None
        file = self._files.stat(item.subject.file_name)
        if file is None:
            raise FileGone(f"item {item_id}: no file {item.subject.file_name}")
        if file.length > self._max_bytes:
            raise NotDecodable(f"item {item_id}: {file.length} bytes are too many")
        if kind is PictureKind.ORIGINAL:
            return self._original(item)
        key = (file.name, file.length, item.evidence.content_sha256, kind)
        data = self._made.get(key)
        if data is None:
            data = self._make(item, RENDERINGS[kind])
            self._made.keep(key, data)
        return Picture(data, "image/jpeg")

    def _original(self, item: Item) -> Picture:
        data = self._read(item)
        content_type = image_type(data)
        if content_type is None:
            raise NotDecodable(f"item {item.item_id}: the file is no image")
        return Picture(data, content_type)

    def _make(self, item: Item, rendering: Rendering) -> bytes:
        try:
            return self._classifier.picture(self._read(item), rendering)
        except ImageError as error:
            raise NotDecodable(f"item {item.item_id}: {error}") from error
        except MlModelsError as error:
            logger.warning("no picture of item %s just now: %s", item.item_id, error)
            raise NotNow(str(error)) from error

    def _read(self, item: Item) -> bytes:
        """Return the bytes that were classified, or will be."""
        data = self._files.read(item.subject.file_name)
        if data is None:  # deleted a moment ago
            raise FileGone(f"item {item.item_id}: no file {item.subject.file_name}")
        classified = item.evidence.content_sha256
        if classified not in (None, hashlib.sha256(data).hexdigest()):
            logger.warning("the file of item %s is not what was classified", item.item_id)
            raise FileChanged(f"item {item.item_id}: the file is not {classified}")
        return data


class KeptPictures:
    """The pictures that were asked for last, as many as fit; thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._pictures: OrderedDict[_Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key) -> bytes | None:
        """Return a picture that is kept."""
        with self._lock:
            if key not in self._pictures:
                return None
            self._pictures.move_to_end(key)
            return self._pictures[key]

    def keep(self, key: _Key, data: bytes) -> None:
        """Keep a picture in place of those that nobody has asked for the longest."""
        with self._lock:
            self._bytes += len(data) - len(self._pictures.pop(key, b""))
            self._pictures[key] = data
            while self._bytes > self._max_bytes:
                _, oldest = self._pictures.popitem(last=False)
                self._bytes -= len(oldest)
