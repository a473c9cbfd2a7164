"""What cloud code is handed when it runs: who calls, what is asked, and what may be used."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from cloud.files import CloudFile
from cloud.moderation.appeals import ImageAppeals
from cloud.moderation.classification import ClassificationService
from cloud.objects import ObjectAccess, ParseObject
from cloud.queries import Query

_log = logging.getLogger("cloud")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What functions, triggers and jobs alike are told of their caller, and may use.

    `headers` have lower-case names. What a before-trigger puts into `context` the after-trigger
    finds there. `roles` finds the names of the user's roles; `stored_file` reads a file of the
    app's by its name, and is None where there is none. `master` holds for the read-only master key
    as well, and `read_only` says that it was that one.
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
    read_only: bool = False
    log: logging.Logger = _log

    @classmethod
    def of(cls, context: "RequestContext", **own: Any) -> Self:
        """Make a request in this context; `own` are the fields that only this kind has."""
        return cls(**{name: getattr(context, name) for name in _SHARED}, **own)


_SHARED = tuple(field.name for field in fields(RequestContext))  # looked up at every call


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRequest(RequestContext):
    """One call of a cloud function."""

    function_name: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRequest(RequestContext):
    """A save, a deletion, a login or a logout. `original` is the object as it was before an update,
    else None."""

    trigger_name: str
    object: ParseObject
    original: ParseObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindTriggerRequest(RequestContext):
    """A find, or with `is_get` a read of one object. `count` says whether they are counted as well.

    `results` are what was found, for after_find; before_find has None.
    """

    trigger_name: str
    query: Query
    count: bool
    is_get: bool
    results: list[ParseObject] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTriggerRequest(RequestContext):
    """An upload, or the deletion of a file. `file_size` is in bytes, None for a deletion and where
    before_save_file named a file that was stored already."""

    trigger_name: str
    file: CloudFile
    file_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest(RequestContext):
    """One run of a job. `message` notes how far it is, for whoever looks at its status."""

    job_name: str
    job_id: str
    params: dict[str, Any]
    message: Callable[[str], None]
