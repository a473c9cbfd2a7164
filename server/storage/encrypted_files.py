"""A FileStore whose files only a key reads, in the form of Parse Server's `encryptionKey`.

It keeps them in another FileStore and does not know where that is. Names, lengths and metadata
stay readable there.
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.storage.port import FileStore, StoredFile

logger = logging.getLogger(__name__)

# What lies behind the encrypted bytes, as in Parse Server's GridFSBucketAdapter.
_NONCE_BYTES = 16
_TAG_BYTES = 16
_ADDED_BYTES = _NONCE_BYTES + _TAG_BYTES


class EncryptedFiles:
    """The FileStore; see the port for its contract. A file is encrypted as a whole.

    A file of another key, or of none, is not there, as with Parse Server.
    """

    reads_parts = False

    def __init__(self, files: FileStore, key: str) -> None:
        self._files = files
        digest = base64.b64encode(hashlib.sha256(key.encode()).digest())
        self._cipher = AESGCM(digest[:32])

    def put(self, name: str, data: bytes, metadata: Mapping[str, Any]) -> None:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, data, None)
        encrypted, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        self._files.put(name, encrypted + nonce + tag, metadata)

    def stat(self, name: str) -> StoredFile | None:
        stored = self._files.stat(name)
        if stored is None or stored.length < _ADDED_BYTES:
            return None
        return replace(stored, length=stored.length - _ADDED_BYTES)

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        stored = self._files.read(name)
        if stored is None:
            return None
        encrypted, tag = stored[:-_ADDED_BYTES], stored[-_TAG_BYTES:]
        nonce = stored[-_ADDED_BYTES:-_TAG_BYTES]
        try:
            return self._cipher.decrypt(nonce, encrypted + tag, None)[start:end]
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
            logger.warning("file %r is not encrypted with FILE_ENCRYPTION_KEY", name)
            return None

    def delete(self, name: str) -> bool:
        return self._files.delete(name)

    def names(self) -> Iterator[str]:
        return self._files.names()
