"""What a save means for moderation: a new image is pending before anyone can call it safe.

The item is written before the object, so an object that a client was told of always has one; an
item whose object never came is ended by the pipeline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cloud.errors import SCRIPT_FAILED
from cloud.moderation.item_ports import Dispatch, ModerationItems
from cloud.moderation.items import Evidence, Item, State, Subject, mirror, mirror_columns
from cloud.moderation.pipeline import AlreadyDecided, ModerationPipeline
from cloud.operations import Delete, Set
from cloud.values import File
from server.auth import Caller
from server.objects.identity import utc_now
from server.objects.saving import ClassRules, Save, Saved, SpecialClass
from server.objects.schemas import check_type, type_of_change
from server.parse.errors import OPERATION_FORBIDDEN, ParseError
from server.storage.port import ClassSchema, ColumnType, Document, Index


def moderated_class(class_name: str, columns: Sequence[str], rules: ClassRules) -> SpecialClass:
    """A class with moderated file columns: they are Files and nothing else, and their queue has
    an index."""
    kinds: dict[str, ColumnType] = {}
    indexes = []
    for column in columns:
        safe, deleted, review, predictions = mirror_columns(class_name, column)
        kinds[column] = ColumnType("File")
        kinds |= dict.fromkeys((safe, deleted, review), ColumnType("Boolean"))
        kinds[predictions] = ColumnType("Array")
        indexes.append(Index(f"queue_{column}", (review, "createdAt")))
    return SpecialClass(ClassSchema(class_name, kinds), indexes, rules)


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What a moderator said of an image by saving its object."""

    column: str
    after: State


class ModeratedFiles(ClassRules):
    """The ClassRules of a class with moderated file columns."""

    def __init__(
        self,
        columns: Sequence[str],
        items: ModerationItems,
        pipeline: ModerationPipeline,
        dispatch: Dispatch,
    ) -> None:
        self._columns = columns
        self._items, self._pipeline, self._dispatch = items, pipeline, dispatch

    def check(self, save: Save) -> None:
        """Refuse a client's hand on the columns that say what moderation found."""
        for column in self._columns:
            asked = _asked_for(save, column)
            if asked and not _may_rule(save.caller):
                message = f"{min(asked)} is written by moderation alone."
                raise ParseError(OPERATION_FORBIDDEN, message)
            ruling = _ruling(save, column) if asked else None
            for name in asked:
                _check_type(save, name)
                del save.changes[name]
            if ruling is not None:
                save.notes[ruling.column] = ruling

    def finish(self, save: Save) -> None:
        """Make items for new images, and their objects' columns say that nothing is known yet."""
        for column in self._columns:
            self._keep_trigger_out(save, column)
            if column not in save.changes:
                continue
            before, after = (save.original or {}).get(column), save.value(column)
            if isinstance(after, File) and before == File(after.name):
                # Written, it could undo a change of file that another save makes right now, and
                # the other file's verdict would stand beside this one.
                del save.changes[column]
            elif isinstance(after, File):
                self._begin(save, column, after)
            elif after is None and before is not None:
                for name in mirror_columns(save.class_name, column):
                    save.changes[name] = Delete()

    def stored(self, save: Save, saved: Saved) -> Saved:
        """Have new items judged, end those of replaced files, record what a moderator ruled."""
        for column in self._columns:
            item = save.notes.get(f"item of {column}")
            if isinstance(item, Item):
                self._dispatch.submit(item.item_id)
        if not save.creates and any(column in save.changes for column in self._columns):
            self._end_others(saved.document, save.class_name, "the file was replaced")
        rulings = [save.notes[c] for c in self._columns if isinstance(save.notes.get(c), _Ruling)]
        for ruling in rulings:
            saved = self._ruled(save, saved, ruling)
        return saved

    def deleted(self, class_name: str, document: Document) -> None:
        """End the items of an object that is gone."""
        object_id = document["objectId"]
        self._pipeline.end_items_of(class_name, object_id, frozenset(), "the object was deleted")

    def _begin(self, save: Save, column: str, file: File) -> None:
        subject = Subject(save.class_name, save.object_id, column, file.name)
        for name, value in mirror(subject, State.PENDING, Evidence()).items():
            save.changes[name] = Delete() if value is None else Set(value)
        save.notes[f"item of {column}"] = self._items.add(subject, utc_now())

    def _keep_trigger_out(self, save: Save, column: str) -> None:
        for name in mirror_columns(save.class_name, column):
            save.changes.pop(name, None)

    def _end_others(self, document: Document, class_name: str, why: str) -> None:
        files = [document.get(column) for column in self._columns]
        keep = frozenset(file.name for file in files if isinstance(file, File))
        self._pipeline.end_items_of(class_name, document["objectId"], keep, why)

    def _ruled(self, save: Save, saved: Saved, ruling: _Ruling) -> Saved:
        file = saved.document.get(ruling.column)
        if not isinstance(file, File):
            return saved
        subject = Subject(save.class_name, save.object_id, ruling.column, file.name)
        item = self._items.current(subject) or self._items.add(subject, utc_now())
        if item.state is ruling.after:
            return saved
        try:
            decision = self._pipeline.decide(
                item, ruling.after, decided_by=_name(save.caller), reasons=("saved through an SDK",)
            )
        except AlreadyDecided:
            message = "This image was decided by somebody else a moment ago. Fetch it again."
            raise ParseError(SCRIPT_FAILED, message) from None
        shown = mirror(subject, decision.after, decision.evidence)
        return replace(saved, document=_with(saved.document, shown))


def _asked_for(save: Save, column: str) -> set[str]:
    """The mirrored columns that a save wants to write, by dotted path as well."""
    names = mirror_columns(save.class_name, column)
    return {path for path in save.changes if path.partition(".")[0] in names}


def _check_type(save: Save, path: str) -> None:
    name, dot, _ = path.partition(".")
    given = ColumnType("Object") if dot else type_of_change(save.changes[path])
    if given is not None:
        check_type(save.schema, name, given)


def _ruling(save: Save, column: str) -> _Ruling | None:
    """Read what the moderator means: safe before deleted before needing review."""
    names = mirror_columns(save.class_name, column)
    for name, after in zip(names, (State.APPROVED, State.REJECTED, State.REVIEW), strict=False):
        if save.value(name) is True:
            return _Ruling(column, after)
    return None


def _may_rule(caller: Caller) -> bool:
    return caller.master or (caller.user is not None and caller.user.get("isModerator") is True)


def _name(caller: Caller) -> str:
    return f"user:{caller.user_id}" if caller.user_id else "master key"


def _with(document: Document, columns: Mapping[str, Any]) -> Document:
    kept = {name: value for name, value in document.items() if name not in columns}
    return kept | {name: value for name, value in columns.items() if value is not None}
