"""What a save means for moderation: a new image is pending before anyone can call it safe.

The item is written before the object, so an object that a client was told of always has one; an
item whose object never came is ended by the pipeline. The object shows its item from the same
write on that sets its file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cloud.clock import utc_now
from cloud.errors import SCRIPT_FAILED, VALIDATION_ERROR
from cloud.moderation.item_ports import Dispatch, ModerationItems
from cloud.moderation.items import (
    BY_OWNER,
    Decision,
    Evidence,
    Item,
    Lane,
    State,
    Subject,
    mirror,
    mirror_columns,
    placeholder_column,
)
from cloud.moderation.pipeline import AlreadyDecided, ModerationPipeline
from cloud.operations import Delete, Set
from cloud.values import File
from server.auth import Caller
from server.moderation.placeholders import PlaceholderColumns, is_placeholder
from server.moderation.subjects import shown_column, shown_item, shows, subject_schema
from server.objects.access import both
from server.objects.identity import new_object_id
from server.objects.save import ClassRules, Save, Saved, SpecialClass
from server.objects.system_classes import BUILT_IN_COLUMNS, SYSTEM_CLASSES, is_servers_own
from server.objects.value_types import check_type, type_of_change
from server.parse.errors import OPERATION_FORBIDDEN, ParseError
from server.storage.port import (
    EVERYTHING,
    ClassSchema,
    ColumnType,
    Condition,
    Document,
    Equals,
    Exists,
    Index,
)

# Whoever saves a decision may have been shown the picture so long ago.
_SHOWN_WITHIN = timedelta(days=1)

# What a user has that is no column, or none that a client may write.
_RESERVED = {name: ColumnType("String") for name in ("password", "sessionToken", "isModerator")}


def moderated_class(class_name: str, columns: Sequence[str], rules: ClassRules) -> SpecialClass:
    """A class with moderated file columns: they are Files and nothing else, and their queue has
    an index."""
    kinds: dict[str, ColumnType] = {}
    indexes = []
    for column in columns:
        kinds |= subject_schema(class_name, column).columns
        _, _, review, _ = mirror_columns(class_name, column)
        indexes.append(Index(f"queue_{column}", (review, "createdAt")))
    return SpecialClass(ClassSchema(class_name, kinds), indexes, rules)


def may_be_moderated(class_name: str) -> bool:
    """Whether the class is the app's, users included, and none of the server's own."""
    is_parses = class_name.startswith("_") and class_name != "_User"
    return not is_parses and not is_servers_own(class_name)


def check_moderated(files: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError, naming it, for a class or column whose files cannot be moderated."""
    for class_name, columns in files.items():
        known = SYSTEM_CLASSES.get(class_name, ClassSchema(class_name))
        if not may_be_moderated(class_name):
            raise ValueError(f"{class_name} is a class of the server's own")
        taken = {**BUILT_IN_COLUMNS, **_RESERVED, **known.columns}
        for column in columns:
            beside = {placeholder_column(class_name, column): ColumnType("String")}
            for name, kind in {**subject_schema(class_name, column).columns, **beside}.items():
                if taken.setdefault(name, kind) != kind:
                    raise ValueError(f"{class_name}.{column}: {name} is another column already")


@dataclass(slots=True)
class _Plan:
    """What a save will do about one column."""

    ruling: State | None = None
    """What a moderator says of the image."""
    names_file: bool = False
    """The moderator says of which."""
    item: Item | None = None
    """The new item."""
    replaces: str | None = None
    """The item that will not be shown any more."""
    unknown: Item | None = None
    """That item, where the image it is of had none."""
    takes_away: str | None = None
    """The name of the note that no item will be shown any more."""
    guard: Condition = EVERYTHING
    """What must still hold of the object."""


class ModeratedFiles(ClassRules):
    """The ClassRules of a class with moderated file columns."""

    def __init__(
        self,
        columns: Sequence[str],
        items: ModerationItems,
        pipeline: ModerationPipeline,
        dispatch: Dispatch,
        placeholders: PlaceholderColumns,
    ) -> None:
        self._columns, self._placeholders = columns, placeholders
        self._items, self._pipeline, self._dispatch = items, pipeline, dispatch
        self._loose_ends = pipeline.loose_ends

    def ruled_columns(self, class_name: str) -> frozenset[str]:
        """A default image would be one that nobody judged, a default verdict one of no image."""
        of_each = (subject_schema(class_name, column).columns for column in self._columns)
        return frozenset(name for names in of_each for name in names)

    def check(self, save: Save) -> None:
        """Refuse a client's hand on the columns that say what moderation found."""
        for column in self._columns:
            asked = _asked_for(save, column)
            if asked and not _may_rule(save.caller):
                message = f"{min(asked)} is written by moderation alone."
                raise ParseError(OPERATION_FORBIDDEN, message)
            for path in asked:
                _check_type(save, path)
            ruling = _ruling(save, column) if asked else None
            save.notes[column] = _Plan(ruling, names_file=column in save.changes)
            for path in asked:
                del save.changes[path]

    def finish(self, save: Save) -> None:
        """Plan items for new images, whose objects say that nothing is known yet."""
        for column in self._columns:
            for path in _asked_for(save, column):  # by a trigger
                del save.changes[path]
            if column in save.changes:
                self._change_file(save, column)
            self._plan_ruling(save, column)

    def record(self, save: Save) -> None:
        """Write the new items, and which objects lose their files."""
        for plan in self._plans(save):
            save.guard = both(save.guard, plan.guard)
            for item in (plan.unknown, plan.item):
                if item is not None:
                    self._items.add(item)
            if plan.takes_away is not None:
                self._loose_ends.note(plan.takes_away, save.class_name, save.object_id)

    def stored(self, save: Save, saved: Saved) -> Saved:
        """Record what a moderator ruled, have new items judged, end those of replaced files."""
        for column, plan in zip(self._columns, self._plans(save), strict=True):
            if plan.replaces is not None:
                self._pipeline.end_replaced(plan.replaces)
            if plan.takes_away is not None:
                self._loose_ends.tie(plan.takes_away, save.class_name, save.object_id)
            if plan.item is not None:
                saved = self._revived(saved, column, plan, plan.item)
            if plan.ruling is not None:
                saved = self._ruled(save, saved, column, plan.ruling)
            elif plan.item is not None:
                self._dispatch.submit(plan.item.item_id)
        return saved

    def deleting(self, class_name: str, document: Document) -> None:
        """Note that an object is about to go, should nobody come to say that it is gone."""
        object_id = document["objectId"]
        self._loose_ends.note(_deletion(class_name, object_id), class_name, object_id)

    def deleted(self, class_name: str, document: Document) -> None:
        """End the items of an object that is gone."""
        object_id = document["objectId"]
        self._loose_ends.tie(_deletion(class_name, object_id), class_name, object_id)

    def _plans(self, save: Save) -> list[_Plan]:
        return [save.notes[column] for column in self._columns]

    def _change_file(self, save: Save, column: str) -> None:
        change = save.changes[column]
        before, after = (save.original or {}).get(column), save.value(column)
        if isinstance(after, File) and before == File(after.name):
            # Written, it could undo a change of file that another save makes right now, and the
            # other file's verdict would stand beside this one.
            del save.changes[column]
        elif isinstance(after, File):
            self._replace(save, column)
            self._begin(save, column, after)
            save.changes |= self._placeholders.changes(save.schema, column, after)
        elif change in (Delete(), Set(None)):  # and no operation that leaves the file in place
            self._replace(save, column)
            self._plan(save, column).takes_away = new_object_id()
            for name in (*mirror_columns(save.class_name, column), shown_column(column)):
                save.changes[name] = Delete()
            save.changes |= self._placeholders.changes(save.schema, column, None)

    def _replace(self, save: Save, column: str) -> None:
        """Plan the end of the item that was shown. An image from before moderation gets one for it:
        moderators may have been shown that image, and what takes its place is another one."""
        original, plan = save.original or {}, self._plan(save, column)
        file, plan.replaces = original.get(column), shown_item(original, column)
        if plan.replaces is None and isinstance(file, File):
            subject = Subject(save.class_name, save.object_id, column, file.name)
            plan.unknown = Item(new_object_id(), subject, State.PENDING, utc_now())
            plan.replaces = plan.unknown.item_id

    def _begin(self, save: Save, column: str, file: File) -> None:
        """Plan an item, and the object's columns of a pending one."""
        subject = Subject(save.class_name, save.object_id, column, file.name)
        item = Item(new_object_id(), subject, State.PENDING, utc_now(), uploader=_uploader(save))
        for name, value in mirror(subject, State.PENDING, Evidence()).items():
            save.changes[name] = Delete() if value is None else Set(value)
        save.changes[shown_column(column)] = Set(shows(item.item_id, 0))
        self._plan(save, column).item = item

    def _plan_ruling(self, save: Save, column: str) -> None:
        """A ruling needs an image, and one from before moderation needs an item first."""
        plan = self._plan(save, column)
        if plan.ruling is None or plan.item is not None:
            return
        original = save.original or {}
        file = None if column in save.changes else original.get(column)
        if not isinstance(file, File):
            raise ParseError(VALIDATION_ERROR, f"There is no image in {column} to decide on.")
        shown = shown_item(original, column)
        if shown is None:
            self._begin(save, column, file)
            plan.guard = both(Equals(column, file), Exists(shown_column(column), exists=False))
        elif plan.ruling is State.APPROVED and not (plan.names_file or save.caller.master):
            self._refuse_unseen(shown)

    def _refuse_unseen(self, item_id: str) -> None:
        """Who approves without saying what may have been shown the picture that was there before:
        owners can change it while moderators look."""
        item = self._items.get(item_id)
        if item is None or item.state is State.APPROVED:  # there is nothing to approve
            return
        is_new = utc_now() - item.created_at < _SHOWN_WITHIN
        if is_new and self._items.took_anothers_place(item):
            column = item.subject.column
            message = (
                f"This image took another's place at {item.created_at:%Y-%m-%d %H:%M} UTC. Fetch "
                f"the object, look again, and save its {column} along with the decision."
            )
            raise ParseError(SCRIPT_FAILED, message)

    def _plan(self, save: Save, column: str) -> _Plan:
        plan: _Plan = save.notes[column]
        return plan

    def _revived(self, saved: Saved, column: str, plan: _Plan, item: Item) -> Saved:
        """See that the object was not written too late for its item."""
        plan.item = self._loose_ends.revived(item)
        if plan.item is item:
            return saved
        shown = {shown_column(column): shows(plan.item.item_id, 0)}
        return replace(saved, document=_with(saved.document, shown))

    def _ruled(self, save: Save, saved: Saved, column: str, after: State) -> Saved:
        """Decide on the save's own item, or the one that was there before, if it still is."""
        new = self._plan(save, column).item
        meant = shown_item(save.original or {}, column) if new is None else new.item_id
        is_there = meant == shown_item(saved.document, column)
        item = self._items.get(meant) if meant is not None and is_there else None
        decision = self._decide(item, after, save.caller)
        if decision is None:
            return saved
        shown = mirror(decision.subject, decision.after, decision.evidence)
        return replace(saved, document=_with(saved.document, shown))

    def _decide(self, item: Item | None, after: State, caller: Caller) -> Decision | None:
        """Make the decision, over the rules' if need be. None: it stands so already.

        Raises ParseError when another person was faster, the image is left to the admins, or gone.
        """
        while item is not None and item.state is not State.ENDED:
            if item.state is after:
                return None
            if item.lane is Lane.ESCALATED and not caller.master:
                message = "This image is left to the admins, who decide on it in the panel."
                raise ParseError(OPERATION_FORBIDDEN, message)
            try:
                return self._pipeline.decide(
                    item, after, decided_by=_name(caller), reasons=("saved through an SDK",)
                )
            except AlreadyDecided as error:
                item = error.item
                if item is not None and item.decided_by_person and not _is_appealed(item):
                    break
        raise ParseError(SCRIPT_FAILED, _too_late(item))


def _deletion(class_name: str, object_id: str) -> str:
    """Names the note of a deletion: an object is deleted once, however many ask for it."""
    return hashlib.sha256(f"delete {class_name} {object_id}".encode()).hexdigest()[:24]


def _asked_for(save: Save, column: str) -> list[str]:
    """The columns of moderation's that a save wants to write, by dotted path as well."""
    mirrored = mirror_columns(save.class_name, column)
    names = {path: path.partition(".")[0] for path in save.changes}
    return sorted(
        path
        for path, name in names.items()
        if name in mirrored or is_placeholder(save.schema, column, name)
    )


def _check_type(save: Save, path: str) -> None:
    name, dot, _ = path.partition(".")
    if name not in save.schema.columns:  # no placeholder was ever written
        return
    given = ColumnType("Object") if dot else type_of_change(save.changes[path])
    if given is not None:
        check_type(save.schema, name, given)


def _ruling(save: Save, column: str) -> State | None:
    """Read what a moderator means by the columns' new values.

    One of them true says it. Taking back what was true leaves the image for review. Raises
    ParseError for what says nothing, or two things.
    """
    safe, deleted, review, _ = mirror_columns(save.class_name, column)
    meanings = {safe: State.APPROVED, deleted: State.REJECTED, review: State.REVIEW}
    said = [name for name in meanings if save.value(name) is True]
    if len(said) > 1:
        message = f"{' and '.join(said)} cannot be true at once."
        raise ParseError(VALIDATION_ERROR, message)
    if said:
        return meanings[said[0]]
    was_true = {name for name in meanings if (save.original or {}).get(name) is True}
    taken_back = was_true & save.changes.keys()
    if review in taken_back:
        message = f"Set {safe} or {deleted} to true to say what was found in review."
        raise ParseError(VALIDATION_ERROR, message)
    return State.REVIEW if taken_back else None


def _may_rule(caller: Caller) -> bool:
    return caller.master or (caller.user is not None and caller.user.get("isModerator") is True)


def _uploader(save: Save) -> str | None:
    """Who saved the file; a user's own pictures are the user's, whoever signed her up."""
    return save.object_id if save.class_name == "_User" else save.caller.user_id


def _name(caller: Caller) -> str:
    return "master key" if caller.master else f"user:{caller.user_id}"


def _is_appealed(item: Item) -> bool:
    """Whether its owner was faster, who only asks for what a moderator is about to say."""
    return item.decided_by is not None and item.decided_by.startswith(BY_OWNER)


def _too_late(item: Item | None) -> str:
    if item is None or item.state is State.ENDED:
        return "This image was replaced or deleted a moment ago. Fetch the object again."
    return f"This image was already decided by {item.decided_by}. Fetch the object again."


def _with(document: Document, columns: Mapping[str, Any]) -> Document:
    kept = {name: value for name, value in document.items() if name not in columns}
    return kept | {name: value for name, value in columns.items() if value is not None}
