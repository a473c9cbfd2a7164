"""What was written to an object, and how processes tell each other of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from server.storage.port import Document
from server.storage.sqlite.documents import dump, load


class NotAWrite(ValueError):
    """Another process sent something else."""


@dataclass(frozen=True, slots=True)
class Write:
    """One object before and after a write that is in the database: new without `before`, deleted
    without `after`. Neither has columns that a client can never see."""

    class_name: str
    before: Document | None
    after: Document | None


def write_of(class_name: str, before: Document | None, after: Document | None) -> Write:
    """Make a Write without the server's own columns and without tokens: they go over a wire."""
    return Write(class_name, _told(class_name, before), _told(class_name, after))


def _told(class_name: str, document: Document | None) -> Document | None:
    if document is None:
        return None
    return {
        name: value
        for name, value in document.items()
        if name[:1] != "_" and not (class_name == "_Session" and name == "sessionToken")
    }


def to_line(write: Write, sender: str) -> bytes:
    """Write it as a line of JSON, without its end. Raises TypeError or Refused for values that no
    document may hold."""
    parts = {"class": write.class_name, "before": write.before, "after": write.after}
    return dump({"from": sender, **parts}).encode()


def from_line(line: bytes) -> tuple[Write, str]:
    """Read what `to_line` wrote, and who sent it. Raises NotAWrite."""
    try:
        parts = load(line.decode())
        return Write(parts["class"], parts["before"], parts["after"]), parts["from"]
    except (KeyError, TypeError, ValueError) as error:
        raise NotAWrite(str(error)) from error


class PublishedClasses:
    """The classes of LIVE_QUERY_CLASSES: names, or regular expressions of whole names."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def __contains__(self, class_name: str) -> bool:
        return any(pattern.fullmatch(class_name) for pattern in self._patterns)
