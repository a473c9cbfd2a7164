"""A save on its way through the steps, and what the rules of its class may do at each of them.

`saving.py` takes the steps; here stands only what it shares with rules and triggers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.operations import Change, Set
from server.auth import Caller
from server.parse.errors import ParseError, duplicate_value
from server.storage.port import EVERYTHING, ClassSchema, Condition, Document, DuplicateObject, Index


@dataclass(slots=True)
class Save:
    """One save on its way through the steps; `original` is None for a new object."""

    caller: Caller
    schema: ClassSchema
    object_id: str
    changes: dict[str, Change]
    context: dict[str, Any]
    original: Document | None = None
    from_cloud_code: bool = False
    changed_by_trigger: frozenset[str] = frozenset()
    guard: Condition = EVERYTHING
    """What must hold of the object at the moment of the write, beyond the right to update it."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a rule remembers from one of its steps to the next."""

    @property
    def creates(self) -> bool:
        """Whether this makes a new object."""
        return self.original is None

    @property
    def class_name(self) -> str:
        """The object's class."""
        return self.schema.class_name

    def value(self, name: str) -> Any:
        """The value that a column is set to, None if it isn't."""
        change = self.changes.get(name)
        return change.value if isinstance(change, Set) else None


@dataclass(frozen=True, slots=True)
class Saved:
    """A save that is in the database: the object, and what the client does not know of it yet."""

    schema: ClassSchema
    document: Document
    created: bool
    news: Mapping[str, Any] = field(default_factory=dict)
    """Columns for the answer: results of operations, and what a trigger changed."""
    body: Mapping[str, Any] | None = None
    """What an afterSave trigger answers in place of all that."""

    @property
    def object_id(self) -> str:
        """The saved object's id."""
        object_id: str = self.document["objectId"]
        return object_id


class ClassRules:
    """What a system class asks of its saves beyond what holds for every class: here, nothing."""

    def ruled_columns(self, class_name: str) -> frozenset[str]:
        """Return what the rules alone fill: a schema neither gives it a default nor requires it.

        What a schema says of it nevertheless, as another server stored it, does not count.
        """
        return frozenset()

    def check(self, save: Save) -> None:
        """Refuse or complete what the client asked for, before any trigger sees it."""

    def finish(self, save: Save) -> None:
        """Turn the changes into what is stored, after the triggers."""

    def duplicate(self, error: DuplicateObject) -> ParseError:
        """Say which unique value is taken."""
        return duplicate_value()

    def record(self, save: Save) -> None:
        """Write down what has to be known before the object is written; nothing refuses it now."""

    def stored(self, save: Save, saved: Saved) -> Saved:
        """Do what follows from the save; may complete the answer."""
        return saved

    def deleting(self, class_name: str, document: Document) -> None:
        """Write down what has to be known before the object is deleted."""

    def deleted(self, class_name: str, document: Document) -> None:
        """Do what follows from the deletion."""


class SeveralRules(ClassRules):
    """The rules of a class that is special for several reasons, one after the other."""

    def __init__(self, *rules: ClassRules) -> None:
        self._rules = rules

    def ruled_columns(self, class_name: str) -> frozenset[str]:
        of_each = (rules.ruled_columns(class_name) for rules in self._rules)
        return frozenset(name for names in of_each for name in names)

    def check(self, save: Save) -> None:
        for rules in self._rules:
            rules.check(save)

    def finish(self, save: Save) -> None:
        for rules in self._rules:
            rules.finish(save)

    def duplicate(self, error: DuplicateObject) -> ParseError:
        return self._rules[0].duplicate(error)

    def record(self, save: Save) -> None:
        for rules in self._rules:
            rules.record(save)

    def stored(self, save: Save, saved: Saved) -> Saved:
        for rules in self._rules:
            saved = rules.stored(save, saved)
        return saved

    def deleting(self, class_name: str, document: Document) -> None:
        for rules in self._rules:
            rules.deleting(class_name, document)

    def deleted(self, class_name: str, document: Document) -> None:
        for rules in self._rules:
            rules.deleted(class_name, document)


@dataclass(frozen=True, slots=True)
class SpecialClass:
    """A class that is there from the start: its columns, its indexes, what its saves need."""

    schema: ClassSchema
    indexes: Sequence[Index]
    rules: ClassRules
