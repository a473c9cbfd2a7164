"""What a write may leave that the pipeline does not come by: items without their object or file,
and objects whose item has ended.

A write that takes an object or a file away has its items end afterwards. Between the two its
process may end, or the database may go; then nothing else ever asks for them. An object that is
written later than its item was waited for shows an item that has ended. So such a write is noted as
a check before; whoever comes to the end strikes it out, and what is left is looked at by the
sweeper.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.item_ports import Check, Checks, Mirrored, ModerationItems, Subjects
from cloud.moderation.items import Item, State

logger = logging.getLogger(__name__)

FILE_REPLACED, OBJECT_DELETED = "the file was replaced", "the object was deleted"

# What a write takes, and after that what one takes that hangs, or whose process was stopped.
_LOOKS_AFTER = (timedelta(seconds=10), timedelta(minutes=10), timedelta(days=1))


class LooseEnds:
    """Ties up what writes left; thread-safe, and safe beside other processes.

    `end` ends an item for a reason, if it has not ended. Every method raises StoreUnavailable.
    """

    def __init__(
        self,
        items: ModerationItems,
        subjects: Subjects,
        checks: Checks,
        end: Callable[[Item, str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._items, self._subjects, self._checks = items, subjects, checks
        self._end, self._now = end, now

    def note(self, name: str, class_name: str, object_id: str) -> None:
        """Note, before the write, that an object or a file of its is about to go.

        The name is the caller's, to strike the note out; the same one twice is one note.
        """
        self._checks.add(Check(name, class_name, object_id, self._first_look()))

    def tie(self, name: str, class_name: str, object_id: str) -> None:
        """End, after the write, what the object does not hold any more; strike the note out."""
        self._end_unshown(class_name, object_id)
        self._checks.strike(name)

    def note_late(self, item: Item) -> None:
        """Note that an item ends because its object did not come, which it may do yet."""
        name, subject = item.item_id, item.subject
        due_at = self._first_look()
        self._checks.add(Check(name, subject.class_name, subject.object_id, due_at, name))

    def revived(self, item: Item) -> Item:
        """Return the item; if it ended before its object was written, a new one in its place.

        Ask once the object is written: it shows the new one from then on. What ended because the
        object shows something else by now is returned as it was given.
        """
        current = self._items.get(item.item_id)
        if current is None or current.state is not State.ENDED:
            return item
        if self._subjects.find(current) is not Mirrored.WRITTEN:
            return item
        again = self._items.begin_again(current, self._now())
        if self._subjects.show_instead(again, current):
            logger.info("item %s is judged as %s", item.item_id, again.item_id)
            return again
        self._end(again, FILE_REPLACED)
        return item

    def look(self, limit: int) -> None:
        """Look at what was noted and not struck out."""
        for check in self._checks.due(self._now(), limit):
            try:
                self._look_at(check)
            except StoreUnavailable:
                raise
            except Exception:  # the worker loop: this one comes again, and does not stop others
                logger.exception("%s cannot be looked at", check)
            self._put_off(check)

    def _look_at(self, check: Check) -> None:
        self._end_unshown(check.class_name, check.object_id)
        item = None if check.item_id is None else self._items.get(check.item_id)
        if item is not None:
            self.revived(item)

    def _put_off(self, check: Check) -> None:
        """Look again later, but not for ever."""
        looks = check.looks + 1
        if looks == len(_LOOKS_AFTER):
            self._checks.strike(check.name)
        else:
            self._checks.put_off(check, self._now() + _LOOKS_AFTER[looks])

    def _end_unshown(self, class_name: str, object_id: str) -> None:
        """End the object's items that it does not show and will not show again.

        What was judged was shown, and is not shown after another. What was not may be about to be:
        the pipeline knows how long to wait for it.
        """
        for item in self._items.of_object(class_name, object_id):
            mirrored = self._subjects.find(item)
            if mirrored is Mirrored.GONE:
                self._end(item, OBJECT_DELETED)
            elif mirrored is Mirrored.REPLACED and item.state is not State.PENDING:
                self._end(item, FILE_REPLACED)

    def _first_look(self) -> datetime:
        return self._now() + _LOOKS_AFTER[0]
