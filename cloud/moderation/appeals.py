"""What those who see an image may know of its moderation, and what its owner may say against it.

An appeal sends a rejected image back to review. It can be made once: what moderators decide then
is final. If it was an approval, and they revise it later, that is a new matter.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from cloud.moderation.item_ports import Mirrored, ModerationItems, Subjects
from cloud.moderation.items import BY_OWNER, Item, Remark, State, Subject
from cloud.moderation.pipeline import AlreadyDecided, ModerationPipeline

CategoryWords = Callable[[str], str | None]
"""What an app's users are told a moderator's category means; None: nothing that they would know."""

# The categories that moderators choose from while the owner of the app names no others.
_USUAL_WORDS = {
    "sexual": "sexual content",
    "nudity": "nudity",
    "minor": "content that endangers minors",
    "violence": "violence",
    "spam": "spam",
}


@dataclass(frozen=True, slots=True)
class Appellant:
    """Who asks. The master key may speak for every owner."""

    user_id: str | None
    master: bool = False

    def owns(self, item: Item) -> bool:
        """Whether the image is this caller's to appeal for."""
        return self.master or (self.user_id is not None and self.user_id == item.uploader)

    @property
    def decided_by(self) -> str:
        """How the log names who appealed."""
        return BY_OWNER + ("master key" if self.master else self.user_id or "")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an image stands, in words that are nobody's secret.

    `appealed` means that the state is what came of the owner's appeal, or waits for it.
    """

    state: State
    reason: str | None = None
    appealed: bool = False
    can_appeal: bool = False


class AppealRefused(Exception):
    """The caller cannot appeal; `str(error)` tells why, and may be shown."""


class NotTheOwner(AppealRefused):
    """The image is not the caller's."""


class ImageAppeals(Protocol):
    """What cloud code may know and do of an object's image, with the rights of its caller.

    Whether the caller may read the object is not asked here. Raises StoreUnavailable.
    """

    def covers(self, class_name: str, column: str) -> bool:
        """Whether the images in the column are moderated."""

    def standing(self, image: Subject) -> Standing | None:
        """Say where the image stands; None: moderation knows nothing of it."""

    def appeal(self, image: Subject, text: str) -> Standing:
        """Send the rejected image back to review, and say where it stands. Raises AppealRefused."""


class Appeals:
    """Tells where images stand and takes appeals; thread-safe, safe beside other processes.

    `moderated` are the file columns by class. The words for categories are the app's owner's, or
    the usual ones where he has none.
    """

    def __init__(
        self,
        items: ModerationItems,
        subjects: Subjects,
        pipeline: ModerationPipeline,
        moderated: Mapping[str, Collection[str]],
        words: CategoryWords,
    ) -> None:
        self._items, self._subjects, self._pipeline = items, subjects, pipeline
        self._moderated, self._words = moderated, words

    def covers(self, class_name: str, column: str) -> bool:
        """Whether the images in the column are moderated."""
        return column in self._moderated.get(class_name, ())

    def standing(self, image: Subject, appellant: Appellant) -> Standing | None:
        """Say where the image stands for this caller; see ImageAppeals."""
        item = self._shown(image)
        return None if item is None else self._standing(item, appellant)

    def appeal(self, image: Subject, text: str, appellant: Appellant) -> Standing:
        """Take an appeal; see ImageAppeals. Of several at once one is taken."""
        item = self._shown(image)
        while True:
            item = _open_to(appellant, item)
            try:
                self._pipeline.decide(
                    item,
                    State.REVIEW,
                    decided_by=appellant.decided_by,
                    reasons=("the owner appealed",),
                    remark=Remark(appeal=text),
                )
            except AlreadyDecided as error:
                item = error.item
            else:
                now = self._items.get(item.item_id)
                if now is None or now.state is State.ENDED:
                    raise AppealRefused(_GONE)
                return self._standing(now, appellant)

    def _shown(self, image: Subject) -> Item | None:
        for item in self._items.of_object(image.class_name, image.object_id):
            if item.subject == image and self._subjects.find(item) is Mirrored.WRITTEN:
                return item
        return None

    def _standing(self, item: Item, appellant: Appellant) -> Standing:
        return Standing(
            item.state,
            _public_reason(item, self._words),
            appealed=item.appeal is not None,
            can_appeal=appellant.owns(item) and _why_closed(item) is None,
        )


def _open_to(appellant: Appellant, item: Item | None) -> Item:
    """Return the item if the caller may appeal. Raises AppealRefused."""
    if item is None or item.state is State.ENDED:
        raise AppealRefused(_GONE)
    if not appellant.owns(item):
        raise NotTheOwner("Only the owner of an image can appeal.")
    why_closed = _why_closed(item)
    if why_closed is not None:
        raise AppealRefused(why_closed)
    return item


def _why_closed(item: Item) -> str | None:
    """Say why nobody can appeal; None: the owner can."""
    if item.state is State.REVIEW and item.appeal is not None:
        return "An appeal was made already, and waits for a moderator."
    if item.state is not State.REJECTED:
        return f"This image is not rejected, but {_WORDS[item.state]}."
    if item.appeal is not None:
        return "A moderator has looked at this image after an appeal; that decision is final."
    return None


_GONE = "This image was replaced or deleted, or never moderated."
_WORDS = {
    State.PENDING: "not judged yet",
    State.APPROVED: "approved",
    State.REVIEW: "waiting for a moderator",
}


def _public_reason(item: Item, words: CategoryWords) -> str | None:
    """Explain a state without scores, thresholds, notes, or who decided."""
    if item.state is State.REVIEW:
        return "A moderator will look at this image" + (
            " again, because of an appeal." if item.appeal is not None else "."
        )
    if item.state is not State.REJECTED:
        return None
    if not item.decided_by_person:
        return "This image was rejected automatically, because it seems to break the rules."
    category = item.remark.category
    named = category and (words(category) or _USUAL_WORDS.get(category))
    return "A moderator rejected this image" + (f": {named}." if named else ".")
