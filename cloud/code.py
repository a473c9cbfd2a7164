"""Cloud code: what an app defines of its own, and what it is handed when that runs.

The registry is the process's, as `Parse.Cloud` is: a process serves one app.
"""

import inspect
import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self, TypeVar

from cloud.errors import SCRIPT_FAILED, VALIDATION_ERROR, CloudError, ValidationFailed
from cloud.moderation.appeals import ImageAppeals
from cloud.moderation.classification import ClassificationService
from cloud.objects import ObjectAccess, ParseObject
from cloud.validation import Field, Validator

__all__ = [
    "SCRIPT_FAILED",
    "VALIDATION_ERROR",
    "CloudCode",
    "CloudError",
    "CloudRequest",
    "Definition",
    "Field",
    "JobRequest",
    "ParseObject",
    "RequestContext",
    "TriggerKind",
    "TriggerRequest",
    "ValidationFailed",
    "Validator",
    "cloud",
]

_log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What functions, triggers and jobs alike are told of their caller, and may use.

    `headers` have lower-case names. What a before-trigger puts into `context` the after-trigger
    finds there. `roles` finds the names of the user's roles; `stored_file` reads a file of the
    app's by its name, and is None where there is none.
    """

    master: bool
    user: ParseObject | None
    ip: str
    installation_id: str | None
    headers: Mapping[str, str]
    context: dict[str, Any]
    objects: ObjectAccess
    """Objects with the rights of the caller."""
    as_master: ObjectAccess
    """Objects with all rights."""
    roles: Callable[[], Collection[str]]
    stored_file: Callable[[str], bytes | None]
    moderation: ClassificationService
    appeals: ImageAppeals
    log: logging.Logger = _log

    @classmethod
    def of(cls, context: "RequestContext", **own: Any) -> Self:
        """Make a request in this context; `own` are the fields that only this kind has."""
        shared = {field.name: getattr(context, field.name) for field in fields(RequestContext)}
        return cls(**shared, **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRequest(RequestContext):
    """One call of a cloud function."""

    function_name: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRequest(RequestContext):
    """A save or deletion. `original` is the object as it was before an update, else None."""

    trigger_name: str
    object: ParseObject
    original: ParseObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest(RequestContext):
    """One run of a job. `message` notes how far it is, for whoever looks at its status."""

    job_name: str
    job_id: str
    params: dict[str, Any]
    message: Callable[[str], None]


class TriggerKind(StrEnum):
    """When a trigger runs, as Parse names it."""

    BEFORE_SAVE = "beforeSave"
    AFTER_SAVE = "afterSave"
    BEFORE_DELETE = "beforeDelete"
    AFTER_DELETE = "afterDelete"


Handler = Callable[[Any], Any]
"""Takes one of the requests above."""

AnyValidator = Validator | Callable[[Any], object]
"""A function gets the request and raises ValidationFailed, or returns False, to refuse it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A handler, and what is checked before it runs."""

    name: str
    handler: Handler
    validator: AnyValidator | None = None


_CLASS_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9_]*")


class CloudCode:
    """The functions, triggers and jobs of an app; a later definition replaces an earlier one."""

    def __init__(self) -> None:
        self._functions: dict[str, Definition] = {}
        self._triggers: dict[tuple[TriggerKind, str], Definition] = {}
        self._jobs: dict[str, Definition] = {}

    def define(
        self, name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Make the decorated function callable as `POST {mount}/functions/<name>`.

        What it returns is the answer's `result`.
        """
        _require_name(name)
        return _registering(self._functions, name, f"function {name}", validator)

    def before_save(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run before an object of the class is written: change `request.object`, or raise."""
        return self._on(TriggerKind.BEFORE_SAVE, class_name, validator)

    def after_save(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run after an object of the class was written; what it raises is only logged."""
        return self._on(TriggerKind.AFTER_SAVE, class_name, validator)

    def before_delete(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run before an object of the class is deleted; raising keeps it."""
        return self._on(TriggerKind.BEFORE_DELETE, class_name, validator)

    def after_delete(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run after an object of the class was deleted; what it raises reaches the client."""
        return self._on(TriggerKind.AFTER_DELETE, class_name, validator)

    def job(self, name: str) -> Callable[[Handler], Handler]:
        """Make the decorated function start in the background by `POST {mount}/jobs/<name>`.

        The text that it returns is kept as its status's message.
        """
        _require_name(name)
        return _registering(self._jobs, name, f"job {name}", None)

    def function(self, name: str) -> Definition | None:
        """Return the function of that name, case-sensitive as in Parse."""
        return self._functions.get(name)

    def trigger(self, kind: TriggerKind, class_name: str) -> Definition | None:
        """Return the trigger of that class."""
        return self._triggers.get((kind, class_name))

    def job_named(self, name: str) -> Definition | None:
        """Return the job of that name."""
        return self._jobs.get(name)

    def _on(
        self, kind: TriggerKind, class_name: str, validator: AnyValidator | None
    ) -> Callable[[Handler], Handler]:
        _require_name(class_name)
        if not _CLASS_NAME.fullmatch(class_name):
            raise ValueError(f"{class_name!r} is no class name")
        if class_name == "_Session":
            raise ValueError("Triggers are not supported for _Session class.")
        if class_name == "_PushStatus" and kind is TriggerKind.BEFORE_SAVE:
            raise ValueError("Only afterSave is allowed on _PushStatus")
        return _registering(
            self._triggers, (kind, class_name), f"{kind} of {class_name}", validator
        )


_Key = TypeVar("_Key")


def _require_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError('the decorator needs a name in parentheses, as in @cloud.define("hello")')


def _takes_one_argument(handler: Handler) -> bool:
    try:
        inspect.signature(handler).bind(None)
    except TypeError:
        return False
    return True


def _registering(
    definitions: dict[_Key, Definition], key: _Key, name: str, validator: AnyValidator | None
) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        if inspect.iscoroutinefunction(handler):  # nobody would await it
            raise TypeError(f"the {name} is async; cloud code is plain functions")
        if not _takes_one_argument(handler):
            raise TypeError(f"the {name} must take one argument, the request")
        definitions[key] = Definition(name, handler, validator)
        return handler

    return register


cloud = CloudCode()
