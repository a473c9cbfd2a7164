"""What an undo takes back, and what stands again then. Pure.

An undo is a decision like others: the log keeps both what was undone and that it was. What stands
is what is left when each undo has cancelled the decision it names.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from cloud.moderation.items import NO_REMARK, Decision, Item, Remark, next_decision

UNDONE = "undone"


def standing(log: Sequence[Decision]) -> list[Decision]:
    """Return an item's decisions that were not undone; the last one is in force."""
    stack: list[Decision] = []
    for decision in log:
        if decision.undoes is None:
            stack.append(decision)
        else:
            stack = [each for each in stack if each.number != decision.undoes]
    return stack


def undo_of(log: Sequence[Decision], number: int) -> Decision | None:
    """Return the undo that took an item's decision back, if one did."""
    return next((each for each in log if each.undoes == number), None)


def next_undo(item: Item, stack: Sequence[Decision], by: str, now: datetime) -> Decision:
    """Describe the transition that takes back the last decision standing."""
    *earlier, undone = stack
    restored = earlier[-1] if earlier else None
    remark = NO_REMARK
    if restored is not None:
        remark = Remark(restored.remark.category, restored.remark.note)
    decision = next_decision(
        item,
        undone.before,
        decided_by=by,
        reasons=(UNDONE, *(restored.reasons if restored else ())),
        evidence=None,
        now=now,
        remark=remark,
    )
    return replace(
        decision,
        undoes=undone.number,
        restores=None if restored is None else restored.decided_by,
        lane=None if restored is None else restored.lane,
    )
