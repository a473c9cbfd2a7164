"""How the server runs cloud code: validate, call, and make of what was raised a Parse error."""

import logging
from collections.abc import Callable
from typing import Any

from cloud.code import FILES, Definition, TriggerKind, cloud
from cloud.errors import CloudError, ValidationFailed
from cloud.files import CloudFile
from cloud.moderation.errors import ModerationError
from cloud.objects import ParseObject
from cloud.queries import Query
from cloud.requests import (
    CloudRequest,
    FileTriggerRequest,
    FindTriggerRequest,
    JobRequest,
    RequestContext,
    TriggerRequest,
)
from cloud.validation import Subject, Validator, validate
from cloud.values import File
from ml_models.errors import MlModelsError

logger = logging.getLogger(__name__)


def run_function(function: Definition, request: CloudRequest) -> Any:
    """Return what the function returns. Raises CloudError, ModerationError or MlModelsError."""
    subject = Subject(request.master, request.user, request.roles, request.params)
    return _guarded(function, lambda: _validated(function, request, subject))


def run_job(job: Definition, request: JobRequest) -> Any:
    """Return what the job returns. Raises CloudError, ModerationError or MlModelsError."""
    return _guarded(job, lambda: job.handler(request))


def run_before_save(
    context: RequestContext, obj: ParseObject, original: ParseObject | None
) -> None:
    """Let the class's trigger change `obj`, or refuse it by raising as `run_function` does."""
    _run_trigger(TriggerKind.BEFORE_SAVE, context, obj, original)


def run_after_save(context: RequestContext, obj: ParseObject, original: ParseObject | None) -> Any:
    """Return what the class's trigger returns; what it raises is logged, for the save stands."""
    try:
        return _run_trigger(TriggerKind.AFTER_SAVE, context, obj, original)
    except (CloudError, ModerationError, MlModelsError) as error:
        logger.error("afterSave of %s %s failed: %s", obj.class_name, obj.id, error)
        return None


def run_before_delete(context: RequestContext, obj: ParseObject) -> None:
    """Let the class's trigger refuse the deletion by raising as `run_function` does."""
    _run_trigger(TriggerKind.BEFORE_DELETE, context, obj, None)


def run_after_delete(context: RequestContext, obj: ParseObject) -> None:
    """Run the class's trigger on what was deleted. Raises as `run_function` does."""
    _run_trigger(TriggerKind.AFTER_DELETE, context, obj, None)


def run_login_trigger(kind: TriggerKind, context: RequestContext, obj: ParseObject) -> None:
    """Run the trigger around a login or logout; `obj` is the user, or the session that ended.

    Raises as `run_function` does.
    """
    _run_trigger(kind, context, obj, None)


def run_before_find(context: RequestContext, query: Query, *, count: bool, is_get: bool) -> Query:
    """Return the query as the class's trigger wants it. Raises as `run_function` does."""
    kind = TriggerKind.BEFORE_FIND
    trigger = cloud.trigger(kind, query.class_name)
    if trigger is None:
        return query
    request = FindTriggerRequest.of(
        context, trigger_name=kind.value, query=query, count=count, is_get=is_get
    )
    result = _guarded(trigger, lambda: _validated(trigger, request, _nothing(request)))
    return result if isinstance(result, Query) else query


def run_after_find(
    context: RequestContext, query: Query, objects: list[ParseObject], *, count: bool, is_get: bool
) -> list[ParseObject]:
    """Return what the class's trigger makes of found objects. Raises as `run_function` does."""
    kind = TriggerKind.AFTER_FIND
    trigger = cloud.trigger(kind, query.class_name)
    if trigger is None:
        return objects
    request = FindTriggerRequest.of(
        context, trigger_name=kind.value, query=query, count=count, is_get=is_get, results=objects
    )

    def run() -> list[ParseObject]:
        result = _validated(trigger, request, _nothing(request))
        found = objects if result is None else list(result)
        if not all(isinstance(obj, ParseObject) for obj in found):
            raise TypeError("after_find returns a list of ParseObjects, or nothing")
        return found

    found: list[ParseObject] = _guarded(trigger, run)
    return found


def run_file_trigger(
    kind: TriggerKind, context: RequestContext, file: CloudFile, file_size: int | None
) -> CloudFile | File:
    """Return the file, or what the trigger returns in its place: another one, or one that is
    stored already. Raises as `run_function` does."""
    trigger = cloud.trigger(kind, FILES)
    if trigger is None:
        return file
    request = FileTriggerRequest.of(
        context, trigger_name=kind.value, file=file, file_size=file_size
    )

    def run() -> CloudFile | File:
        result = _validated(trigger, request, _nothing(request))
        changed = result if isinstance(result, CloudFile | File) else file
        if isinstance(changed, CloudFile):
            changed.check()
        return changed

    changed: CloudFile | File = _guarded(trigger, run)
    return changed


def _run_trigger(
    kind: TriggerKind, context: RequestContext, obj: ParseObject, original: ParseObject | None
) -> Any:
    trigger = cloud.trigger(kind, obj.class_name)
    if trigger is None:
        return None
    request = TriggerRequest.of(context, trigger_name=kind.value, object=obj, original=original)
    subject = Subject(request.master, request.user, request.roles, obj, original)
    return _guarded(trigger, lambda: _validated(trigger, request, subject))


def _nothing(request: RequestContext) -> Subject:
    """What is validated where there are neither params nor an object."""
    return Subject(request.master, request.user, request.roles, {})


def _validated(definition: Definition, request: RequestContext, subject: Subject) -> Any:
    rules = definition.validator
    if isinstance(rules, Validator):
        validate(rules, subject)
        is_trigger = not isinstance(request, CloudRequest)
        if rules.skip_with_master_key and request.master and is_trigger:
            return None
    elif rules is not None and rules(request) is False:
        raise ValidationFailed
    return definition.handler(request)


def _guarded(definition: Definition, run: Callable[[], Any]) -> Any:
    """Let through what is raised on purpose; the rest is a bug, which only the log explains."""
    try:
        return run()
    except (CloudError, ModerationError, MlModelsError):
        raise
    except (Exception, SystemExit) as error:  # cloud code is the user's and may raise anything
        logger.exception("the %s failed", definition.name)
        raise CloudError("Script failed. The server's log says why.") from error
