"""Run an app's triggers around saves and deletions, and carry over what they change."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from cloud.code import RequestContext, TriggerKind, cloud
from cloud.objects import ParseObject
from cloud.operations import Relate, apply
from cloud.running import run_after_delete, run_after_save, run_before_delete, run_before_save
from cloud.values import Relation
from server.auth import Caller
from server.objects.save import Save, Saved
from server.storage.port import Document

ContextOf = Callable[[Caller, dict[str, Any]], RequestContext]


class Triggers:
    """Finds the triggers of a class; without one nothing is prepared for it."""

    def __init__(self, context_of: ContextOf) -> None:
        self.context_of = context_of

    def before_save(self, save: Save) -> None:
        """Let the trigger change `save.changes`, or refuse the save by raising."""
        if cloud.trigger(TriggerKind.BEFORE_SAVE, save.class_name) is None:
            return
        subject = _subject(save)
        context = self.context_of(save.caller, save.context)
        run_before_save(context, subject, _original(save))
        internal = {name: change for name, change in save.changes.items() if name.startswith("_")}
        save.changes = {**internal, **subject.changes}

    def after_save(self, save: Save, saved: Saved) -> Saved:
        """Run the trigger; what it changes in the object, or returns, goes into the answer."""
        if cloud.trigger(TriggerKind.AFTER_SAVE, save.class_name) is None:
            return saved
        subject = ParseObject(save.class_name, saved.document, {})
        context = self.context_of(save.caller, save.context)
        result = run_after_save(context, subject, _original(save))
        if isinstance(result, Mapping):
            return replace(saved, body=dict(result))
        shown = {name: subject.get(name) for name in subject.dirty_names}
        return replace(saved, news={**saved.news, **shown})

    def before_delete(
        self, caller: Caller, class_name: str, document: Document, shared: dict[str, Any]
    ) -> None:
        """Let the trigger refuse the deletion by raising."""
        if cloud.trigger(TriggerKind.BEFORE_DELETE, class_name) is not None:
            context = self.context_of(caller, shared)
            run_before_delete(context, ParseObject(class_name, document, {}))

    def after_delete(
        self, caller: Caller, class_name: str, document: Document, shared: dict[str, Any]
    ) -> None:
        """Run the trigger; what it raises reaches the client."""
        if cloud.trigger(TriggerKind.AFTER_DELETE, class_name) is not None:
            context = self.context_of(caller, shared)
            run_after_delete(context, ParseObject(class_name, document, {}))


def _subject(save: Save) -> ParseObject:
    """The object as it will be, with what is about to change; a new one has no objectId yet."""
    values = deepcopy(save.original or {})
    for name, change in save.changes.items():
        if isinstance(change, Relate):
            targets = [pointer.class_name for pointer in (*change.added, *change.removed)]
            values |= {name: Relation(targets[0])} if targets else {}
        else:
            apply(values, {name: change})
    return ParseObject(save.class_name, values, save.changes)


def _original(save: Save) -> ParseObject | None:
    if save.original is None:
        return None
    return ParseObject(save.class_name, save.original, {})
