"""Images from before moderation: each gets an item, its object becomes pending, and it is judged.

The items are all there is to remember: a run that was interrupted is run again, and finds them.
What is held at once is one page of objects. Knows no command line.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.item_ports import Mirrored, ModerationItems
from cloud.moderation.items import Evidence, Item, State, Subject, mirror, mirror_columns
from cloud.moderation.pipeline import ModerationPipeline
from cloud.operations import Delete, Operation, Set
from cloud.values import File
from server.auth import Caller
from server.moderation.items import ITEM
from server.moderation.subjects import shown_column, shown_item, shows, subject_schema
from server.objects.identity import new_object_id
from server.objects.service import ParseObjects
from server.parse.query import FindRequest
from server.storage.port import (
    All,
    Condition,
    Database,
    Document,
    Equals,
    OneOf,
    Query,
    SortKey,
)

logger = logging.getLogger(__name__)

_PAGE = 200
_MASTER = Caller(master=True, ip="127.0.0.1")
# Longer than another process's lease, and than all attempts at one image with what lies between.
_PATIENCE_S = 70.0
_LOOK_AGAIN_AFTER_S = 0.25


class Fate(StrEnum):
    """What became of an object's image, as the summary words it."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REVIEW = "sent to review"
    PENDING = "left pending, for the server or the next run"
    TO_CLASSIFY = "would be classified"
    MODERATED = "in moderation already"
    JUDGED_BEFORE = "judged before moderation (--all takes them too)"
    CHANGED = "changed or deleted meanwhile"
    MISSING = "missing files, left as they are"


UNDONE = (Fate.PENDING, Fate.MISSING)
"""What a run should not have left."""

_FATES = {
    State.APPROVED: Fate.APPROVED,
    State.REJECTED: Fate.REJECTED,
    State.REVIEW: Fate.REVIEW,
    State.PENDING: Fate.PENDING,
    State.ENDED: Fate.CHANGED,
}


@dataclass(frozen=True, slots=True)
class _Image:
    """An object's file as a page showed it."""

    subject: Subject
    unchanged: Condition
    """What must still hold of the object when it is made pending."""
    was_judged: bool
    item_id: str | None
    """The live item, if it has one."""
    is_finished: bool
    """The item is decided, and the object says so."""


class Backlog:
    """The images in one file column of a class, as far as `where`, as Parse has it, holds.

    Taken is what has no live item and was not judged before moderation; with `rejudge` also what
    was. Works beside servers, and beside another run, on the same database.
    """

    def __init__(
        self,
        database: Database,
        objects: ParseObjects,
        items: ModerationItems,
        pipeline: ModerationPipeline,
        *,
        class_name: str,
        column: str,
        where: Mapping[str, Any],
        rejudge: bool,
    ) -> None:
        self._database, self._objects = database, objects
        self._items, self._pipeline = items, pipeline
        self._class_name, self._column = class_name, column
        self._where = {"$and": [where, {column: {"$exists": True}}]}
        self._rejudge = rejudge

    def count(self) -> int:
        """Count the objects with a file. Raises ParseError for a bad `where`."""
        return self._objects.count(_MASTER, self._class_name, self._where)

    def survey(self, threads: int) -> Iterator[Fate]:
        """Say of each image what a run would do; writes nothing."""
        return self._run(self._look, threads)

    def moderate(self, threads: int) -> Iterator[Fate]:
        """Make each image pending and judge it; yield what became of it.

        Raises StoreUnavailable; what was begun by then is left to the server, or the next run. And
        ParseError where the class has columns of other types.
        """
        self._objects.prepare()
        self._objects.check_fit(self._class_name)
        return self._run(self._judge, threads)

    def _run(self, step: Callable[[_Image], Fate], threads: int) -> Iterator[Fate]:
        with ThreadPoolExecutor(threads, thread_name_prefix="backlog") as pool:
            for documents in self._pages():
                yield from pool.map(step, self._images(documents))

    def _pages(self) -> Iterator[list[Document]]:
        """Read in the order of objectIds: what the run changes does not move the pages."""
        columns = mirror_columns(self._class_name, self._column)
        request = FindRequest(
            self._where,
            limit=_PAGE,
            order=(SortKey("objectId"),),
            keys=(self._column, *columns, shown_column(self._column)),
        )
        while documents := self._objects.find(_MASTER, self._class_name, request).documents:
            yield documents
            after = {"objectId": {"$gt": documents[-1]["objectId"]}}
            request = replace(request, where={"$and": [*self._where["$and"], after]})

    def _images(self, documents: list[Document]) -> list[_Image]:
        items = self._shown_items(documents)
        with_files = [d for d in documents if isinstance(d.get(self._column), File)]
        return [self._image(document, items) for document in with_files]

    def _shown_items(self, documents: list[Document]) -> Mapping[str, Document]:
        ids = [shown_item(document, self._column) for document in documents]
        known = tuple(item_id for item_id in ids if item_id is not None)
        if not known:
            return {}
        wanted = frozenset(["state", "fileName", "unsettled"])
        found = self._database.objects.find(ITEM, Query(OneOf("objectId", known), columns=wanted))
        return {item["objectId"]: item for item in found}

    def _image(self, document: Document, items: Mapping[str, Document]) -> _Image:
        column, file = self._column, document[self._column]
        item_id = shown_item(document, column)
        item = items.get(item_id or "", {"state": State.ENDED})
        # A Parse Server beside ours changes files without telling us.
        is_live = item["state"] != State.ENDED and item["fileName"] == file.name
        return _Image(
            Subject(self._class_name, document["objectId"], column, file.name),
            self._as_seen(document),
            item_id is None and self._was_judged(document),
            item_id if is_live else None,
            is_live and item["state"] != State.PENDING and "unsettled" not in item,
        )

    def _was_judged(self, document: Document) -> bool:
        """By the Node original, which keeps its predictions, or by who took the image down.

        That `isSafe` is true says nothing: the original writes it where it could not classify.
        """
        _, deleted, _, predictions = mirror_columns(self._class_name, self._column)
        return document.get(predictions) is not None or document.get(deleted) is True

    def _as_seen(self, document: Document) -> Condition:
        """Nobody replaced the file or judged it since, nor has another run begun with it."""
        column, shown = self._column, shown_column(self._column)
        *marks, predictions = mirror_columns(self._class_name, column)
        seen: list[Condition] = [
            Equals("objectId", document["objectId"]),
            Equals(column, File(document[column].name)),
            Equals(shown, document.get(shown)),
            *(Equals(mark, document.get(mark)) for mark in marks),
        ]
        if document.get(predictions) is None:
            seen.append(Equals(predictions, None))
        return All(tuple(seen))

    def _look(self, image: _Image) -> Fate:
        if image.is_finished:
            return Fate.MODERATED
        if image.item_id is not None:
            return Fate.TO_CLASSIFY
        if image.was_judged and not self._rejudge:
            return Fate.JUDGED_BEFORE
        is_there = self._database.files.stat(image.subject.file_name) is not None
        return Fate.TO_CLASSIFY if is_there else Fate.MISSING

    def _judge(self, image: _Image) -> Fate:
        fate = self._look(image)
        if fate is not Fate.TO_CLASSIFY:
            return fate
        try:
            item_id = image.item_id or self._begin(image)
            return Fate.CHANGED if item_id is None else self._finish(item_id)
        except StoreUnavailable:
            raise
        except Exception:  # the worker loop: one image shall not end the run each time
            logger.exception("%s could not be processed", image.subject)
            return Fate.PENDING

    def _begin(self, image: _Image) -> str | None:
        """Make the item, then the object pending; None if the object is not as it was seen.

        In this order, as a save does: what is interrupted in between leaves an item that no
        object shows, and that is ended in time.
        """
        item = Item(new_object_id(), image.subject, State.PENDING, utc_now())
        self._items.add(item)
        values = dict(mirror(image.subject, State.PENDING, Evidence()))
        values |= {shown_column(self._column): shows(item.item_id, 0), "updatedAt": utc_now()}
        operations: dict[str, Operation] = {
            name: Delete() if value is None else Set(value) for name, value in values.items()
        }
        schema = subject_schema(self._class_name, self._column)
        if self._database.objects.update(schema, image.unchanged, operations) is not None:
            return self._pipeline.loose_ends.revived(item).item_id
        self._pipeline.end_replaced(item.item_id)
        return None

    def _finish(self, item_id: str) -> Fate:
        """Process the item until it is decided, by us or by who has it."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self._pipeline.process(item_id)
            item = self._items.get(item_id)
            if item is None:
                return Fate.CHANGED
            if item.unsettled is not None:  # by who was interrupted, or is about to
                settled = self._pipeline.settle(item.unsettled)
                return _FATES[item.state] if settled is Mirrored.WRITTEN else Fate.CHANGED
            if item.state is not State.PENDING or time.monotonic() > deadline:
                return _FATES[item.state]
            time.sleep(_LOOK_AGAIN_AFTER_S)
