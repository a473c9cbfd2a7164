"""What moderators decided about an image holds when it comes again. Pure: how an image is known
again is the Memory port's business."""

from dataclasses import dataclass

from cloud.moderation.items import Decision, State

_LASTING = (State.APPROVED, State.REJECTED)


class NotReadYet(Exception):
    """What is remembered is still being read; ask again shortly."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is remembered of an image: a moderator's decision, or an entry of a list."""

    entry_id: str
    after: State
    decided_by: str
    decision_id: str | None
    """None: somebody put it on the list."""
    distance: int | None
    """How many of 256 bits differ between the fingerprints; None: the bytes are the same."""
    matches: int
    """How many images were known by this entry in the last hour, this one included."""


def opinion(
    recollection: Recollection, max_matches: int, *, rules_say: State, is_seen_through: bool = False
) -> tuple[State, tuple[str, ...]]:
    """Say what becomes of an image that was known again, and why.

    A near copy of what was approved is not approved over rules that reject it: whoever knows the
    hash can paint another picture with it. Nor over rules that send it to review, if one can see
    through it: it is a near copy on white alone.

    An entry that matches more than `max_matches` an hour may be a mistake that sweeps away what it
    should not: a moderator has to look.
    """
    reasons = (_cite(recollection),)
    is_near = recollection.distance is not None
    is_approval = is_near and recollection.after is State.APPROVED
    if is_approval and rules_say is State.REJECTED:
        return State.REVIEW, (*reasons, "the rules reject it")
    if is_approval and is_seen_through and rules_say is State.REVIEW:
        return State.REVIEW, (*reasons, "the rules send it to review")
    if recollection.matches <= max_matches:
        return recollection.after, reasons
    flood = (
        f"the entry matched {recollection.matches} images within an hour, more than {max_matches}: "
        "it may be a mistake"
    )
    return State.REVIEW, (flood, *reasons)


def _cite(recollection: Recollection) -> str:
    likeness = "the same bytes"
    if recollection.distance is not None:
        likeness = f"a near copy, {recollection.distance} of 256 bits differ"
    source = f"decision {recollection.decision_id}"
    if recollection.decision_id is None:
        source = "the list"
    return (
        f"{likeness}: {recollection.after} by {recollection.decided_by} in {source}, "
        f"remembered as {recollection.entry_id}"
    )


def is_lesson(decision: Decision) -> bool:
    """Whether the decision holds for its image from now on."""
    return _is_moderators(decision) and decision.after in _LASTING


def takes_back(decision: Decision) -> bool:
    """Whether a moderator puts in question what was decided before."""
    return _is_moderators(decision) and decision.before in _LASTING and not is_lesson(decision)


def _is_moderators(decision: Decision) -> bool:
    """An owner's appeal, by `owner:...`, is no moderator's decision and takes nothing back."""
    return decision.decided_by == "master key" or decision.decided_by.startswith("user:")
