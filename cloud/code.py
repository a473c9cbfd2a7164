"""Cloud code: what an app defines of its own, and what it is handed when that runs.

The registry is the process's, as `Parse.Cloud` is: a process serves one app.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from cloud.errors import SCRIPT_FAILED, VALIDATION_ERROR, CloudError, ValidationFailed
from cloud.files import CloudFile
from cloud.objects import ParseObject
from cloud.queries import Query
from cloud.rate_limits import RateLimit
from cloud.requests import (
    CloudRequest,
    FileTriggerRequest,
    FindTriggerRequest,
    JobRequest,
    RequestContext,
    TriggerRequest,
)
from cloud.validation import Field, Validator

__all__ = [
    "SCRIPT_FAILED",
    "VALIDATION_ERROR",
    "CloudCode",
    "CloudError",
    "CloudFile",
    "CloudRequest",
    "Definition",
    "Field",
    "FileTriggerRequest",
    "FindTriggerRequest",
    "JobRequest",
    "ParseObject",
    "Query",
    "RateLimit",
    "RequestContext",
    "TriggerKind",
    "TriggerRequest",
    "ValidationFailed",
    "Validator",
    "cloud",
]


class TriggerKind(StrEnum):
    """When a trigger runs, as Parse names it."""

    BEFORE_SAVE = "beforeSave"
    AFTER_SAVE = "afterSave"
    BEFORE_DELETE = "beforeDelete"
    AFTER_DELETE = "afterDelete"
    BEFORE_FIND = "beforeFind"
    AFTER_FIND = "afterFind"
    BEFORE_LOGIN = "beforeLogin"
    AFTER_LOGIN = "afterLogin"
    AFTER_LOGOUT = "afterLogout"
    BEFORE_PASSWORD_RESET_REQUEST = "beforePasswordResetRequest"  # noqa: S105 - no password


FILES = "@File"
"""The class by which Parse knows the triggers of files."""


Handler = Callable[[Any], Any]
"""Takes one of the requests of `cloud.requests`."""

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

    def before_find(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run before objects of the class are looked for, also in includes and subqueries.

        It changes `request.query`, returns another one, or raises.
        """
        return self._on(TriggerKind.BEFORE_FIND, class_name, validator)

    def after_find(
        self, class_name: str, validator: AnyValidator | None = None
    ) -> Callable[[Handler], Handler]:
        """Run before found objects are answered: change them, or return others in their place."""
        return self._on(TriggerKind.AFTER_FIND, class_name, validator)

    def before_login(self, handler: Any = None, *, validator: AnyValidator | None = None) -> Any:
        """Run when a user has proved who she is, before the session; raising refuses the login.

        This and what follows stand with parentheses or without.
        """
        return self._on_the_one(TriggerKind.BEFORE_LOGIN, "_User", handler, validator)

    def after_login(self, handler: Any = None, *, validator: AnyValidator | None = None) -> Any:
        """Run after a login with a password; what it raises reaches the client."""
        return self._on_the_one(TriggerKind.AFTER_LOGIN, "_User", handler, validator)

    def after_logout(self, handler: Any = None, *, validator: AnyValidator | None = None) -> Any:
        """Run after a logout; `request.object` is the session that ended."""
        return self._on_the_one(TriggerKind.AFTER_LOGOUT, "_Session", handler, validator)

    def before_password_reset_request(
        self, handler: Any = None, *, validator: AnyValidator | None = None
    ) -> Any:
        """Run before a known user is sent a mail to reset the password; raising sends none."""
        kind = TriggerKind.BEFORE_PASSWORD_RESET_REQUEST
        return self._on_the_one(kind, "_User", handler, validator)

    def before_save_file(
        self, handler: Any = None, *, validator: AnyValidator | None = None
    ) -> Any:
        """Run before an upload is stored: change `request.file`, return another one, or raise."""
        return self._on_the_one(TriggerKind.BEFORE_SAVE, FILES, handler, validator)

    def after_save_file(self, handler: Any = None, *, validator: AnyValidator | None = None) -> Any:
        """Run after a file was stored; what it raises reaches the client."""
        return self._on_the_one(TriggerKind.AFTER_SAVE, FILES, handler, validator)

    def before_delete_file(
        self, handler: Any = None, *, validator: AnyValidator | None = None
    ) -> Any:
        """Run before a file is deleted; raising keeps it."""
        return self._on_the_one(TriggerKind.BEFORE_DELETE, FILES, handler, validator)

    def after_delete_file(
        self, handler: Any = None, *, validator: AnyValidator | None = None
    ) -> Any:
        """Run after a file was deleted; what it raises reaches the client."""
        return self._on_the_one(TriggerKind.AFTER_DELETE, FILES, handler, validator)

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

    @property
    def job_names(self) -> tuple[str, ...]:
        """The names of all jobs, in the order of their definitions."""
        return tuple(self._jobs)

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
        _refuse_rate_limit(kind, validator)
        if class_name == "_PushStatus" and kind is TriggerKind.BEFORE_SAVE:
            raise ValueError("Only afterSave is allowed on _PushStatus")
        return _registering(
            self._triggers, (kind, class_name), f"{kind} of {class_name}", validator
        )

    def _on_the_one(
        self,
        kind: TriggerKind,
        class_name: str,
        handler: Any,
        validator: AnyValidator | None,
    ) -> Any:
        """For triggers of which there is one, and that may be written without parentheses."""
        if isinstance(handler, Validator):
            handler, validator = None, handler
        _refuse_rate_limit(kind, validator)
        name = f"{kind} of {class_name}"
        register = _registering(self._triggers, (kind, class_name), name, validator)
        return register if handler is None else register(handler)


_Key = TypeVar("_Key")


def _require_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError('the decorator needs a name in parentheses, as in @cloud.define("hello")')


def _refuse_rate_limit(kind: TriggerKind, validator: AnyValidator | None) -> None:
    """What comes after a call cannot limit it."""
    limits = isinstance(validator, Validator) and validator.rate_limit is not None
    if limits and kind.startswith("after"):
        raise ValueError(f"rate_limit has no meaning for {kind}; give it to the before-trigger")


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
