"""The review desk: who looks at which image, and what moderators decide.

An image that is shown to one moderator is claimed: nobody else gets it until the claim runs out.
What is decided is the pipeline's business; the desk says who may decide, and takes back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cloud.moderation.items import NO_REMARK, Claim, Decision, Item, Lane, Remark, State

CLAIM_LENGTH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A moderator in one session of the panel."""

    moderator_id: str
    name: str
    session_id: str
    is_admin: bool = False

    @property
    def decided_by(self) -> str:
        """How decisions name the moderator."""
        return f"user:{self.moderator_id}"


class ReviewOrder(StrEnum):
    """Which of the waiting images come first."""

    OLDEST = "oldest"
    RISKIEST = "riskiest"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a moderator says of an image: approved, rejected, or back to review."""

    after: State
    remark: Remark = NO_REMARK


class ReviewError(Exception):
    """Why a moderator cannot have her way with an item."""


class NoSuchItem(ReviewError):
    """There is no such item, or it is no longer anybody's image."""


class ClaimedByAnother(ReviewError):
    """Another session is looking at the item."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        super().__init__(f"claimed by {claim.moderator_id} until {claim.until}")


class NotYours(ReviewError):
    """Only admins, or only whoever made a decision, may do this."""


class ReviewDesk:
    """Hands out images and takes decisions; thread-safe, safe beside other processes."""

    def claim(
        self,
        reviewer: Reviewer,
        *,
        lane: Lane = Lane.REVIEW,
        order: ReviewOrder = ReviewOrder.OLDEST,
        count: int = 1,
        skipping: Collection[str] = (),
    ) -> list[Item]:
        """Return up to `count` waiting items, from now on this session's alone for CLAIM_LENGTH.

        Those that the session holds already come first, renewed; `skipping` are passed over, and
        let go if they were held. Raises NotYours for the escalated lane unless an admin asks.
        """
        raise NotImplementedError

    def renew(self, reviewer: Reviewer, item_ids: Collection[str]) -> list[str]:
        """Prolong claims; return the ids that are still this session's."""
        raise NotImplementedError

    def release(self, reviewer: Reviewer, item_ids: Collection[str] | None = None) -> None:
        """Let go of some claims of the session, or of all."""
        raise NotImplementedError

    def rule(self, reviewer: Reviewer, item_id: str, ruling: Ruling) -> Decision:
        """Decide. A repeated request, by `ruling.remark.request_key`, returns the decision that
        the first one made, whatever became of the item since.

        An item may be ruled whose claim ran out, as long as nobody else holds it; and one that is
        not in review: that reverses a decision. Raises AlreadyDecided when it was decided since
        the reviewer claimed it, ClaimedByAnother, NoSuchItem.
        """
        raise NotImplementedError

    def undo(self, reviewer: Reviewer, decision_id: str) -> Decision:
        """Take a decision of the reviewer's own back: the item stands again as before it, and if
        that is in review it is claimed by this session. Repeating it changes nothing more.

        Raises AlreadyDecided when something else was decided since, NotYours, NoSuchItem.
        """
        raise NotImplementedError

    def escalate(self, reviewer: Reviewer, item_id: str, note: str | None) -> None:
        """Leave an item in review to the admins, with a note, and let go of it.

        Raises AlreadyDecided, ClaimedByAnother, NoSuchItem.
        """
        raise NotImplementedError

    def item(self, item_id: str) -> Item:
        """Return an item as it stands. Raises NoSuchItem."""
        raise NotImplementedError

    def log(self, item_id: str) -> Sequence[Decision]:
        """Return all decisions on an item, oldest first."""
        raise NotImplementedError

    def waiting(self, lane: Lane) -> int:
        """Count the items that wait in a lane, claimed ones included."""
        raise NotImplementedError

    def oldest(self, lane: Lane) -> datetime | None:
        """Return since when the oldest item of a lane exists."""
        raise NotImplementedError

    def record_of(self, uploader: str) -> Mapping[State, int]:
        """Count an uploader's items by state."""
        raise NotImplementedError
