"""A file in the hands of a trigger, on its way into the store or out of it."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class CloudFile:
    """A file: before it is stored as the client sent it, afterwards with its final name and URL.

    `content_type` is the client's claim. `directory` is where it is to lie, which becomes part of
    its name; None for none. `metadata` is kept beside the file and readable by
    everybody who knows its name. `tags` reach the triggers and are not kept: neither database has
    a place for them. A deleted file has its name and URL alone.
    """

    name: str
    data: bytes = field(default=b"", repr=False)
    content_type: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    directory: str | None = None
    url: str | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError for what cannot be stored."""
        if not isinstance(self.data, bytes):
            raise TypeError(f"a file's data are bytes, not {type(self.data).__name__}")
        if not isinstance(self.name, str) or not isinstance(self.content_type, str):
            raise TypeError("a file's name and content type are texts")
        if not isinstance(self.directory, str | None):
            raise TypeError("a file's directory is a text, or None")
        if not isinstance(self.metadata, dict) or not isinstance(self.tags, dict):
            raise TypeError("a file's metadata and tags are dicts")
        json.dumps(self.metadata, allow_nan=False)
