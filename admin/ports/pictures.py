"""Pictures of items, made from the bytes that were classified."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol


class PictureKind(StrEnum):
    """What a picture is for. All but the original are JPEGs without metadata, upright, and of an
    animation the first frame: what was classified."""

    PREVIEW = "preview"
    """Small, grey and blurred, to be shown until somebody asks for more."""
    THUMBNAIL = "thumbnail"
    """At most 320 pixels on its longest side."""
    SCREEN = "screen"
    """At most 1024."""
    DETAIL = "detail"
    """To be looked at closely: at most 4096, and two million pixels in all. What a long screenshot
    says can be read."""
    ORIGINAL = "original"
    """The file itself, untouched, whatever it holds beside the picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a browser is to be sent."""

    data: bytes = field(repr=False)
    content_type: str


class NoPicture(Exception):
    """Why an item has no picture; the panel explains it by `t("pictures.<reason>")`."""

    reason: ClassVar[str]


class FileGone(NoPicture):
    """The file was deleted from the store."""

    reason = "gone"


class FileChanged(NoPicture):
    """The stored file is not the one that was classified, so it must not be judged by."""

    reason = "changed"


class NotDecodable(NoPicture):
    """The bytes are no image, or one that is damaged or too large. The original may be there."""

    reason = "not_decodable"


class NotNow(NoPicture):
    """No picture could be made just now: the same call may succeed in a moment."""

    reason = "not_now"


class Pictures(Protocol):
    """Makes pictures of items; thread-safe. Decodes nothing in this process."""

    def of(self, item_id: str, kind: PictureKind) -> Picture | None:
        """Return a picture; None where there is no such item, or it has ended: the image is
        nobody's any more.

        Raises NoPicture, StoreUnavailable.
        """
