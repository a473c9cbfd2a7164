"""What apps can show while an image is pending: a BlurHash, made when the file is uploaded.

Best effort: an upload waits a second for it at most, and for no permit.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from ml_models.classifier import NsfwClassifier
from ml_models.errors import MlModelsError
from server.files.names import image_extension

logger = logging.getLogger(__name__)

_WAIT_S = 1.0


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
