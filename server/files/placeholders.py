"""What apps can show while an image is pending: a BlurHash, made when the file is uploaded.

Best effort: an upload waits a second for it at most, and for no permit. Kept in the file's
metadata, under a key that is the server's own.
"""

import logging
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ml_models.classifier import NsfwClassifier
from ml_models.errors import MlModelsError
from server.files.names import image_extension
from server.files.uploads import Upload
from server.storage.port import StoredFile

logger = logging.getLogger(__name__)

_WAIT_S = 1.0
# The server's own key beside those of the client.
_PLACEHOLDER = "_placeholder"
# 4 x 3 components, or 3 x 4, in base 83.
_BLURHASH = re.compile(r"[LT][0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{27}")


class Placeholders:
    """Makes placeholders in the classifier's child processes; thread-safe."""

    def __init__(self, classifier: NsfwClassifier, *, permits: int) -> None:
        self._classifier = classifier
        # Threads, so that a slow child can be left to itself: it gives its permit back later.
        self._threads = ThreadPoolExecutor(permits, thread_name_prefix="placeholder")

    def make(self, data: bytes) -> str | None:
        """Return the BlurHash of an image; None where there is none within the time."""
        if image_extension(data) is None:
            return None
        made = self._threads.submit(self._classifier.placeholder, data)
        try:
            return made.result(_WAIT_S)
        except (MlModelsError, TimeoutError) as error:
            made.cancel()
            logger.debug("no placeholder: %r", error)
            return None


def metadata_to_store(upload: Upload, placeholder: str | None) -> dict[str, Any]:
    """Return the client's metadata and, out of the client's reach, the placeholder."""
    kept = public_metadata(upload.metadata)
    return kept if placeholder is None else kept | {_PLACEHOLDER: placeholder}


def public_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the client sent of a file's metadata."""
    return {name: value for name, value in metadata.items() if name != _PLACEHOLDER}


def placeholder_of(file: StoredFile | None) -> str | None:
    """Return the BlurHash that was made when the file was uploaded, if there is one."""
    found = None if file is None else file.metadata.get(_PLACEHOLDER)
    return found if isinstance(found, str) and _BLURHASH.fullmatch(found) else None
